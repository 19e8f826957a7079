"""A store that people touch: what lies in the trash, was renamed, moved or is there twice is told,
and the next launch has it whole again, to the last digit."""

import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from rich.console import Console

from sweep import cli
from sweep.compare.comparison import comparison_table
from sweep.compare.fairness import fairness_table
from sweep.compare.figures.saver import FigureSaver
from sweep.compare.records import SweepRecord
from sweep.errors import BadInput
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.results import compare
from sweep.run import launch
from tests.end_to_end.stage import launched_in_process
from tests.sweep.specs import SMALL, small_spec
from tests.sweep.stage import close_studies

CHANGES = {
    "conditions.noise_rate": [0.4],
    "methods": SMALL["methods"][:2],
    "search.trials": 4,
    "search.generation": 2,
    "confirm.seeds": 2,
}
SPEC = small_spec(CHANGES)
PLAN = Plan(SPEC)
CONFIRM, SEARCH = "fixed_kd/confirm/", "/trial/"
# What differs from one training to the next of the same run.
TIMES = ["started", "wall_s", "run_id", "cohort"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The runs directory of a sweep that nobody touched; moved, and nothing can be made where it
    was."""
    place = tmp_path_factory.mktemp("whole")
    made = place / "made"
    made.mkdir()
    shutil.copy(empty_store, made)
    with pytest.MonkeyPatch.context() as patch:
        launched_in_process(SPEC, Places(made), patch)
    close_studies()
    compare("small", Places(made), open_store(Places(made)), FigureSaver())
    made.rename(place / "moved")
    made.touch()
    return place / "moved"


@pytest.fixture
def places(whole: Path, tmp_path: Path) -> Places:
    """A copy of it, elsewhere again."""
    shutil.copytree(whole, tmp_path / "copied")
    return Places(tmp_path / "copied")


@pytest.fixture
def again(places: Places, monkeypatch: pytest.MonkeyPatch) -> Callable[[], SweepRecord]:
    """Launches it once more, without Ray; what it has shown then."""

    def launched() -> SweepRecord:
        return launched_in_process(SPEC, places, monkeypatch)

    return launched


Said = tuple[int, str, str]


@pytest.fixture
def almkd(
    places: Places, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """A command on that directory: exit code, standard output, standard error."""

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["almkd", *words, "--runs-dir", str(places.runs_dir)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def _client(places: Places) -> MlflowClient:
    return MlflowClient(f"sqlite:///{places.database}")


def _experiment(places: Places) -> str:
    found = _client(places).search_experiments(ViewType.ALL, filter_string="name = 'small'")
    return str(found[0].experiment_id)


def _own_run(places: Places) -> Run:
    found = _client(places).search_runs([_experiment(places)], "tags.stage = 'sweep'")
    return found[0]


def _runs(places: Places, part: str) -> list[Run]:
    """Those whose key has this in it."""
    found = _client(places).search_runs([_experiment(places)], "tags.sweep = 'small'")
    return [run for run in found if part in run.data.tags.get("key", "")]


def _delete(places: Places, part: str) -> list[Run]:
    runs = _runs(places, part)
    for run in runs:
        _client(places).delete_run(run.info.run_id)
    return runs


def _table(places: Places) -> pd.DataFrame:
    return comparison_table(open_store(places, must_exist=True).record("small"), 0)


def _trials(record: SweepRecord) -> pd.DataFrame:
    """What trained, without what differs from one training of a run to the next."""
    trials = record.trials.sort_values(["stage", "cell", "seed", "trial"], kind="stable")
    return trials.drop(columns=TIMES).reset_index(drop=True)


@pytest.fixture(scope="module")
def table(whole: Path) -> pd.DataFrame:
    return _table(Places(whole))


def test_a_moved_directory_is_read_and_not_changed(
    places: Places, table: pd.DataFrame, almkd: Callable[..., Said]
) -> None:
    before = places.database.read_bytes()
    code, out, err = almkd("export", "small")
    assert (code, err) == (0, "")
    measured = ["method", "test_accuracy_mean", "test_accuracy_std", "n_seeds", "n_trials"]
    found = pd.read_csv(StringIO(out))[measured]
    pd.testing.assert_frame_equal(found, table[measured], check_dtype=False)
    assert almkd("status", "small")[1].startswith("small: complete: teachers 3/3")
    assert open_store(places, must_exist=True).origin("small").versions["mlflow"]
    assert places.database.read_bytes() == before


def test_a_moved_directory_is_launched_on_and_compared_where_it_is(
    places: Places, whole: Path, almkd: Callable[..., Said]
) -> None:
    launch(SPEC, places, Console(quiet=True))
    assert almkd("compare", "small")[0] == 0
    artifacts = (places.runs_dir / "artifacts").as_uri()
    assert all(r.info.artifact_uri.startswith(artifacts) for r in _runs(places, ""))
    # As MLflow itself, and its dashboard, find them.
    run_id = _own_run(places).info.run_id
    assert _client(places).list_artifacts(run_id, "results")
    assert (whole.parent / "made").is_file()


def test_a_moved_directory_is_extended_where_it_is(
    places: Places, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = small_spec({**CHANGES, "confirm.seeds": 3})
    record = launched_in_process(more, places, monkeypatch)
    assert (record.trials["stage"] == "confirm").sum() == 6
    (kept, _) = _runs(places, "confirm/0/3") + _runs(places, "confirm/1/3")
    (files,) = (places.runs_dir / "artifacts").glob(f"small/{kept.info.run_id}/artifacts")
    assert (files / "examples.parquet").is_file()
    assert (whole.parent / "made").is_file()


def test_an_experiment_in_the_trash_is_told_with_the_way_out(
    places: Places, table: pd.DataFrame, almkd: Callable[..., Said]
) -> None:
    number = _experiment(places)
    _client(places).delete_experiment(number)
    for words in (["export"], ["status"], ["compare"], ["watch"]):
        code, _, err = almkd(*words, "small")
        assert code == 2
        assert "small: its experiment lies in MLflow's trash; restore it with" in err
        assert f"mlflow experiments restore --experiment-id {number}" in err
        assert "--fork NAME" in err
    with pytest.raises(BadInput, match="lies in MLflow's trash"):
        launch(SPEC, places, Console(quiet=True))
    assert f"experiment {number} is in the trash" in almkd("list")[1]
    _client(places).restore_experiment(number)
    pd.testing.assert_frame_equal(_table(places), table)


def test_a_sweeps_own_run_in_the_trash_is_told_with_the_way_out(
    places: Places, table: pd.DataFrame, almkd: Callable[..., Said]
) -> None:
    run_id = _own_run(places).info.run_id
    _client(places).delete_run(run_id)
    code, _, err = almkd("export", "small")
    assert code == 2
    assert "small: the sweep's own run lies in MLflow's trash" in err
    assert f"mlflow runs restore --run-id {run_id}" in err
    with pytest.raises(BadInput, match="own run lies in MLflow's trash"):
        launch(SPEC, places, Console(quiet=True))
    assert f"its run {run_id} is in the trash" in almkd("list")[1]
    _client(places).restore_run(run_id)
    pd.testing.assert_frame_equal(_table(places), table)


def test_a_spec_that_was_spoilt_is_unreadable_in_the_list(
    places: Places, almkd: Callable[..., Said]
) -> None:
    assert almkd("list")[1].splitlines()[1].split()[:2] == ["small", "complete"]
    (kept,) = places.runs_dir.glob("artifacts/small/*/artifacts/spec.yaml")
    kept.write_text("{")
    assert almkd("list")[1].splitlines()[1].split()[:2] == ["small", "unreadable"]
    code, _, err = almkd("status", "small")
    assert code == 2
    assert "launch it again to have it made anew" in err


def test_a_renamed_experiment_is_the_same_sweep(
    places: Places, table: pd.DataFrame, almkd: Callable[..., Said]
) -> None:
    _client(places).rename_experiment(_experiment(places), "nice-name")
    assert launch(SPEC, places, Console(quiet=True)).table.equals(table)
    assert [row["sweep"] for row in open_store(places).sweeps()] == ["small"]
    code, _, err = almkd("export", "nice-name")
    assert code == 2
    assert "'nice-name' is no sweep of this store; known: small" in err


def test_an_own_run_without_its_tags_is_told(places: Places, table: pd.DataFrame) -> None:
    run_id = _own_run(places).info.run_id
    _client(places).set_tag(run_id, "state", "good")
    assert open_store(places).progress("small").state == "complete"
    _client(places).delete_tag(run_id, "stage")
    for call in (
        lambda: open_store(places).record("small"),
        lambda: launch(SPEC, places, Console(quiet=True)),
    ):
        with pytest.raises(BadInput, match=f"own run {run_id} has lost its tags; give it stage="):
            call()
    _client(places).set_tag(run_id, "stage", "sweep")
    pd.testing.assert_frame_equal(_table(places), table)


@pytest.mark.parametrize(("part", "count"), [("fixed_kd/confirm/", 2), ("teacher/", 3)])
def test_runs_that_were_deleted_are_missed_and_made_again(
    places: Places,
    table: pd.DataFrame,
    again: Callable[[], SweepRecord],
    almkd: Callable[..., Said],
    part: str,
    count: int,
) -> None:
    assert len(_delete(places, part)) == count
    stage = "confirm" if "confirm" in part else "teacher"
    lost = f"small: the tracking store has lost {count} {stage} runs; "
    _, out, _ = almkd("status", "small")
    assert out.startswith("small: incomplete: ")
    assert almkd("list")[1].splitlines()[1].split()[:2] == ["small", "incomplete"]
    assert f"{lost}restore them there, or launch the sweep again" in " ".join(out.split())
    code, out, err = almkd("export", "small")
    assert code == 0
    assert lost in err
    closed = open_store(places).closed(PLAN)
    assert closed is not None
    assert closed.missing == {stage: count}
    record = again()
    pd.testing.assert_frame_equal(comparison_table(record, 0), table)
    assert open_store(places).progress("small").state == "complete"
    assert record.notices == ()


def test_search_runs_that_were_deleted_are_written_again_from_the_studies(
    places: Places, again: Callable[[], SweepRecord]
) -> None:
    before = open_store(places).record("small")
    assert len(_delete(places, SEARCH)) == 8
    assert open_store(places).progress("small").state == "incomplete"
    after = again()
    columns = ["train_examples", "steps_per_epoch"]  # of these the studies know nothing
    searched = before.trials["stage"] == "search"
    expected = _trials(replace(before, trials=before.trials[searched])).drop(columns=columns)
    searched = after.trials["stage"] == "search"
    found = _trials(replace(after, trials=after.trials[searched])).drop(columns=columns)
    pd.testing.assert_frame_equal(found, expected)
    a, b = fairness_table(before), fairness_table(after)
    assert a["asked"].tolist() == b["asked"].tolist() == [4, 4]
    assert a["search_epochs"].tolist() == b["search_epochs"].tolist()


def test_a_record_that_is_gone_for_good_is_made_anew_with_its_search(
    places: Places, empty_store: Path, table: pd.DataFrame, again: Callable[[], SweepRecord]
) -> None:
    before = open_store(places).record("small")
    shutil.copy(empty_store, places.database)
    after = again()
    pd.testing.assert_frame_equal(comparison_table(after, 0), table)
    assert fairness_table(after)["asked"].tolist() == [4, 4]
    assert len(after.trials) == len(before.trials)


def test_runs_that_are_there_twice_count_once(
    places: Places,
    table: pd.DataFrame,
    again: Callable[[], SweepRecord],
    almkd: Callable[..., Said],
) -> None:
    deleted = _delete(places, CONFIRM)
    again()
    for run in deleted:
        _client(places).restore_run(run.info.run_id)
    pd.testing.assert_frame_equal(_table(places), table)
    code, _, err = almkd("export", "small")
    assert code == 0
    assert "small: 2 of its runs are in the tracking store twice" in err
    # The next launch marks those that do not count.
    again()
    marked = [run for run in _runs(places, CONFIRM) if "duplicate_of" in run.data.tags]
    assert len(marked) == 2
    assert {run.data.tags["key"] for run in marked} == {run.data.tags["key"] for run in deleted}
    assert {r.info.run_id for r in marked}.isdisjoint({r.info.run_id for r in deleted})


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("seed", "2"),
        ("seed", "x"),
        ("cell", "other"),
        ("state", "good"),
        ("stage", ""),
        ("key", ""),
    ],
)
def test_a_run_that_was_tagged_otherwise_does_not_count_and_is_trained_again(
    places: Places,
    table: pd.DataFrame,
    again: Callable[[], SweepRecord],
    almkd: Callable[..., Said],
    tag: str,
    value: str,
) -> None:
    (run,) = [r for r in _runs(places, CONFIRM) if r.data.tags["seed"] == "1"]
    if value:
        _client(places).set_tag(run.info.run_id, tag, value)
    else:
        _client(places).delete_tag(run.info.run_id, tag)
    code, _, err = almkd("export", "small")
    assert code == 0
    assert "small: 1 run below it lacks tags or has others than it wrote" in err
    assert run.info.run_id in err
    assert "the tracking store has lost 1 confirm run;" in err
    pd.testing.assert_frame_equal(comparison_table(again(), 0), table)


def test_a_search_whose_studies_are_elsewhere_is_not_trained_over(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On record, and the journal is not there: it would be asked anew, under the same names."""
    open_store(places).close_sweep("small", "interrupted")
    _client(places).set_tag(_own_run(places).info.run_id, "launched_from", "there:/runs")
    places.journal("small").unlink()
    monkeypatch.setattr("sweep.adapters.ray.session.ray_session", lambda *_: nullcontext())
    with pytest.raises(BadInput, match=r"has 8 search runs of it, .*\(there:/runs\)"):
        launch(SPEC, places, Console(quiet=True))
    assert _own_run(places).data.tags["state"] == "interrupted"
