"""`almkd predict`: what a student's files say of tables, arrays and pictures of the user's own."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import trainers
from sweep import cli, predicting
from trainers.classification.networks.build import build_model
from trainers.classification.networks.table import NETWORKS
from trainers.data.pictures import read_all
from trainers.settings import ModelSpec
from trainers.student_files import plain_weights, write_student

MLP = ModelSpec("mlp", {"hidden": (5,)})
CLASSES = ("cat", "dog", "owl")
PIXELS = {"scale": 255, "mean": [0.5], "std": [0.25]}
N = 7
Predict = Callable[..., tuple[int, str, str]]


@pytest.fixture
def predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Predict:
    """Runs the command from ``tmp_path`` on the student there: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["almkd", "predict", "student", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsysbinary.readouterr()
        return int(stop.value.code or 0), said.out.decode(), said.err.decode()

    return run


def _student(place: Path, shape: tuple[int, ...], **facts: Any) -> None:
    """Files of a student with arbitrary weights in ``place/student``."""
    network = build_model(MLP, shape, len(CLASSES), [torch.Generator().manual_seed(1)])
    held = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    weights = plain_weights({n: t.detach()[0].clone() for n, t in held.items()}, network.inside)
    (place / "student").mkdir()
    description = {
        "task": "classification",
        "network": {"name": "mlp", "sizes": dict(NETWORKS["mlp"].complete(MLP).sizes)},
        "shape": list(shape),
        "class_names": list(CLASSES),
        "columns": None,
        "preprocessing": None,
        **facts,
    }
    write_student(place / "student", weights, description)


def _said(place: Path, raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The student's logits (n, C)."""
    with torch.no_grad():
        logits: np.ndarray[Any, Any] = trainers.load_student(place / "student")(
            torch.from_numpy(raw.copy())
        ).numpy()
    return logits


def _check(table: pd.DataFrame, logits: np.ndarray[Any, Any]) -> None:
    np.testing.assert_allclose(table.filter(like="logit_"), logits, rtol=1e-6)
    assert list(table["prediction"]) == [CLASSES[c] for c in logits.argmax(1)]
    p = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(table["probability"], p.max(1) / p.sum(1), rtol=1e-5)


def test_users_are_told_beside_what_is_recommended_to_them(
    tmp_path: Path, predict: Predict
) -> None:
    facts = {"shape": [1], "user_column": "who", "user_ids": ["a", "b"], "longest": 1}
    description = {
        "task": "recommendation",
        "network": {"name": "factors", "sizes": {"width": 1}},
        "item_ids": ["x", "y", "z"],
        **facts,
    }
    weights = {
        "users": torch.tensor([[1.0], [-1.0]]),
        "items": torch.tensor([[1.0], [2.0], [3.0]]),
        "seen": torch.tensor([[2], [3]]),
    }
    (tmp_path / "student").mkdir()
    write_student(tmp_path / "student", weights, description)
    (tmp_path / "new.csv").write_text("who\nb\na\nb\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predicting, "BATCH", 2)
        code, out, err = predict("--data", "new.csv")
    assert code == 0, err
    table = pd.read_csv(io.StringIO(out))
    assert list(table["user"]) == ["b", "a", "b"]
    assert list(table["items"]) == ["x y z", "y x", "x y z"]


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(rng.normal(size=(N, 2)).astype(np.float32), columns=["high", "wide"])


WRITE: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "new.csv": lambda frame, file: frame.to_csv(file, index=False),
    "new.tsv": lambda frame, file: frame.to_csv(file, index=False, sep="\t"),
    "new.jsonl": lambda frame, file: frame.to_json(
        file, orient="records", lines=True, double_precision=15
    ),
    "new.parquet": lambda frame, file: frame.to_parquet(file),
}


@pytest.mark.parametrize("name", WRITE)
def test_columns_of_a_table_are_found_by_their_names(
    tmp_path: Path, predict: Predict, name: str
) -> None:
    """In another order, with an index and columns beside; batches do not show."""
    _student(tmp_path, (2,), columns=["high", "wide"])
    frame = _frame()
    shuffled = frame.assign(label="cat")[["wide", "label", "high"]]
    WRITE[name](shuffled.iloc[::-1], tmp_path / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predicting, "BATCH", 3)
        code, out, err = predict("--data", name)
    assert code == 0, err
    assert f"{name}: label ignored" in err
    table = pd.read_csv(io.StringIO(out))
    assert list(table["row"]) == list(range(N))
    _check(table, _said(tmp_path, frame.to_numpy()[::-1].copy()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns="wide"), r"lacks the column wide.*it has high"),
        (lambda f: f.assign(wide="much"), r"column 'wide' holds no numbers(?!.*data\.drop)"),
        (lambda f: f.mask(f["high"] == f["high"].max()), r"column 'high' has empty places in row"),
        (lambda f: f.iloc[:0], "has no row"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, predict: Predict, change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    _student(tmp_path, (2,), columns=["high", "wide"])
    change(_frame()).to_csv(tmp_path / "new.csv", index=False)
    code, out, err = predict("--data", "new.csv", "--out", "said.csv")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert pd.Series([err]).str.contains(said).all(), err
    assert not (tmp_path / "said.csv").exists()


def test_how_a_text_is_written_can_be_told(tmp_path: Path, predict: Predict) -> None:
    _student(tmp_path, (2,), columns=["high", "wide"])
    frame = _frame()
    frame.to_csv(tmp_path / "new.txt", index=False, sep=";", decimal=",")
    code, _, err = predict("--data", "new.txt")
    assert code == 2
    assert "give data.dataset" in err
    code, _, err = predict("--data", "new.txt", "--set", "data.dataset=csv")
    assert code == 2
    assert "data.delimiter: ';'" in err
    told = ("--set", "data.dataset=csv", "--set", "data.delimiter=;", "--set", "data.decimal=,")
    code, out, err = predict("--data", "new.txt", *told)
    assert code == 0, err
    _check(pd.read_csv(io.StringIO(out)), _said(tmp_path, frame.to_numpy()))
    assert predict("--data", "new.txt", *told, "--set", "data.encoding=klingon")[0] == 2
    code, _, err = predict("--data", "new.txt", *told, "--set", "data.label=high")
    assert code == 2
    assert "data.label" in err


@pytest.mark.parametrize("name", ["raw.npy", "raw.npz", "alone.npy"])
def test_arrays_go_in_as_they_are(tmp_path: Path, predict: Predict, name: str) -> None:
    _student(tmp_path, (1, 2, 2), preprocessing=PIXELS)
    raw = np.random.default_rng(0).integers(0, 256, (N, 1, 2, 2), dtype=np.uint8)
    np.save(tmp_path / "raw.npy", raw)
    np.save(tmp_path / "alone.npy", raw[0])
    np.savez(tmp_path / "raw.npz", inputs=raw, labels=np.zeros(N))
    code, _, err = predict("--data", name, "--format", "parquet", "--out", "said.parquet")
    assert code == 0, err
    assert ("labels ignored" in err) == (name == "raw.npz")
    expected = raw[:1] if name == "alone.npy" else raw
    _check(pd.read_parquet(tmp_path / "said.parquet"), _said(tmp_path, expected))


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, predict: Predict) -> None:
    _student(tmp_path, (3,))
    np.save(tmp_path / "wide.npy", np.zeros((4, 5)))
    np.save(tmp_path / "nan.npy", np.array([[1.0, 2, 3], [4, np.nan, 6]]))
    np.savez(tmp_path / "other.npz", x=np.zeros((4, 3)))
    _frame().to_csv(tmp_path / "table.csv", index=False)
    for name, said in (
        ("wide.npy", "float64 of the shape (4, 5); the student takes numbers of the shape "
         "(examples, 3)"),
        ("nan.npy", "in 1 of 2 inputs, the first at place 1"),
        ("other.npz", "holds no array 'inputs' but x"),
        ("table.csv", "whose columns have no names"),
        ("nowhere.npy", "there is no nowhere.npy"),
    ):  # fmt: skip
        code, out, err = predict("--data", name)
        assert (code, out) == (2, "")
        assert said in err


def _picture(path: Path, seed: int) -> None:
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_pictures_are_read_as_those_of_training(tmp_path: Path, predict: Predict) -> None:
    """Of a folder, and of folders in it; what else lies there is counted."""
    _student(tmp_path, (3, 4, 4), preprocessing=PIXELS)
    names = ["a.png", "b.png", "inner/c.png"]
    for seed, name in enumerate(names):
        _picture(tmp_path / "pictures" / name, seed)
    (tmp_path / "pictures" / "notes.txt").write_text("none")
    (tmp_path / "pictures" / ".hidden.png").write_text("none")
    code, out, err = predict("--data", "pictures", "--format", "json")
    assert code == 0, err
    assert "skipped 1 file: 1 of .txt" in err
    table = pd.DataFrame(json.loads(out))
    assert list(table["file"]) == names
    files = [tmp_path / "pictures" / name for name in names]
    _check(table, _said(tmp_path, read_all(files, 4)[0]))

    code, out, err = predict("--data", "pictures/b.png", "pictures/a.png")
    assert code == 0, err
    table = pd.read_csv(io.StringIO(out))
    assert list(table["file"]) == ["pictures/b.png", "pictures/a.png"]
    _check(table, _said(tmp_path, read_all([files[1], files[0]], 4)[0]))


def test_grey_students_see_grey_levels(tmp_path: Path, predict: Predict) -> None:
    _student(tmp_path, (1, 4, 4), preprocessing=PIXELS)
    grey = np.random.default_rng(2).integers(0, 256, (4, 4), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    code, out, err = predict("--data", "grey.png")
    assert code == 0, err
    _check(pd.read_csv(io.StringIO(out)), _said(tmp_path, grey[None, None]))


@pytest.mark.parametrize(
    ("shape", "preprocessing", "said"),
    [
        ((1, 8, 8), {"scale": 16, "mean": [0.0], "std": [1.0]}, "takes numbers up to 16"),
        ((1, 8, 8), None, "as they were in an array"),
        ((2, 8, 8), PIXELS, "which no square picture has"),
    ],
)
def test_pictures_for_a_student_of_other_numbers_are_refused(
    tmp_path: Path, predict: Predict, shape: tuple[int, ...], preprocessing: Any, said: str
) -> None:
    _student(tmp_path, shape, preprocessing=preprocessing)
    _picture(tmp_path / "a.png", 0)
    code, out, err = predict("--data", "a.png")
    assert (code, out) == (2, "")
    assert said in err


def test_a_picture_that_is_broken_leaves_no_file(tmp_path: Path, predict: Predict) -> None:
    _student(tmp_path, (3, 4, 4), preprocessing=PIXELS)
    _picture(tmp_path / "pictures" / "a.png", 0)
    (tmp_path / "pictures" / "b.png").write_bytes(b"none")
    code, _, err = predict("--data", "pictures", "--out", "said.csv")
    assert code == 2
    assert "b.png: cannot be read as an image" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "student"]


def test_several_tables_are_told_apart(tmp_path: Path, predict: Predict) -> None:
    _student(tmp_path, (2,), columns=["high", "wide"])
    frame = _frame()
    frame[:3].to_csv(tmp_path / "a.csv", index=False)
    frame[3:].to_csv(tmp_path / "b.csv", index=False)
    code, out, err = predict("--data", "a.csv", "--data", "b.csv")
    assert code == 0, err
    table = pd.read_csv(io.StringIO(out))
    assert list(table["file"]) == ["a.csv"] * 3 + ["b.csv"] * 4
    assert list(table["row"]) == [0, 1, 2, 0, 1, 2, 3]
    _check(table, _said(tmp_path, frame.to_numpy()))
    _picture(tmp_path / "c.png", 0)
    assert predict("--data", "a.csv", "--data", "c.png")[0] == 2


def test_a_directory_without_a_student_is_told(tmp_path: Path, predict: Predict) -> None:
    _frame().to_csv(tmp_path / "new.csv", index=False)
    code, _, err = predict("--data", "new.csv")
    assert code == 2
    assert "name a directory that almkd students wrote" in err
