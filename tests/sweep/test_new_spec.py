"""`almkd new`: a first spec for data of the user's own, which `almkd check --data` accepts."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from sweep import cli
from tests.trainers.specimens import write_images

Run = Callable[..., tuple[int, str, str]]
N = 120


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command in ``tmp_path``: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["almkd", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


def _frame(label: str = "kind") -> pd.DataFrame:
    rng = np.random.default_rng(0)
    plain = {"high": rng.normal(size=N), "wide": rng.normal(size=N)}
    return pd.DataFrame({**plain, label: rng.permutation(np.repeat(["cat", "dog", "owl"], N // 3))})


def _npz(file: Path, *shape: int) -> None:
    rng = np.random.default_rng(0)
    np.savez(file, inputs=rng.normal(size=(N, *shape)), labels=np.arange(N) % 3)


def _parted(folder: Path) -> None:
    for part in ("train", "test"):
        write_images(folder / part, {"cat": 30, "dog": 30})


WRITE: dict[str, Callable[[Path], object]] = {
    "mine.csv": lambda file: _frame().to_csv(file, index=False),
    "semicolons.csv": lambda file: _frame().to_csv(file, index=False, sep=";", decimal=","),
    "points.csv": lambda file: _frame().to_csv(file, index=False, sep=";"),
    "mine.tsv": lambda file: _frame().to_csv(file, index=False, sep="\t", decimal=","),
    "mine.jsonl": lambda file: _frame().to_json(file, orient="records", lines=True),
    "mine.parquet": lambda file: _frame().to_parquet(file),
    "rows.npz": lambda file: _npz(file, 5),
    "pictures.npz": lambda file: _npz(file, 1, 12, 12),
    "pictures": _parted,
}


@pytest.mark.parametrize("name", WRITE)
def test_what_it_writes_is_accepted(tmp_path: Path, run: Run, name: str) -> None:
    WRITE[name](tmp_path / name)
    code, out, err = run("new", "first.yaml", "--data", name)
    assert code == 0, err
    assert out.startswith("wrote first.yaml: ")
    code, out, err = run("check", "first.yaml", "--data")
    assert code == 0, err
    assert "first: nothing wrong" in out
    spec = yaml.safe_load((tmp_path / "first.yaml").read_text(encoding="utf-8"))
    rows = {row["method"]: row for row in spec["methods"]}
    assert list(rows) == ["alm_kd", "fixed_kd", "labels_only"]
    assert [row["clean"] for row in rows.values()] == ["train"] * 3
    assert [name for name, row in rows.items() if row.get("baseline")] == ["fixed_kd"]
    network = "plain_cnn" if name.startswith("pictures") else "mlp"
    assert spec["student"]["model"]["name"] == network
    assert (spec["data"]["splits"]["test"] == "official") == (name == "pictures")


def test_every_line_but_the_plain_ones_is_explained(tmp_path: Path, run: Run) -> None:
    WRITE["mine.csv"](tmp_path / "mine.csv")
    run("new", "first.yaml", "--data", "mine.csv")
    text = (tmp_path / "first.yaml").read_text(encoding="utf-8")
    assert "data:  # 120 examples, 2 features, 3 classes, labels in the column kind" in text
    for part in ("teacher:", "student:", "methods:", "search:", "conditions:", "  questions:"):
        assert f"\n{part}  # " in text


def _numbers(**columns: Any) -> pd.DataFrame:
    return _frame().drop(columns="kind").assign(**columns)


@pytest.mark.parametrize(
    ("frame", "words", "label", "dropped"),
    [
        (_numbers(Class=np.arange(N) % 2), (), "Class", None),
        (_frame().assign(colour="red"), ("--label", "kind"), "kind", ["colour"]),
        (_frame().assign(target=np.arange(N) % 4), (), "target", ["kind"]),
        (_numbers(grade=np.arange(N) % 3), ("--label", "grade"), "grade", None),
    ],
)
def test_the_column_of_classes(
    tmp_path: Path,
    run: Run,
    frame: pd.DataFrame,
    words: tuple[str, ...],
    label: str,
    dropped: list[str] | None,
) -> None:
    frame.to_csv(tmp_path / "mine.csv", index=False)
    code, _, err = run("new", "first.yaml", "--data", "mine.csv", *words)
    assert code == 0, err
    data = yaml.safe_load((tmp_path / "first.yaml").read_text(encoding="utf-8"))["data"]
    assert (data["label"], data.get("drop")) == (label, dropped)


@pytest.mark.parametrize(
    ("frame", "words", "said"),
    [
        (_numbers(grade=1), (), "name it with --label, one of high, wide, grade"),
        (_frame().assign(colour="red"), (), "name it with --label, one of high, wide, kind, colo"),
        (_frame(), ("--label", "kinds"), "did you mean 'kind'?"),
        (_frame().mask(_frame()["wide"] > 2), (), "fill or drop these rows"),
        (_frame().head(4), (), "split gets none; give more of it"),
    ],
)
def test_data_that_cannot_be_used_leaves_no_file(
    tmp_path: Path, run: Run, frame: pd.DataFrame, words: tuple[str, ...], said: str
) -> None:
    frame.to_csv(tmp_path / "mine.csv", index=False)
    code, out, err = run("new", "first.yaml", "--data", "mine.csv", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


def test_files_that_are_there_are_kept(tmp_path: Path, run: Run) -> None:
    WRITE["mine.csv"](tmp_path / "mine.csv")
    (tmp_path / "first.yaml").write_text("mine")
    code, _, err = run("new", "first.yaml", "--data", "mine.csv")
    assert code == 2
    assert "--force" in err
    assert (tmp_path / "first.yaml").read_text() == "mine"
    assert run("new", "first.yaml", "--data", "mine.csv", "--force", "--name", "other")[0] == 0
    text = (tmp_path / "first.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["name"] == "other"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("first.txt", "--data", "mine.csv"), "give it a name such as first.yaml"),
        (("far/first.yaml", "--data", "mine.csv"), "there is no directory far"),
        (("first.yaml", "--data", "nothing.csv"), "there is no such file or folder"),
        (("first.yaml", "--data", "mine.doc"), "is none of .csv"),
        (("first.yaml", "--data", "rows.npz", "--label", "kind"), "is no table"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, run: Run, words: list[str], said: str) -> None:
    WRITE["mine.csv"](tmp_path / "mine.csv")
    WRITE["rows.npz"](tmp_path / "rows.npz")
    (tmp_path / "mine.doc").write_text("none")
    code, out, err = run("new", *words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_spec_elsewhere_finds_its_data(tmp_path: Path, run: Run) -> None:
    WRITE["mine.csv"](tmp_path / "mine.csv")
    (tmp_path / "specs").mkdir()
    assert run("new", "specs/a b.yaml", "--data", "mine.csv")[0] == 0
    spec = yaml.safe_load((tmp_path / "specs" / "a b.yaml").read_text(encoding="utf-8"))
    assert spec["data"]["path"] == str(tmp_path / "mine.csv")
    assert spec["name"] == "a-b"


def test_of_much_data_a_part_is_taken(tmp_path: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "big.npz", inputs=rng.normal(size=(13_000, 2)), labels=np.arange(13_000) % 2
    )
    assert run("new", "first.yaml", "--data", "big.npz")[0] == 0
    data = yaml.safe_load((tmp_path / "first.yaml").read_text(encoding="utf-8"))["data"]
    assert data["examples"] == 12_000
