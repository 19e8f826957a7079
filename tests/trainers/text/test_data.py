"""Texts as they are read: what becomes of them, and a sentence on what cannot be read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.trainers.specimens import TABLES
from tests.trainers.text.bert import PLACES, bert
from tests.trainers.text.cases import FRACTIONS, texts
from tests.trainers.text.files import write_part
from trainers.data.errors import DataError
from trainers.data.fingerprint import fingerprint
from trainers.data.tokenizer import PADDING, UNKNOWN, Tokenizer, whole_words
from trainers.loading import inspect, load_dataset, missing
from trainers.settings import DataSpec, SplitFractions, SplitSource
from trainers.text.data import corpora
from trainers.text.data.corpora import R8, load_corpus
from trainers.text.data.dataset import TextDataset
from trainers.text.data.pretrained import Pretrained


def _loaded(kind: str, path: Path, **options: Any) -> TextDataset:
    given = {"path": str(path), "max_length": 6, **options}
    dataset = load_dataset(DataSpec(kind, FRACTIONS, given, task="text"))
    assert isinstance(dataset, TextDataset)
    return dataset


def _csv(folder: Path, table: object, name: str = "a.csv") -> Path:
    pd.DataFrame(table).to_csv(folder / name, index=False)
    return folder / name


def _table(n: int = 60) -> pd.DataFrame:
    written, labels = texts(n)
    return pd.DataFrame({"id": range(n), "text": written, "label": labels})


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_file_gives_the_same(tmp_path: Path, kind: str) -> None:
    table = _table()
    TABLES[kind](table, tmp_path / f"a.{kind}")
    found, usual = _loaded(kind, tmp_path / f"a.{kind}"), _loaded("csv", _csv(tmp_path, table, "b"))
    assert fingerprint(found) == fingerprint(usual)
    assert found.info.class_names == ("class 0", "class 1", "class 2")
    assert found.inputs.dtype == np.int32
    assert found.shape == (6,)
    tokenizer = Tokenizer(found.tokenizer)
    for row in (0, 7):
        words = table["text"][row].split()[:6]
        known = {*tokenizer.tokens(range(found.vocabulary))}
        assert tokenizer.tokens(found.inputs[row]) == [w if w in known else UNKNOWN for w in words]


def test_words_are_counted_in_lower_case_the_most_frequent_first() -> None:
    tokenizer = whole_words(["The cat, the CAT!", "the dog the", "cat ﬁsh fish"], 4)
    assert tokenizer.vocabulary == 4
    assert tokenizer.tokens(range(4)) == [UNKNOWN, "the", "cat", "fish"]
    ids, whole = tokenizer.encode(["cat dog the", "fish"], 2)
    assert ids.tolist() == [[2, 0], [3, PADDING]]
    assert whole.tolist() == [False, True]


def test_a_book_in_one_field_is_read_from_its_beginning(tmp_path: Path) -> None:
    book = "w1 w2 w3 w4 w5 w6 " * 600_000
    table = pd.concat([_table(), pd.DataFrame({"text": [book], "label": ["class 0"]})])
    found = _loaded("csv", _csv(tmp_path, table))
    tokens = Tokenizer(found.tokenizer).tokens(found.inputs[-1])
    assert tokens == ["w1", "w2", "w3", "w4", "w5", "w6"]
    (remark,) = [r for r in found.info.remarks if "longer than 6 tokens" in r]
    assert "data.max_length says how many are read" in remark


def test_texts_may_hold_quotes_lines_and_what_looks_like_numbers(tmp_path: Path) -> None:
    odd = ['he said "no"\nand left', "1,5", "NA", " ; \t x", "007"]
    table = {"text": odd * 6, "label": ["a", "b", "c", "a", "b"] * 6}
    found = _loaded("csv", _csv(tmp_path, table))
    assert len(found) == 30
    tokenizer = Tokenizer(found.tokenizer)
    assert tokenizer.tokens(found.inputs[0]) == ["he", "said", '"', "no", '"', "and"]
    assert tokenizer.tokens(found.inputs[2]) == ["na"]
    assert tokenizer.tokens(found.inputs[4]) == ["007"]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + _table().to_csv(index=False).encode())
    assert len(_loaded("csv", tmp_path / "a.csv")) == 60


def test_a_column_names_the_splits(tmp_path: Path) -> None:
    parts = {"train": 30, "meta": 6, "validation": 12, "test": 12}
    table = _table().assign(part=np.repeat(list(parts), list(parts.values())))
    fractions = SplitFractions(0, 0, 0, 0, given=SplitSource(column="part"))
    options: dict[str, Any] = {"path": str(_csv(tmp_path, table))}
    dataset = load_dataset(DataSpec("csv", fractions, options, task="text"))
    assert dataset.given_splits is not None
    assert dataset.given_splits["meta"].tolist() == list(range(30, 36))


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"text": ["w1", " "] * 30}, {}, "has no text in 30 rows, the first of them 2; fill or"),
        ({"text": ["w1", None] * 30}, {}, "has no text in 30 rows, the first of them 2; fill or"),
        ({"label": ["one"] * 60}, {}, "of 1 classes; at least two classes"),
        ({"label": [0.5, 1.5] * 30}, {}, "a quantity is no class: cut it into a few"),
        (
            {"label": ["x", None] * 30},
            {},
            "'label' has empty places in 30 rows, the first of them 2",
        ),
        ({}, {"text": "body"}, "has no column 'body' but id, text, label; name the column of"),
        ({}, {"text": "label"}, "data.text: 'label' is the column of labels"),
        ({}, {"label": "kind"}, "has no column 'kind' but id, text, label; name the column of"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(
    tmp_path: Path, change: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    path = _csv(tmp_path, _table().assign(**change))
    with pytest.raises(DataError) as error:
        _loaded("csv", path, **options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_labels_that_are_dates_are_refused_in_parquet(tmp_path: Path) -> None:
    table = _table().assign(label=pd.date_range("2020-01-01", periods=60))
    table.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="whole numbers or texts"):
        _loaded("parquet", tmp_path / "a.parquet")


def test_numbers_are_no_texts(tmp_path: Path) -> None:
    _table().assign(text=range(60)).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="column 'text' holds no texts but int64, such as 0"):
        _loaded("parquet", tmp_path / "a.parquet")


def test_another_encoding_is_told_by_its_option(tmp_path: Path) -> None:
    table = _table().assign(text="caf\xe9 w1 w2")
    (tmp_path / "a.csv").write_bytes(table.to_csv(index=False).encode("latin-1"))
    with pytest.raises(DataError, match=r"give its encoding as data\.encoding"):
        _loaded("csv", tmp_path / "a.csv")
    found = _loaded("csv", tmp_path / "a.csv", encoding="latin-1")
    assert Tokenizer(found.tokenizer).tokens(found.inputs[0]) == ["caf\xe9", "w1", "w2"]


def test_length_and_vocabulary_are_part_of_what_is_known_by_its_content(tmp_path: Path) -> None:
    path = _csv(tmp_path, _table())
    prints = {
        fingerprint(_loaded("csv", path, **options))
        for options in ({}, {"max_length": 5}, {"vocabulary": 9})
    }
    assert len(prints) == 3


def test_a_pretrained_network_brings_its_tokenizer(tmp_path: Path) -> None:
    folder, path = bert(tmp_path / "bert"), _csv(tmp_path, _table())
    found = _loaded("csv", path, pretrained=str(folder))
    assert found.tokenizer == Tokenizer((folder / "tokenizer.json").read_text()).json
    assert found.given is not None
    assert found.given.digest == Pretrained.at(str(folder)).given("other").digest
    with pytest.raises(DataError, match=f"takes {PLACES}; lower it"):
        _loaded("csv", path, pretrained=str(folder), max_length=PLACES + 1)


def _without(folder: Path, name: str) -> None:
    (folder / name).unlink()


def _config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: _without(f, "tokenizer.json"), "lacks tokenizer.json; data.pretrained needs"),
        (lambda f: _config(f, model_type="gpt2"), "its model_type is 'gpt2'; networks whose"),
        (lambda f: _config(f, hidden_size=None), "is not the config of a BERT"),
        (lambda f: _config(f, vocab_size=5), "its network 5; name a folder whose files belong"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "is no tokenizer of the library"),
    ],
)
def test_a_folder_that_is_no_such_network_is_told(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    folder = bert(tmp_path / "bert")
    spoil(folder)
    with pytest.raises(DataError) as error:
        _loaded("csv", _csv(tmp_path, _table()), pretrained=str(folder))
    assert said in str(error.value)


def test_what_has_to_be_fetched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMKD_DATA", str(tmp_path))
    spec = DataSpec("reuters_r8", FRACTIONS, {"pretrained": "minilm"}, task="text")
    assert "almkd fetch reuters_r8 brings what is missing" in str(missing(spec))
    path = str(_csv(tmp_path, _table()))
    spec = DataSpec("csv", FRACTIONS, {"path": path, "pretrained": "minilm"}, task="text")
    assert "almkd fetch minilm brings what is missing" in str(missing(spec))
    spec = DataSpec("csv", FRACTIONS, {"path": path, "pretrained": "/no/such"}, task="text")
    assert "there is no folder /no/such; put a network there" in str(missing(spec))


def test_a_published_collection_is_read_with_its_test_part_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, labels = texts(40)
    small = R8._replace(counts=(30, 10), classes=3)
    write_part(tmp_path / small.files[0], labels[:30], written[:30])
    # Words of the test part alone are unknown.
    write_part(tmp_path / small.files[1], labels[30:], ["unheard unheard w1"] * 10)
    found = load_corpus(small, str(tmp_path), max_length=4, vocabulary=99)
    assert (len(found), found.official_test) == (40, 10)
    tokens = Tokenizer(found.tokenizer).tokens(found.inputs[-1])
    assert tokens == [UNKNOWN, UNKNOWN, "w1"]
    with pytest.raises(DataError, match="hold 30 and 10 texts, those that were published 31 and"):
        load_corpus(small._replace(counts=(31, 10)), str(tmp_path), max_length=4, vocabulary=9)
    (tmp_path / small.files[0]).write_text("a\nb\nc\nno tab\n")
    with pytest.raises(DataError, match="line 4 is no label and a text"):
        load_corpus(small, str(tmp_path), max_length=4, vocabulary=9)
    assert corpora.published(R8).folder == corpora.FOLDER


def test_a_look_tells_lengths_and_words(tmp_path: Path) -> None:
    spec = DataSpec("csv", FRACTIONS, {"path": str(_csv(tmp_path, _table()))}, task="text")
    dataset = load_dataset(spec)
    seen = inspect(dataset, spec, np.random.default_rng(0))
    assert seen.facts["tokens"]["shortest"] == 1
    assert seen.facts["vocabulary"] >= seen.facts["vocabulary_used"] > 10
    assert seen.facts["classes"] == 3
