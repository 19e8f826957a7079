"""Files that are damaged, or made to harm: each is refused in a sentence, in little memory."""

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.trainers.detection.files import as_coco, write_coco
from tests.trainers.specimens import spec_of
from tests.trainers.text.bert import bert
from trainers.classes.logits import read_logits
from trainers.classification.data.npz import npz
from trainers.data import arrays, pictures, tables
from trainers.data.arrays import read_array
from trainers.data.errors import DataError
from trainers.data.json_lines import read_json_lines
from trainers.data.pictures import read_all
from trainers.data.tables import read_parquet
from trainers.detection.data.coco import coco
from trainers.loading import load_dataset, missing
from trainers.text.data.pretrained import Pretrained


def _npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def _header(descr: str = "'<f8'", shape: str = "(3,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


@pytest.mark.parametrize(
    "content",
    [
        _npy(_header(shape=f"({2**62},)")),
        _npy(_header(shape=f"({2**70},)")),
        _npy(_header(shape="(-3,)"), bytes(24)),
        _npy(_header(descr="3"), bytes(24)),
        _npy(_header(descr="'<U1000000000'"), bytes(24)),
        _npy("{"),
        b"\x93NUMPY\x09\x00\x00\x00",
        b"\x93NUMPY",
    ],
    ids=range(8),
)
@pytest.mark.parametrize("inside", [True, False], ids=["npz", "npy"])
def test_a_header_that_cannot_be_is_told(tmp_path: Path, content: bytes, inside: bool) -> None:
    file = tmp_path / "a"
    file.write_bytes(content)
    if inside:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.npy", content)
    with pytest.raises(DataError, match=r"cannot be read as arrays of numpy: .*; save plain"):
        read_array(file, "labels")


def test_a_member_that_is_no_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.zeros((4, 2)), labels=np.arange(4))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("../../\x1b[2Jnotes.txt", "x")
    with pytest.raises(DataError, match=r"holds '../../\\x1b\[2Jnotes.txt', which is no array"):
        npz(str(tmp_path / "a.npz"))


def test_an_archive_that_unpacks_to_far_more_than_it_takes_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "MUCH", 2**20)
    zeros = np.zeros(2**18)
    np.savez_compressed(tmp_path / "a.npz", labels=zeros)
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("was unpacked"))
    with pytest.raises(DataError, match=r"unpacks to 2 MiB out of 0\.0; .* numpy\.savez"):
        read_array(tmp_path / "a.npz", "labels")
    monkeypatch.undo()
    monkeypatch.setattr(arrays, "MUCH", 2**20)
    np.savez(tmp_path / "a.npz", labels=zeros)
    assert np.array_equal(read_array(tmp_path / "a.npz", "labels"), zeros)


def test_a_table_of_far_more_values_than_bytes_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_PACKED", ((2**20, 200),))
    table = pa.table({"a": pa.repeat(pa.scalar(1.0), 2_000_000)})
    pq.write_table(table, tmp_path / "a.parquet")
    monkeypatch.setattr(pq.ParquetFile, "read", lambda _: pytest.fail("was read"))
    with pytest.raises(DataError, match=r"2,000,000 rows of 1 columns in 0\.0 MiB; .*use_dict"):
        read_parquet(tmp_path / "a.parquet")
    monkeypatch.undo()
    monkeypatch.setattr(tables, "MOST_PACKED", ((2**20, 200),))
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False, compression="none")
    assert len(read_parquet(tmp_path / "a.parquet").columns) == 2_000_000


def test_an_image_of_too_many_pixels_is_refused_undecoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_PIXELS", 100)
    Image.new("RGB", (10, 10)).save(tmp_path / "a.png")
    assert read_all([tmp_path / "a.png"] * 9, 2)[0].shape == (9, 3, 2, 2)
    Image.new("RGB", (11, 10)).save(tmp_path / "b.png")
    monkeypatch.setattr(pictures, "_decoded", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(DataError, match=r"b\.png: has 0 million pixels, and 0 are read at most"):
        read_all([tmp_path / "b.png"], 2)


def test_images_that_take_all_room_are_decoded_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_PIXELS", 100)
    Image.new("RGB", (10, 10)).save(tmp_path / "a.png")
    decoded, at_once, most = pictures._decoded, [0], [0]

    def counted(*words: Any) -> Any:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        try:
            return decoded(*words)
        finally:
            at_once[0] -= 1

    monkeypatch.setattr(pictures, "_decoded", counted)
    assert len(read_all([tmp_path / "a.png"] * 50, 2)[0]) == 50
    assert most == [1]


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"layer_norm_eps": {}}', '{"id2label": []}', '{"hidden_size": 1e999}'],
)
def test_a_config_of_odd_values_is_told(tmp_path: Path, content: str) -> None:
    folder = bert(tmp_path)
    told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    odd = content if content.startswith("[") else json.dumps({**told, **json.loads(content)})
    (folder / "config.json").write_text(odd, encoding="utf-8")
    with pytest.raises(DataError, match=r"config\.json: is not the config of a BERT"):
        Pretrained.at(str(folder))


@pytest.mark.parametrize("path", ["x" * 5000, "~nobody-of-that-name/a.npz", "a/" * 3000])
def test_paths_that_cannot_be_are_missed(path: str) -> None:
    said = missing(spec_of("npz", {"path": path})) or ""
    assert said.startswith("npz: ")
    assert "correct" in said


def test_a_picture_of_a_name_too_long_for_a_file_is_missed(tmp_path: Path) -> None:
    content = as_coco()
    content["images"][0]["file_name"] = "x" * 300
    file = write_coco(tmp_path / "pictures", content)
    with pytest.raises(DataError, match=r"names 1 picture that .* lacks"):
        coco(str(tmp_path / "pictures"), str(file), 32)


@pytest.mark.parametrize("between", ["", "\n"], ids=["in a line", "over lines"])
def test_a_line_that_is_nested_deeply_is_refused(tmp_path: Path, between: str) -> None:
    """It was the end of the process."""
    file = tmp_path / "a.jsonl"
    deep = between.join("[" * 100_000 + "]" * 100_000)
    file.write_text(f'{{"a": 1}}\n{{"a": {deep}}}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.jsonl: line \d+ is nested deeper than any table is"):
        read_json_lines(file)


def test_many_brackets_that_are_not_nested_are_read(tmp_path: Path) -> None:
    rows = [{"a": "[[{" * 1000, "b": 1.5}] * 3
    file = tmp_path / "a.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    assert read_json_lines(file).columns.to_pylist() == rows


@pytest.mark.parametrize("kind", ["timestamp", "text", "list"])
def test_logits_that_are_no_numbers_are_refused(tmp_path: Path, kind: str) -> None:
    values = {
        "timestamp": pa.array([0, 1], pa.timestamp("ns")),
        "text": pa.array(["a", "b"]),
        "list": pa.array([[1.0], [2.0]]),
    }
    columns = {"logit_0": pa.array([0.5, 1.5]), "logit_1": values[kind]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="column 'logit_1' holds no numbers but"):
        read_logits(tmp_path / "a.parquet", 2)


def test_rows_of_logits_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    columns = {"logit_0": [0.5, 1.5], "logit_1": [0.0, 1.0], "row": ["0", None]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="its column row does not name the examples 0 to 1"):
        read_logits(tmp_path / "a.parquet", 2)


@pytest.mark.parametrize(
    ("name", "held"), [("a\ud800", r"half a character"), ("a\0b", "a byte of zero")]
)
def test_names_of_classes_that_cannot_be_written_are_refused(
    tmp_path: Path, name: str, held: str
) -> None:
    labels = np.array([name, "dog"] * 20)
    np.savez(
        tmp_path / "a.npz", inputs=np.random.default_rng(0).normal(size=(40, 2)), labels=labels
    )
    with pytest.raises(DataError, match=f"of a class holds {held}.*; give it another"):
        load_dataset(spec_of("npz", {"path": str(tmp_path / "a.npz")}))


@pytest.mark.parametrize(("part", "key"), [("categories", "name"), ("images", "file_name")])
def test_names_in_annotations_that_cannot_be_written_are_refused(
    tmp_path: Path, part: str, key: str
) -> None:
    content = as_coco()
    content[part][0][key] = "a\ud800.png"
    file = write_coco(tmp_path / "pictures", json.loads(json.dumps(content)))
    with pytest.raises(DataError, match=rf"{part}\[0\].* holds half a character"):
        coco(str(tmp_path / "pictures"), str(file), 32)
