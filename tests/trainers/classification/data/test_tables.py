"""The user's own tables: which columns are features, which rows labels, what is refused."""

import datetime
import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainers.specimens import TABLES, spec_of
from trainers.classification.data.dataset import Dataset
from trainers.data.errors import DataError
from trainers.data.fingerprint import fingerprint
from trainers.loading import load_dataset
from trainers.settings import Option

BIG = {"a": [1.5, 2.5, 3.5, 4.5], "b": [1, 2, 3, 5], "label": ["x", "y", "x", "y"]}


def _load(path: Path, kind: str = "parquet", **options: Option) -> Dataset:
    dataset = load_dataset(spec_of(kind, {"path": str(path), **options}))
    assert isinstance(dataset, Dataset)
    return dataset


def _refused(path: Path, kind: str = "parquet", **options: Option) -> str:
    with pytest.raises(DataError) as caught:
        _load(path, kind, **options)
    return str(caught.value)


def _parquet(folder: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"


def _text(folder: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    (folder / "a.csv").write_bytes(data)
    return folder / "a.csv"


# Of every kind of file


@pytest.mark.parametrize("kind", TABLES)
def test_every_column_but_the_label_is_a_feature(tmp_path: Path, kind: str) -> None:
    columns = {"kind": ["y", "x", "y"], "a": [1, 2, 3], "b": [0.5, 1.5, 2.5],
               "c": [True, False, True]}  # fmt: skip
    TABLES[kind](pd.DataFrame(columns), tmp_path / "t")
    dataset = _load(tmp_path / "t", kind, label="kind")
    assert dataset.inputs.tolist() == [[1, 0.5, 1], [2, 1.5, 0], [3, 2.5, 1]]
    assert (dataset.labels.tolist(), dataset.classes) == ([1, 0, 1], 2)
    assert dataset.info.feature_names == ("a", "b", "c")
    assert dataset.info.class_names == ("x", "y")
    assert dataset.info.remarks == ()


def test_the_same_table_is_the_same_data_in_every_kind_of_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)).round(6), columns=["a", "b"])
    frame["label"] = np.arange(60) % 11
    found = set()
    for kind, write in TABLES.items():
        write(frame, tmp_path / kind)
        found.add(fingerprint(_load(tmp_path / kind, kind)))
    assert len(found) == 1


def test_a_table_read_before_has_the_fingerprint_of_before(tmp_path: Path) -> None:
    columns = {"a": [1, 2, 2**60 + 1], "b": [0.1, 2.5, -3.0], "label": ["x", "y", "x"]}
    path = _parquet(tmp_path, columns)
    # As computed by the reader that knew no index.
    inputs = np.stack([np.asarray(columns[n], dtype=np.float32) for n in "ab"], axis=1)
    assert fingerprint(_load(path)) == fingerprint(Dataset(inputs, np.array([0, 1, 0]), 2))


@pytest.mark.parametrize("kind", TABLES)
def test_columns_can_be_left_out(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"id": [3, 1, 2], "a": [1, 2, 3], "note": ["p", "q", "r"],
                          "label": [0, 1, 1]})  # fmt: skip
    TABLES[kind](frame, tmp_path / "t")
    dataset = _load(tmp_path / "t", kind, drop=("id", "note"))
    assert dataset.inputs.tolist() == [[1], [2], [3]]
    for drop, words in (
        (("ids",), "data.drop: .* has no column 'ids' to leave out; did you mean 'id'"),
        (("label",), "data.drop: 'label' is the column of labels"),
        (("id", "a", "note"), "has no column beside 'label'"),
    ):
        with pytest.raises(DataError, match=words):
            _load(tmp_path / "t", kind, drop=drop)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": [1.0], "y": [0]}, ["no column 'label' but a, y", "data.label"]),
        ({"a": ["red", "blue"], "label": [0, 1]},
         ["column 'a' holds no numbers but texts such as 'red' in row 1", "get_dummies",
          "data.drop: [a]"]),
        ({"a": ["1", "?", "3"], "label": [0, 1, 1]}, ["'?' in row 2", "fill or drop the rows"]),
        ({"a": ["1", "x", "y"], "label": [0, 1, 1]}, ["'x' in row 2", "plain numbers"]),
        ({"a": ["r"], "b": [1], "c": ["s"], "label": [0]}, ["(nor does 'c')", "data.drop: [a, c]"]),
        ({"a": [1.0, None, 2.0], "label": [0, 1, 1]}, ["column 'a' has empty places in row 2"]),
        ({"a": [None, 1, None], "label": [0, 1, 1]}, ["'a' has empty places in 2 rows, the fi"]),
        ({"a": [1.0, 2.0], "label": [None, "b"]}, ["column 'label' has empty places in row 1"]),
        ({"a": [1.0, 2.0], "label": [0.5, 1.5]}, ["labels are float64", "a quantity is no class"]),
        ({"label": [0, 1]}, ["no column beside 'label'"]),
    ],
)  # fmt: skip
def test_table_that_cannot_be_used_says_why(
    tmp_path: Path, kind: str, columns: dict[str, list[Any]], words: list[str]
) -> None:
    TABLES[kind](pd.DataFrame(columns), tmp_path / "t")
    said = _refused(tmp_path / "t", kind)
    assert all(word in said for word in [str(tmp_path / "t"), *words]), said


@pytest.mark.parametrize("kind", TABLES)
def test_file_without_content_is_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / "t").write_bytes(b"")
    assert str(tmp_path / "t") in _refused(tmp_path / "t", kind)


def test_file_of_another_kind_is_told_as_that(tmp_path: Path) -> None:
    _text(tmp_path, "a,label\n1,2\n")
    assert "cannot be read as Parquet" in _refused(tmp_path / "a.csv")
    path = _parquet(tmp_path, BIG)
    for kind in ("csv", "tsv", "jsonl"):
        assert "is no text but a Parquet file; give data.dataset: parquet" in _refused(path, kind)
    (tmp_path / "b.csv").write_bytes(b"\x1f\x8b...")
    assert "packed with gzip; unpack it" in _refused(tmp_path / "b.csv", "csv")
    (tmp_path / "c.csv").write_bytes(b"PK\x03\x04...")
    assert "save it as CSV" in _refused(tmp_path / "c.csv", "csv")


# Indices of pandas


INDICES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "filtered": lambda frame: frame[frame.f1 > -0.5],
    "scaled": lambda frame: frame.set_axis(frame.index / 1000)[(frame.f1 > -0.5).to_numpy()],
    "drawn": lambda frame: frame.sample(frac=1, random_state=0),
    "of a column": lambda frame: frame.set_index("f0"),
    "of two columns": lambda frame: frame.set_index(["f0", "f2"]),
    "a range": lambda frame: frame,
    "a named range": lambda frame: frame.rename_axis("f9"),
    "a part of a range": lambda frame: frame[5:15],
    "dates": lambda frame: frame.set_axis(pd.date_range("2020", periods=len(frame))),
}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("index", INDICES)
def test_an_index_is_no_feature(tmp_path: Path, kind: str, index: str) -> None:
    """An unnamed one; a named one in Parquet alone, which says that it is one."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=["f0", "f1", "f2"])
    frame["label"] = np.repeat([0, 1, 2, 3], 10)
    frame = INDICES[index](frame)
    if kind == "csv" and frame.index.names[0]:
        frame = frame.reset_index(drop=True)
    path = tmp_path / "t"
    (frame.to_parquet if kind == "parquet" else frame.to_csv)(path)
    dataset = _load(path, kind)
    features = [name for name in frame.columns if name != "label"]
    assert dataset.info.feature_names == tuple(features)
    assert np.array_equal(dataset.inputs, frame[features].to_numpy(np.float32))
    # A range is no column of a Parquet file.
    no_column = kind == "parquet" and isinstance(frame.index, pd.RangeIndex)
    assert len(dataset.info.remarks) == (0 if no_column else 1)
    assert all("left out as an index of pandas" in remark for remark in dataset.info.remarks)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("name", ["Unnamed: 0", "__index_level_0__"])
def test_an_index_that_lost_its_role_is_known_by_its_name(
    tmp_path: Path, kind: str, name: str
) -> None:
    frame = pd.DataFrame({name: [0, 1, 2], "a": [5, 6, 5], "label": [0, 1, 1]})
    TABLES[kind](frame, tmp_path / "t")
    dataset = _load(tmp_path / "t", kind)
    assert dataset.inputs.tolist() == [[5], [6], [5]]
    assert repr(name) in dataset.info.remarks[0]


def test_labels_may_be_the_index(tmp_path: Path) -> None:
    pd.DataFrame(BIG).set_index("label").to_parquet(tmp_path / "t")
    dataset = _load(tmp_path / "t")
    assert dataset.labels.tolist() == [0, 1, 0, 1]
    assert dataset.info.remarks == ()


def test_metadata_that_is_not_of_pandas_is_passed_over(tmp_path: Path) -> None:
    deep = b"[" * 100_000
    for described in (b"no JSON", b"[]", b"{}", b'{"index_columns": 3}', b"\xff", deep):
        table = pa.table(BIG).replace_schema_metadata({b"pandas": described})
        pq.write_table(table, tmp_path / "t")
        assert _load(tmp_path / "t").info.feature_names == ("a", "b")


# Types of Parquet


def test_decimals_are_numbers(tmp_path: Path) -> None:
    numbers = [decimal.Decimal("1.50"), decimal.Decimal("-2.25")]
    path = _parquet(tmp_path, {"a": numbers, "label": [0, 1]})
    assert _load(path).inputs.tolist() == [[1.5], [-2.25]]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([datetime.datetime(2020, 1, 1)] * 2, "timestamp[us]; make numbers of it"),
        ([datetime.date(2020, 1, 1)] * 2, "date32[day]; make numbers of it"),
        ([[1.0], [2.0]], "list<"),
        ([{"x": 1}, {"x": 2}], "struct<x"),
        ([b"1", b"2"], "binary; make"),
        (pa.array(["u", "v"]).dictionary_encode(), "such as 'u' in row 1; make columns of 0 and"),
        (["1.5", "2.5"], "such as '1.5' in row 1; convert these with pandas.to_numeric"),
    ],
)
def test_column_of_another_type_is_named_with_a_remedy(
    tmp_path: Path, column: Any, words: str
) -> None:
    said = _refused(_parquet(tmp_path, {"a": column, "label": [0, 1]}))
    assert "column 'a' holds no numbers but " in said
    assert words in said


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_number_that_single_precision_does_not_hold_is_named(tmp_path: Path, value: float) -> None:
    path = _parquet(tmp_path, {"a": [1.0, 2.0, value], "label": [0, 1, 1]})
    assert "column 'a' holds NaN or infinity" in _refused(path)
    assert "in row 3;" in _refused(path)


def test_numbers_that_single_precision_cannot_tell_apart_are_told(tmp_path: Path) -> None:
    stamps = [1_700_000_000 + step for step in range(4)]
    remarks = _load(_parquet(tmp_path, {"t": stamps, "label": [0, 1, 0, 1]})).info.remarks
    assert "column 't' goes from 1700000000 to 1700000003" in remarks[0]
    assert "steps of 128 alone; subtract its mean before" in remarks[0]
    assert _load(_parquet(tmp_path, {"t": [0, 1e6, 5, 6], **BIG})).info.remarks == ()


@pytest.mark.parametrize("name", ["a", "label"])
def test_texts_that_are_none_are_refused(tmp_path: Path, name: str) -> None:
    bytes_of = pa.array([b"\xff", b"x"], pa.binary()).buffers()
    columns = {"a": [1, 2], "label": [0, 1], name: pa.Array.from_buffers(pa.string(), 2, bytes_of)}
    assert "cannot be read as Parquet: " in _refused(_parquet(tmp_path, columns))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    names = ["a", "a", "label"]
    pq.write_table(pa.Table.from_arrays([pa.array([1, 2])] * 3, names), tmp_path / "t")
    assert "has the column 'a' twice; rename one" in _refused(tmp_path / "t")
    _text(tmp_path, "a,a,label\n1,2,0\n1,3,1\n")
    assert "has the column 'a' twice; rename one" in _refused(tmp_path / "a.csv", "csv")


def test_folders_of_the_path_are_no_columns(tmp_path: Path) -> None:
    (tmp_path / "year=2020").mkdir()
    assert _load(_parquet(tmp_path / "year=2020", BIG)).info.feature_names == ("a", "b")


@pytest.mark.parametrize(("ordered", "told"), [(True, True), (False, False)])
def test_an_order_of_categories_that_classes_lack_is_told(
    tmp_path: Path, ordered: bool, told: bool
) -> None:
    sizes = pd.Categorical(["low", "high", "mid"], ["low", "mid", "high", "none"], ordered=ordered)
    pd.DataFrame({"a": [1, 2, 4], "label": sizes}).to_parquet(tmp_path / "t")
    dataset = _load(tmp_path / "t")
    assert dataset.info.class_names == ("high", "low", "mid")
    assert dataset.labels.tolist() == [1, 0, 2]
    assert [("low < mid < high" in remark) for remark in dataset.info.remarks] == [True] * told


# Delimited text


def test_text_is_numbers_with_blanks_and_quotes_around_them(tmp_path: Path) -> None:
    path = _text(tmp_path, 'a, b, label\r\n"1.5", 2, cat\r\n\r\n-3e2 ,4,"dog "\r\n')
    dataset = _load(path, "csv")
    assert dataset.inputs.tolist() == [[1.5, 2], [-300, 4]]
    assert dataset.info.class_names == ("cat", "dog")
    assert dataset.info.feature_names == ("a", "b")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ("1 2 10", ("1", "2", "10")),
        ("-1 0 1", ("-1", "0", "1")),
        ("01 1 10", ("01", "1", "10")),
        ("a NA b", ("NA", "a", "b")),
        ("true false true", ("false", "true")),
    ],
)
def test_labels_are_numbers_where_all_are_else_texts(
    tmp_path: Path, labels: str, classes: tuple[str, ...]
) -> None:
    rows = "".join(f"{i},{label}\n" for i, label in enumerate(labels.split()))
    assert _load(_text(tmp_path, f"a,label\n{rows}"), "csv").info.class_names == classes


@pytest.mark.parametrize("missing", ["", "NA", "nan", "?", "None"])
def test_missing_label_among_numbers_is_refused(tmp_path: Path, missing: str) -> None:
    path = _text(tmp_path, f"a,label\n1,0\n2,1\n3,{missing}\n")
    assert "column 'label' has empty places in row 3" in _refused(path, "csv")


DIALECTS: list[tuple[str, dict[str, Option]]] = [
    ("a;b;label\n1.5;2;x\n2.5;3;y\n", {"delimiter": ";"}),
    ("a|b|label\n1.5|2|x\n2.5|3|y\n", {"delimiter": "|"}),
    ("a;b;label\n1,5;2;x\n2,5;3;y\n", {"delimiter": ";", "decimal": ","}),
    ('a,b,label\n"1,5",2,x\n"2,5",3,y\n', {"decimal": ","}),
]


@pytest.mark.parametrize(("content", "options"), DIALECTS)
def test_dialect_that_is_told_is_read(
    tmp_path: Path, content: str, options: dict[str, Option]
) -> None:
    dataset = _load(_text(tmp_path, content), "csv", **options)
    assert dataset.inputs.tolist() == [[1.5, 2], [2.5, 3]]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("a;b;label\n1;2;x\n", {}, ["one field, 'a;b;label'", "give data.delimiter: ';'"]),
        ("a|b|label\n1|2|x\n", {}, ["give data.delimiter: '|'"]),
        ("a\tb\tlabel\n1\t2\tx\n", {}, ["separated by tabs, give data.dataset: tsv"]),
        ("a,b,label\n1,2,x\n", {"delimiter": ";"}, ["leave out data.delimiter"]),
        ("a;label\n1,5;x\n2,5;y\n", {"delimiter": ";"}, ["'1,5' in row 1", "data.decimal: ','"]),
        ('a,label\n"1,234",x\n"2,500",y\n', {}, ["separators of thousands", "data.decimal"]),
        ("a;label\n1.5;x\n2.5;y\n", {"delimiter": ";", "decimal": ","},
         ["'1.5' in row 1", "leave out data.decimal"]),
        ("a,label\n1,5,x\n2,5,y\n", {}, ["row 1 has 3 fields where the line of names has 2",
                                         "2 such rows"]),
        ("a,b,label\n1,2,x\n1,2\n1,2,x\n", {}, ["row 2 has 2 fields", "'1,2'", "1 such row"]),
        ("5.1,3.5,0\n4.9,3.0,1\n", {}, ["'5.1,3.5,0', holds numbers", "line with the names"]),
        ("5.1,3.5,setosa\n4.9,3.0,virginica\n", {}, ["holds numbers and no column 'label'"]),
        ("a,label,\n1,x,\n2,y,\n", {}, ["its column 3 has no name", "at the end of lines"]),
        ("sep=;\na;label\n1;x\n", {}, ["first line is 'sep=;'", "drop it"]),
        ("a,label\n", {}, ["has no row"]),
        ("\n\n", {}, ["is empty"]),
        ("a,label\n5%,x\n6%,y\n", {}, ["'5%' in row 1"]),
        ('a,label\n1,"x\n2,y\n3,y\n', {}, ["label of row 1 runs over several lines", "quote"]),
        ('a,label\n1, "x"\n2, "y"\n', {}, ["the labels \"x\", \"y\" have quotes within"]),
        ('a, "label"\n1,x\n', {}, ["the names of columns a, \"label\" have quotes within"]),
        ("a,label\n1,2.0\n2,3.0\n", {}, ["labels are float64", "astype(int)"]),
        ("a,label\n2020-01-01,x\n2020-01-02,y\n", {}, ["holds no numbers but date32"]),
    ],
)  # fmt: skip
def test_text_that_is_written_otherwise_says_how(
    tmp_path: Path, content: str, options: dict[str, Option], words: list[str]
) -> None:
    said = _refused(_text(tmp_path, content), "csv", **options)
    assert all(word in said for word in [str(tmp_path / "a.csv"), *words]), said


def test_commas_are_no_tabs(tmp_path: Path) -> None:
    said = _refused(_text(tmp_path, "a,label\n1,x\n"), "tsv")
    assert "separated by ',', give data.dataset: csv" in said
    said = _refused(_text(tmp_path, "a;label\n1;x\n"), "tsv")
    assert "give data.dataset: csv with data.delimiter: ';'" in said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_encoding_that_is_told_is_read(tmp_path: Path, encoding: str) -> None:
    path = _text(tmp_path, "größe,label\n1,Bär\n2,Kuh\n".encode(encoding))
    dataset = _load(path, "csv", encoding=encoding)
    assert dataset.info.feature_names == ("größe",)
    assert dataset.info.class_names == ("Bär", "Kuh")
    if encoding in ("utf-8", "utf-8-sig"):
        assert _load(path, "csv").info == dataset.info
    else:
        assert "data.encoding" in _refused(path, "csv")
        assert ("utf-16" if encoding == "utf-16" else "cp1252") in _refused(path, "csv")


def test_encoding_that_is_none_is_refused(tmp_path: Path) -> None:
    path = _text(tmp_path, "a,label\n1,x\n")
    for encoding in ("utf-99", "base64"):
        assert f"data.encoding: '{encoding}' is no encoding" in _refused(
            path, "csv", encoding=encoding
        )
    path = _text(tmp_path, "a,label\n1,x\n2,y\n".encode("utf-16-le"))
    assert "give data.encoding: utf-16-le" in _refused(path, "csv")
    assert len(_load(path, "csv", encoding="utf-16-le")) == 2


def test_quote_that_takes_rows_into_a_column_that_is_left_out_is_told(tmp_path: Path) -> None:
    rows = 'x,1,"open\ny,2,fine\nx,3,closed"\ny,4,fine\n'
    dataset = _load(_text(tmp_path, f"label,a,note\n{rows}"), "csv", drop=("note",))
    assert len(dataset) == 2
    assert "its 4 lines below the names are 2 rows" in dataset.info.remarks[0]


def test_a_kind_of_number_that_comes_late_is_read(tmp_path: Path) -> None:
    rows = "1,x\n2,y\n" * 200_000
    dataset = _load(_text(tmp_path, f"a,label\n{rows}2.5,y\n"), "csv")
    assert dataset.inputs[-1] == 2.5
    assert len(dataset) == 400_001


# JSON Lines


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[{"a": 1, "label": 0}]', ["is one list", "lines=True"]),
        ('{"a": 1, "label": 0}\n{"label": 1}\n', ["column 'a' has empty places in row 2"]),
        ('{"a": 1, "label": 0}\n{"a": "x", "label": 1}\n', ["changed from number to string in"]),
        ('{"a": 1, "label": 0}\n{"a": 2\n', ["cannot be read as JSON Lines"]),
        ('{"a": 1, "a": 2, "label": 0}\n', ["was specified twice"]),
        ('{"a": 1, "label": 0}\n{"a": NaN, "label": 1}\n', ["NaN or infinity", "in row 2"]),
        ('{"a": [1, 2], "label": 0}\n', ["column 'a' holds no numbers but list"]),
        ('{"a": 1, "label": 1.5}\n{"a": 1, "label": 2.5}\n', ["labels are float64"]),
        ('{"a": 1, "y": 1}\n', ["no column 'label' but a, y"]),
        ("a,label\n1,2\n", ["cannot be read as JSON Lines"]),
    ],
)
def test_lines_that_cannot_be_used_say_why(tmp_path: Path, content: str, words: list[str]) -> None:
    (tmp_path / "t").write_text(content)
    said = _refused(tmp_path / "t", "jsonl")
    assert all(word in said for word in [str(tmp_path / "t"), *words]), said


def test_a_row_far_down_is_counted_from_the_first(tmp_path: Path) -> None:
    lines = [json.dumps({"a": i, "label": "xy"[i % 2]}) for i in range(100_000)]
    (tmp_path / "t").write_text("\n".join([*lines, '{"a": "x", "label": "x"}']))
    assert "in row 100000 (the first row is 0)" in _refused(tmp_path / "t", "jsonl")
