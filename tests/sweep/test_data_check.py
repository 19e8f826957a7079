"""`almkd check --data`: what it finds in files of the user's own, before anything starts."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from rich.console import Console

from sweep import cli, run
from sweep.adapters.ray import session
from sweep.errors import BadInput
from sweep.places import Places
from sweep.run import launch
from tests.sweep.specs import small_data, small_spec
from tests.trainers.specimens import write_images

Check = Callable[..., tuple[int, str, str]]
N = 200


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Runs the command on a spec with this data: exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "ray_session", lambda *_: pytest.fail("Ray was started"))
    monkeypatch.setattr(run, "open_store", lambda *_: pytest.fail("the store was opened"))

    def check(data: Mapping[str, Any], *words: str, **changes: Any) -> tuple[int, str, str]:
        spec = small_data({"data": dict(data), **changes})
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(spec))
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr(sys, "argv", ["almkd", "check", "small.yaml", "--data", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert sorted(tmp_path.rglob("*")) == before
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return check


def _frame(**columns: Any) -> pd.DataFrame:
    """Features that tell nothing, the columns that are added, and labels of two classes."""
    rng = np.random.default_rng(0)
    plain = {"a": rng.normal(size=N), "b": rng.normal(size=N)}
    return pd.DataFrame({**plain, **columns, **({} if "label" in columns else {"label": LABELS})})


LABELS = np.random.default_rng(1).permutation(np.repeat(["no", "yes"], N // 2))


def _warnings(check: Check, data: Mapping[str, Any], **changes: Any) -> list[str]:
    code, out, err = check(data, "--format", "json", **changes)
    assert (code, err) == (0, "")
    (found,) = json.loads(out)
    return list(found["warnings"])


def _table(frame: pd.DataFrame, tmp_path: Path) -> dict[str, str]:
    frame.to_parquet(tmp_path / "t.parquet")
    return {"dataset": "parquet", "path": "t.parquet"}


def test_clean_data_is_described_without_a_warning(check: Check, tmp_path: Path) -> None:
    code, out, err = check(_table(_frame(), tmp_path))
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["examples", "200"] in lines
    assert ["input", "shape", "2"] in lines
    assert ["missing", "none"] in lines
    assert ["duplicates", "none"] in lines
    assert "  splits               100 train, 20 meta, 30 validation, 50 test" in out
    # Number, name, examples, and those of every split, which keep the shares of the classes.
    assert ["0", "no", "100", "50", "10", "15", "25"] in lines
    assert ["1", "yes", "100", "50", "10", "15", "25"] in lines
    assert out.endswith("small: nothing wrong\n")


def test_facts_are_plain_values_in_json(check: Check, tmp_path: Path) -> None:
    frame = _frame()
    code, out, _ = check(_table(frame, tmp_path), "--format", "json")
    (found,) = json.loads(out)
    values = frame[["a", "b"]].to_numpy(np.float32)
    assert code == 0
    assert found["data_set"] == "the data set parquet (path t.parquet)"
    assert (found["examples"], found["classes"], found["missing"]) == (N, 2, 0)
    assert found["input_shape"] == [2]
    assert found["input_range"] == [float(values.min()), float(values.max())]
    assert found["splits"] == {"train": 100, "meta": 20, "validation": 30, "test": 50}
    assert found["largest_class_share"] == 0.5
    assert found["duplicates"] == {"examples": 0, "with_another_class": 0}
    assert found["by_class"][1] == {
        "class": 1, "name": "yes", "examples": 100,
        "train": 50, "meta": 10, "validation": 15, "test": 25,
    }  # fmt: skip
    assert found["warnings"] == []


ROWS = np.arange(N)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"c": np.ones(N)}, "features of one number throughout: c"),
        ({"c": ROWS / N}, "look like an index or an id, .*: c; leave them out"),
        ({"c": -(ROWS.astype(float) ** 1.5) / N}, "look like an index or an id, .*: c; leave"),
        ({"c": np.random.default_rng(2).permutation(ROWS) + 7}, "look like an index or an id"),
        ({"c": (LABELS == "yes") + 0.0}, "features that tell every class alone: c; are they made"),
        ({"c": (LABELS == "yes") + ROWS % 7 / 10}, "features that tell every class alone: c"),
        ({"c": np.where(ROWS % 9, ROWS % 5, -999)}, "mark a missing value, such as -999: c"),
        ({"c": 300 * np.random.default_rng(2).normal(size=N)}, r"features c \(2\d\d\) have a st"),
        ({"c": np.repeat(1e6, N) + 1e3 * (ROWS % 3)}, "standard deviation"),
        ({"c": 1.7e9 + ROWS}, "single precision knows steps of 128 alone"),
        ({"label": np.where(ROWS % 40, "no", "yes")},
         r"class no has 195 examples, yes 5; .* right in 97\.5 %, .*balanced_accuracy"),
        ({"label": ROWS // 3}, "fewer than 5 examples of 67 classes"),
        ({"label": ROWS // 3}, "67 classes of 200 examples; labels may be numbers of rows"),
        ({"label": np.where(ROWS % 40, "no", "yes")}, r"meta has fewer than 5 .*1 class: yes \(0"),
        ({"label": np.where(ROWS % 2, "Yes", np.where(ROWS % 4, "yes", "no"))},
         "'Yes' and 'yes' are 2 classes"),
    ],
)  # fmt: skip
def test_what_smells_is_told(
    check: Check, tmp_path: Path, columns: dict[str, Any], words: str
) -> None:
    warnings = _warnings(check, _table(_frame(**columns), tmp_path))
    assert any(re.search(words, warning) for warning in warnings), warnings


@pytest.mark.parametrize("dataset", ["digits", "synthetic_gmm", "spiral", "blobs"])
def test_nothing_is_warned_of_in_data_that_comes_along(check: Check, dataset: str) -> None:
    assert _warnings(check, {"dataset": dataset}) == []


def test_warnings_stand_below_what_was_found_and_end_with_0(check: Check, tmp_path: Path) -> None:
    code, out, err = check(_table(_frame(c=np.ones(N)), tmp_path))
    assert (code, err) == (0, "")
    assert "warning: features of one number throughout: c\n" in out
    assert out.endswith("small: nothing wrong, 1 to look at\n")


def test_duplicates_across_splits_are_counted(check: Check, tmp_path: Path) -> None:
    """Every example twice: of 50 of the test split most have their like in another split."""
    frame = pd.concat([_frame()] * 2, ignore_index=True)
    frame.loc[N, "label"] = "no" if frame.loc[N, "label"] == "yes" else "yes"
    _, out, _ = check(_table(frame, tmp_path), "--format", "json")
    (found,) = json.loads(out)
    duplicates = found["duplicates"]
    assert duplicates["examples"] == N
    assert duplicates["with_another_class"] == 2
    pairs = {name: count for name, count in duplicates.items() if "_in_" in name}
    assert set(pairs) >= {"test_in_train", "validation_in_train", "test_in_validation"}
    assert 0 < pairs["test_in_train"] < found["splits"]["test"]
    assert f"{pairs['test_in_train']} of test in train" in found["warnings"][0]
    assert "2 examples with equal inputs have more than one class" in found["warnings"]


def test_an_id_is_known_among_rows_that_come_twice(check: Check, tmp_path: Path) -> None:
    frame = pd.concat([_frame(c=7 + 3 * ROWS), _frame(c=7 + 3 * ROWS)[:5]], ignore_index=True)
    warnings = _warnings(check, _table(frame, tmp_path))
    assert any("look like an index or an id" in warning for warning in warnings)


def test_unscaled_and_blank_images_are_told(check: Check, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 1, 4, 4))
    images[:3] = 7
    np.savez(tmp_path / "a.npz", inputs=images.astype(np.uint8), labels=np.arange(60) % 2)
    warnings = _warnings(check, {"dataset": "npz", "path": "a.npz"})
    assert any("go from 0 to 255; they are taken as they are, so scale" in w for w in warnings)
    assert "3 images of one colour" in warnings


def test_what_a_reader_left_out_is_among_the_warnings(check: Check, tmp_path: Path) -> None:
    write_images(tmp_path / "pictures", {"cat": 30, "dog": 30})
    Image.new("L", (2, 2)).save(tmp_path / "pictures" / "cat" / "x.jfif", format="jpeg")
    data = {"dataset": "image_folder", "folder": "pictures", "image_size": 4}
    assert "skipped 1 file: 1 of .jfif" in _warnings(check, data)[0]


def test_official_test_part_is_told(check: Check, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "a.npz", inputs=rng.normal(size=(100, 2)), labels=np.arange(100) % 2,
        test_inputs=rng.normal(size=(40, 2)), test_labels=np.arange(40) % 2,
    )  # fmt: skip
    data = {
        "dataset": "npz", "path": "a.npz",
        "splits": {"train": 0.6, "meta": 0.2, "validation": 0.2, "test": "official"},
    }  # fmt: skip
    (found,) = json.loads(check(data, "--format", "json")[1])
    assert found["official_test"] == 40
    assert found["splits"] == {"train": 60, "meta": 20, "validation": 20, "test": 40}


def test_splits_of_ones_own_are_told(check: Check, tmp_path: Path) -> None:
    names = np.array(["train", "test", "meta", "validation", "none"] * (N // 5))
    _frame(part=names).to_csv(tmp_path / "a.csv", index=False)
    data = {"dataset": "csv", "path": "a.csv", "splits": {"column": "part"}}
    code, out, _ = check(data)
    assert code == 0
    assert "split by the column part, under every seed" in out
    assert re.search(r"splits +40 train, 40 meta, 40 validation, 40 test", out)
    _, out, _ = check(data, "--format", "json")
    assert json.loads(out)[0]["splits_given_by"] == "the column part"


def test_a_file_of_splits_that_does_not_fit_ends_with_2(check: Check, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("split\ntrain\n")
    code, out, err = check({"dataset": "digits", "splits": {"file": "s.csv"}})
    assert (code, out) == (2, "")
    assert "s.csv: names the split of 1 example, and the data set has 1797" in err
    code, _, err = check({"dataset": "digits", "splits": {"file": "t.csv"}})
    assert code == 2
    assert "there is no file t.csv; put it there or correct data.splits.file" in err


def test_every_way_of_splitting_is_looked_at(check: Check, tmp_path: Path) -> None:
    vary = {"part": {"field": "data.splits.train", "values": [0.3, 0.5]}}
    _, out, _ = check(_table(_frame(), tmp_path), "--format", "json", **{"conditions.vary": vary})
    assert [found["splits"]["train"] for found in json.loads(out)] == [60, 100]


@pytest.mark.parametrize(
    ("labels", "inputs", "words"),
    [
        (["a", "b"], [[1.0], [float("nan")]], "NaN or infinity in 1 example"),
        (["a", "a"], [[1.0], [2.0]], "at least two classes"),
        ([0.0, 1.0], [[1.0], [2.0]], "labels are float64"),
    ],
)
def test_data_that_cannot_be_used_ends_with_2_and_a_sentence(
    check: Check, tmp_path: Path, labels: list[Any], inputs: list[Any], words: str
) -> None:
    np.savez(tmp_path / "a.npz", inputs=inputs, labels=labels)
    code, out, err = check({"dataset": "npz", "path": "a.npz"})
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert words in err


def test_file_that_is_not_there_ends_with_2(check: Check) -> None:
    code, out, err = check({"dataset": "csv", "path": "mine.csv"})
    assert (code, out) == (2, "")
    assert err == "almkd: csv: there is no file mine.csv; put it there or correct data.path\n"


def test_network_that_does_not_take_the_data_is_told(check: Check, tmp_path: Path) -> None:
    model = {"student.model": {"name": "resnet8"}}
    code, out, err = check(_table(_frame(), tmp_path), **model)
    assert (code, out) == (2, "")
    assert "resnet8" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--format", "json"], "is of --data"), (["--data", "--format", "yaml"], "'yaml' is no form")],
)
def test_format_is_of_data_and_one_of_two(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["almkd", "check", "digits", *words])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert said in capsys.readouterr().err


def test_a_launch_tells_what_a_reader_left_out_once(
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anything is trained, which is as far as this launch goes."""
    frame = _frame()
    frame[frame.a > -1].to_parquet(tmp_path / "t.parquet")
    spec = small_spec({"data": {"dataset": "parquet", "path": str(tmp_path / "t.parquet")}})
    monkeypatch.setattr(session, "ray_session", lambda *_: nullcontext())

    def stop(*_: object) -> None:
        raise BadInput("far enough")

    monkeypatch.setattr(run, "_attempts", stop)
    with pytest.raises(BadInput, match="far enough"):
        launch(spec, places, Console(width=120))
    assert capsys.readouterr().out.count("'__index_level_0__' is left out as an index") == 1
