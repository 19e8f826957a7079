"""Sweeps from Python, as docs/python.md has it: its examples run, and print what it says."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import sweep
from sweep import BadInput, Comparison, launch, load
from sweep.compare.confirm_runs import Wanted, select
from sweep.compare.formats import to_csv
from sweep.places import Places, open_store
from sweep.spec.reader import find_spec, read_spec
from sweep.status import screen

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)
# Lines of a launch that are the same on every machine; its numbers are not.
SAME = ("first: ", "teachers ", "noise ", "wrote ", "almkd ui ")


class Read:
    """The examples of the page, run one after the other: what each printed, and should print."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.printed: list[str] = []
        self.said: list[str] = []
        for language, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
            if language == "text":
                self.said.append(text)
                continue
            out = StringIO()
            with redirect_stdout(out):
                exec(text, self.names)
            self.printed.append(out.getvalue())

    @property
    def comparison(self) -> Comparison:
        found = self.names["first"]
        assert isinstance(found, Comparison)
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def page(place: Path, empty_store: Path) -> Read:
    """The page, read by someone in an empty directory; it launches one small sweep."""
    (place / "runs").mkdir()
    (place / "runs" / "mlflow.db").write_bytes(empty_store.read_bytes())
    with chdir(place), pytest.MonkeyPatch.context() as patch:
        for name in ("ALMKD_RUNS", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        # No line that tells of the time.
        patch.setattr(screen, "LINE_EVERY", 1e6)
        return Read()


def test_the_launch_prints_what_the_page_says(page: Read) -> None:
    def kept(text: str) -> list[str]:
        return [line.strip() for line in text.splitlines() if line.startswith(SAME)]

    assert kept(page.printed[0]) == kept(page.said[0])
    assert len(kept(page.said[0])) == len(SAME)
    assert all(word in page.printed[0] for word in ("6 seeds", "alm_kd", "Does alm_kd beat"))


def test_all_other_examples_print_what_the_page_says(page: Read) -> None:
    printed, said = (
        [text.replace(str(find_spec("digits").parents[2]), "...") for text in texts[1:]]
        for texts in (page.printed, page.said)
    )
    assert printed == said


def test_a_figure_is_saved_where_it_was_asked_for(page: Read, place: Path) -> None:
    assert (place / "differences.png").read_bytes().startswith(b"\x89PNG")
    assert set(page.comparison.figures) <= {
        file.stem for file in (place / "runs" / "first" / "results").glob("*.png")
    }


def test_tables_are_those_of_the_sweep(page: Read, place: Path) -> None:
    results = place / "runs" / "first" / "results"
    kept = (results / "comparison.csv").read_text(encoding="utf-8")
    assert to_csv(page.comparison.comparison) == kept
    trials = pd.read_csv(results / "trials.csv")
    assert list(page.comparison.trials["run_id"]) == list(trials["run_id"])
    confirmed = page.comparison.trials[page.comparison.trials["stage"] == "confirm"]
    predictions = page.comparison.predictions
    right = predictions.filter(like="logit_").to_numpy().argmax(1) == predictions["label"]
    accuracy = 100 * right.groupby(predictions["run_id"]).mean()
    assert accuracy.to_dict() == pytest.approx(
        dict(zip(confirmed["run_id"], confirmed["test_accuracy"], strict=True))
    )


def test_students_are_chosen_as_on_the_command_line(page: Read, place: Path) -> None:
    record = open_store(Places(place / "runs")).record("first")
    with chdir(place):
        best = page.comparison.students(best=True)
        some = page.comparison.students(method=["fixed_kd"], seed=[1, 3])
        with pytest.raises(BadInput, match=r"--seed 99: first is confirmed on seeds 1, 2"):
            page.comparison.students(seed=99)
    assert set(best) == {str(run.folder) for run in select(record, Wanted(best=True))}
    assert set(some) == {f"symmetric-0.4-noisy/fixed_kd/seed-{seed}" for seed in (1, 3)}
    assert all(isinstance(student, torch.nn.Module) for student in (*best.values(), *some.values()))


def test_launched_again_it_shows_what_is_there_and_quiet_prints_nothing(
    page: Read, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = launch(
        page.names["SPEC"], set={"confirm.seeds": 6}, runs_dir=place / "runs", quiet=True
    )
    assert capsys.readouterr() == ("", "")
    pd.testing.assert_frame_equal(again.comparison, page.comparison.comparison)
    assert repr(again) == "<Comparison of first: 2 rows>"
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_a_report_that_is_elsewhere_is_told(page: Read, place: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{place / 'runs' / 'mlflow.db'}"
    found = load("first", runs_dir=tmp_path, tracking_uri=store)
    assert len(found.comparison) == len(page.comparison.comparison)
    with pytest.raises(BadInput, match="almkd compare first writes it"):
        _ = found.report


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"spec": "digit"}, "did you mean 'digits'"),
        ({"spec": Path("missing.yaml")}, "missing.yaml: there is no such file"),
        ({"spec": {"name": "x", "colour": 1}}, "spec: colour: 'colour' is no field here"),
        ({"spec": {"name": Path("x")}}, r"spec: holds PosixPath\('x'\)"),
        ({"spec": "a: 1\nb: ["}, "spec, line 2"),
        ({"spec": "digits", "set": {"seed": "x"}}, "seed: 'x'"),
        ({"spec": "digits", "set": {"seed": 2j}}, r"--set seed: holds 2j \(complex\); give num"),
        ({"spec": "digits", "address": "http://h:8265"}, "almkd launch SPEC --address http://h"),
        ({"spec": "digits", "address": "ray://h:10001"}, "load.NAME, tracking_uri"),
        ({"spec": "digits", "tracking_uri": "http://me:s3cret@h"}, r"me:\*\*\*@h: holds a pass"),
    ],
)
def test_what_cannot_be_launched_is_told_and_leaves_nothing(
    given: Mapping[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=said):
        launch(**given)
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_cannot_be_loaded(tmp_path: Path, places: Places) -> None:
    with pytest.raises(BadInput, match="holds no sweeps"):
        load("first", runs_dir=tmp_path)
    with pytest.raises(BadInput, match="first"):
        load("first", runs_dir=places.runs_dir)


def test_mapping_text_file_and_preset_are_one_spec(tmp_path: Path) -> None:
    """Numbers as YAML 1.1 has them not, texts that look like numbers, and tuples among them."""
    changes = {
        "student.training.momentum": 1e-5,
        "description": "1e-4",
        "conditions.noise_rate": (0, 0.4),
    }
    data = read_spec("digits").model_dump(mode="json")
    file = tmp_path / "mine.yaml"
    file.write_text(find_spec("digits").read_text(encoding="utf-8"), encoding="utf-8")
    given = ("digits", file, str(file), file.read_text(encoding="utf-8"), data)
    specs = [read_spec(one, changes) for one in given]
    assert all(spec == specs[0] for spec in specs)
    assert specs[0].student.training.momentum == 1e-5
    assert specs[0].description == "1e-4"


def test_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, sweep; sweep.BadInput; "
        "print([m for m in ('numpy', 'pandas', 'torch', 'ray', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="lunch"):
        _ = sweep.lunch
