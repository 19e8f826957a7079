"""The referee with real studies: order, states, resumption, losses."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from sweep.adapters.optuna.studies import OptunaStudies
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, LaneOutcome
from sweep.referee.referee import Referee
from sweep.referee.stores import Outcome, PastTrial
from tests.sweep.specs import small_spec
from tests.sweep.stage import MemoryTracker, Theatre, histories, made_up, studies
from trainers.fields import Value

ONE_CELL = {
    "conditions.noise_rate": [0.4],
    "methods": [{"method": "fixed_kd", "baseline": True}],
}
CELL = "symmetric-0.4-noisy/fixed_kd"
ENDED = {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}


def _plan(changes: Mapping[str, Any] | None = None) -> Plan:
    return Plan(small_spec(changes))


def _referee(plan: Plan, folder: Path, tracker: MemoryTracker | None = None) -> Referee:
    """A referee on what ``folder`` holds, as after a launch with the tracker's runs."""
    tracker = tracker or MemoryTracker()
    return Referee(
        plan,
        studies(plan, folder),
        tracker,
        [key.rsplit("/", 1)[1] for key in tracker.completed("teacher")],
        tracker.ended(),
    )


def _on_disk(folder: Path, cell: str = CELL) -> list[FrozenTrial]:
    """A cell's trials as a plain Optuna reader finds them."""
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    (name,) = [s.study_name for s in storage.get_all_studies() if s.study_name.endswith(cell)]
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def _undisturbed(plan: Plan, folder: Path) -> dict[str, list[PastTrial]]:
    folder.mkdir()
    kept = studies(plan, folder)
    Theatre(Referee(plan, kept, MemoryTracker())).play()
    return histories(plan, kept)


class Spy(OptunaStudies):
    """Real studies that note the order of reports and judgements."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__(plan, str(folder / "optuna.journal"))
        self.calls: list[tuple[str, int, list[int]]] = []

    def report(self, cell: str, epoch: int, values: Mapping[int, float]) -> None:
        self.calls.append(("report", epoch, sorted(values)))
        super().report(cell, epoch, values)

    def judge(self, cell: str, epoch: int, numbers: Sequence[int]) -> list[int]:
        self.calls.append(("judge", epoch, sorted(numbers)))
        return super().judge(cell, epoch, numbers)


def test_all_lanes_are_reported_before_any_is_judged(tmp_path: Path) -> None:
    plan = _plan({**ONE_CELL, "search.trials": 3})
    spy = Spy(plan, tmp_path)
    Theatre(Referee(plan, spy, MemoryTracker())).play()
    spy.close()
    expected = [(call, epoch, [0, 1, 2]) for epoch in (1, 2, 3, 4) for call in ("report", "judge")]
    assert spy.calls == expected[:-1]  # nothing is left to be saved after the last epoch


def test_states_are_true_on_disk(tmp_path: Path) -> None:
    plan = _plan({**ONE_CELL, "search.trials": 12})

    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        return math.nan if key.endswith("trial/7") and epoch == 1 else made_up(key, values, epoch)

    tracker = MemoryTracker()
    Theatre(_referee(plan, tmp_path, tracker), curve).play()
    trials = _on_disk(tmp_path)
    assert [t.number for t in trials] == list(range(12))
    assert {t.state for t in trials} == ENDED
    for trial in trials:
        run = tracker.runs[f"{CELL}/trial/{trial.number}"]
        told = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
        assert run.states == ["running", told.get(trial.state, "failed")]
        curve_on_disk = dict(trial.intermediate_values)
        finite = {
            epoch: row["validation_accuracy"]
            for epoch, row in run.rows.items()
            if math.isfinite(row["validation_accuracy"])
        }
        assert curve_on_disk == finite
        if trial.state == TrialState.COMPLETE:
            assert len(curve_on_disk) == 4
            assert trial.value == max(curve_on_disk.values())
        if trial.state == TrialState.PRUNED:
            assert 0 < len(curve_on_disk) < 4
    assert trials[7].state == TrialState.FAIL
    assert trials[7].user_attrs["reason"].startswith("diverged in epoch 1: validation_accuracy")


def test_diverged_lane_harms_no_other(tmp_path: Path) -> None:
    plan = _plan({**ONE_CELL, "search.trials": 3})

    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        bad = key.endswith("trial/1") and epoch >= 2
        return math.inf if bad else made_up(key, values, epoch)

    whole = _undisturbed(plan, tmp_path / "whole")[CELL]
    kept = studies(plan, tmp_path)
    tracker = MemoryTracker()
    Theatre(Referee(plan, kept, tracker), curve).play()
    history = kept.history(CELL)
    assert history[1].state == "failed"
    assert [history[0], history[2]] == [whole[0], whole[2]]
    assert tracker.runs[f"{CELL}/trial/1"].rows.keys() == {1, 2}


def test_every_cell_is_asked_as_many_trials_as_planned(tmp_path: Path) -> None:
    plan = _plan({"search.trials": 7})
    tracker = MemoryTracker()
    referee = _referee(plan, tmp_path, tracker)
    Theatre(referee, slots=3).play()
    progress = referee.progress()
    assert (
        progress.done
        == progress.planned
        == {"teachers": 8, "search": 42, "shortlist": 0, "confirm": 18}
    )
    assert sum(progress.states.values()) == 42
    for cell in plan.cells:
        trials = _on_disk(tmp_path, cell.id)
        assert len(trials) == 7
        assert {t.state for t in trials} <= ENDED
    assert all(run.states[-1] != "running" for run in tracker.runs.values())


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_order_in_which_cohorts_finish_changes_nothing(tmp_path: Path, pruner: str) -> None:
    plan = _plan({"search.pruner": {"name": pruner}, "search.trials": 9})
    seen = []
    for slots, seed in ((1, 0), (4, 1), (6, 2)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        kept = studies(plan, folder)
        tracker = MemoryTracker()
        Theatre(Referee(plan, kept, tracker), slots=slots, seed=seed).play()
        runs = {key: (run.states, run.rows, run.last) for key, run in tracker.runs.items()}
        seen.append((histories(plan, kept), runs))
    assert seen[0] == seen[1] == seen[2]
    assert any(t.state == "pruned" for trials in seen[0][0].values() for t in trials)


@pytest.mark.parametrize(
    "pruner",
    [
        {"name": "median", "n_startup_trials": 0},
        {"name": "successive_halving", "min_resource": 1, "reduction_factor": 4},
        {"name": "hyperband", "min_resource": 1, "max_resource": 4, "reduction_factor": 3},
        {"name": "threshold", "lower": 58.0, "n_warmup_steps": 1},
    ],
    ids=lambda pruner: str(pruner["name"]),
)
@pytest.mark.parametrize("steps", [2, *range(8, 24)])
def test_interrupted_sweep_goes_on_to_the_same_end(
    tmp_path: Path, pruner: Mapping[str, Any], steps: int
) -> None:
    budget = {"search.trials": 14, "search.generation": 6, "student.training.epochs": 6}
    plan = _plan({**ONE_CELL, **budget, "search.pruner": pruner, "seed": 4})
    whole = _undisturbed(plan, tmp_path / "whole")
    tracker = MemoryTracker()
    broken = Theatre(_referee(plan, tmp_path, tracker))
    broken.play(steps)
    broken.referee.interrupt()
    assert TrialState.RUNNING not in {t.state for t in _on_disk(tmp_path)}
    assert all(run.states[-1] != "running" for run in tracker.runs.values())
    kept = studies(plan, tmp_path)
    resumed = Referee(
        plan,
        kept,
        tracker,
        [key.rsplit("/", 1)[1] for key in tracker.completed("teacher")],
        tracker.ended(),
    )
    Theatre(resumed).play()
    assert histories(plan, kept) == whole
    assert {t.state for t in _on_disk(tmp_path)} <= ENDED


@pytest.mark.parametrize("steps", [8, 10, 13])
def test_killed_sweep_goes_on_to_the_same_end(tmp_path: Path, steps: int) -> None:
    plan = _plan({**ONE_CELL, "search.trials": 8})
    whole = _undisturbed(plan, tmp_path / "whole")
    tracker = MemoryTracker()
    Theatre(_referee(plan, tmp_path, tracker)).play(steps)
    kept = studies(plan, tmp_path)
    teachers = [key.rsplit("/", 1)[1] for key in tracker.completed("teacher")]
    Theatre(Referee(plan, kept, tracker, teachers, tracker.ended())).play()
    assert histories(plan, kept) == whole


def test_interrupted_trials_wait_in_the_store_and_keep_their_numbers(tmp_path: Path) -> None:
    plan = _plan({**ONE_CELL, "search.pruner": {"name": "none"}})
    tracker = MemoryTracker()
    theatre = Theatre(_referee(plan, tmp_path, tracker))
    while not tracker.of("search"):
        theatre.play(1)
    before = [t.params for t in _on_disk(tmp_path)]
    theatre.referee.interrupt()
    assert [t.state for t in _on_disk(tmp_path)] == [TrialState.WAITING] * 3
    assert {run.states[-1] for run in tracker.of("search").values()} == {"interrupted"}
    assert theatre.flying[0].step()
    assert theatre.flying[0].live == []
    again = _referee(plan, tmp_path, tracker).next_cohort()
    assert isinstance(again, CohortTask)
    if again.stage == "teacher":
        return
    assert [lane.lane.hyperparameters for lane in again.lanes] == before
    assert [t.state for t in _on_disk(tmp_path)] == [TrialState.RUNNING] * 3


def test_trials_that_were_recalled_but_not_handed_out_wait_again(tmp_path: Path) -> None:
    plan = _plan(ONE_CELL)
    studies(plan, tmp_path).ask(CELL, 3)
    _referee(plan, tmp_path).interrupt()
    assert [t.state for t in _on_disk(tmp_path)] == [TrialState.WAITING] * 3


def test_sweep_broken_off_between_asking_and_training_asks_no_more(tmp_path: Path) -> None:
    plan = _plan({**ONE_CELL, "search.trials": 8})
    whole = _undisturbed(plan, tmp_path / "whole")
    asked = studies(plan, tmp_path).ask(CELL, 2)
    assert len(asked) == 2
    kept = studies(plan, tmp_path)
    tracker = MemoryTracker()
    Theatre(Referee(plan, kept, tracker)).play()
    assert histories(plan, kept) == whole


def test_lost_cohort_is_trained_again_with_the_lanes_that_were_left(tmp_path: Path) -> None:
    plan = _plan({**ONE_CELL, "search.trials": 6})
    whole = _undisturbed(plan, tmp_path / "whole")[CELL]
    pruned = {t.number for t in whole if t.state == "pruned" and t.number >= 3}
    assert pruned
    kept = studies(plan, tmp_path)
    theatre = Theatre(Referee(plan, kept, MemoryTracker()))
    cohort = f"{CELL}/search/1"
    while not (theatre.flying and theatre.flying[0].task.id == cohort and theatre.flying[0].epoch):
        theatre.play(1)
    while len(theatre.flying[0].live) == 3:
        theatre.play(1)
    live = theatre.flying.pop().live
    theatre.referee.lost(cohort)
    again = theatre.referee.next_cohort()
    assert isinstance(again, CohortTask)
    assert [lane.key for lane in again.lanes] == live
    theatre.referee.lost(again.id)
    theatre.play()
    assert kept.history(CELL) == whole


def test_process_that_was_given_up_and_comes_to_life_again_is_told_to_stop(tmp_path: Path) -> None:
    plan = _plan({**ONE_CELL, "search.trials": 6})
    whole = _undisturbed(plan, tmp_path / "whole")[CELL]
    tracker = MemoryTracker()
    kept = studies(plan, tmp_path)
    theatre = Theatre(Referee(plan, kept, tracker))
    while not theatre.flying or theatre.flying[0].task.stage != "search":
        theatre.play(1)
    theatre.play(1)
    frozen = theatre.flying.pop()
    theatre.referee.lost(frozen.task.id)
    again = theatre.referee.next_cohort()
    assert isinstance(again, CohortTask)
    rows = [{"validation_loss": 1.0}] * len(frozen.live)
    for epoch in (frozen.epoch + 1, frozen.epoch + 2):
        assert theatre.referee.report(frozen.task.id, epoch, frozen.live, rows) == [False] * 3
    theatre.referee.finish(frozen.task.id, {})
    assert theatre.referee.trains(again.id)
    theatre.referee.lost(again.id)
    theatre.play()
    assert kept.history(CELL) == whole


def test_lane_that_takes_its_process_along_is_found_and_the_others_finish(tmp_path: Path) -> None:
    plan = _plan({**ONE_CELL, "resources.retries": 1})
    tracker = MemoryTracker()
    kept = studies(plan, tmp_path)
    theatre = Theatre(Referee(plan, kept, tracker))
    bad = f"{CELL}/trial/0"
    losses = 0
    while bad not in tracker.runs or tracker.runs[bad].states[-1] == "running":
        theatre.play(1)
        if any(bad in flight.live for flight in theatre.flying):
            theatre.referee.lost(theatre.flying.pop().task.id)
            losses += 1
    theatre.play()
    assert losses == 4  # of three lanes and of the first alone, twice each
    history = kept.history(CELL)
    assert tracker.runs[bad].reason == "its process was lost 2 times"
    assert [t.number for t in history if t.state == "failed"] == [0]
    assert len(history) == 6
    assert len(tracker.completed("confirm")) == 3


def test_end_of_a_trial_is_with_the_tracker_before_its_study_knows(tmp_path: Path) -> None:
    """Else a process that dies in between would leave a run open that nobody takes up again."""
    plan = _plan({**ONE_CELL, "search.trials": 6})
    tracker = MemoryTracker()
    closed: list[list[str]] = []

    class Watched(OptunaStudies):
        def tell(self, cell: str, outcomes: Sequence[Outcome]) -> None:
            runs = [tracker.runs[f"{cell}/trial/{outcome.number}"] for outcome in outcomes]
            assert [run.states[-1] for run in runs] == [outcome.state for outcome in outcomes]
            closed.append([outcome.state for outcome in outcomes])
            super().tell(cell, outcomes)

    Theatre(Referee(plan, Watched(plan, str(tmp_path / "optuna.journal")), tracker)).play()
    assert {state for states in closed for state in states} == {"complete", "pruned"}


def test_cell_whose_trials_all_failed_is_not_confirmed(tmp_path: Path) -> None:
    plan = _plan()
    broken = "symmetric-0.4-noisy/fixed_kd"

    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        return math.nan if key.startswith(broken) else made_up(key, values, epoch)

    tracker = MemoryTracker()
    kept = studies(plan, tmp_path)
    Theatre(Referee(plan, kept, tracker), curve, slots=3).play()
    assert {t.state for t in kept.history(broken)} == {"failed"}
    confirmed = {key.split("/confirm/")[0] for key in tracker.of("confirm")}
    assert confirmed == {cell.id for cell in plan.cells} - {broken}


def test_failed_teachers_hold_up_only_the_cells_that_read_them(tmp_path: Path) -> None:
    plan = _plan()
    tracker = MemoryTracker()
    referee = _referee(plan, tmp_path, tracker)
    first = referee.next_cohort()
    assert isinstance(first, CohortTask)
    silent: CohortTask | str = first
    while isinstance(silent, CohortTask) and silent.stage == "teacher":
        referee.silent(silent.id, 60)
        silent = referee.next_cohort()
    assert isinstance(silent, CohortTask)
    referee.lost(silent.id)
    Theatre(referee).play()
    reasons = {tracker.runs[lane.key].reason for lane in first.lanes}
    assert reasons == {"finished no epoch for 60 s"}
    cells = {key.split("/confirm/")[0] for key in tracker.completed("confirm")}
    assert cells == {"symmetric-0-noisy/cross_entropy", "symmetric-0.4-noisy/cross_entropy"}
    assert referee.progress().done["teachers"] == referee.progress().planned["teachers"]


def test_lane_that_raises_is_found_and_the_others_finish(tmp_path: Path) -> None:
    plan = _plan({**ONE_CELL, "search.trials": 3, "search.pruner": {"name": "none"}})
    whole = _undisturbed(plan, tmp_path / "whole")[CELL]
    kept = studies(plan, tmp_path)
    tracker = MemoryTracker()
    theatre = Theatre(Referee(plan, kept, tracker))
    bad = f"{CELL}/trial/1"

    def raises() -> bool:
        return any(bad in flight.live for flight in theatre.flying)

    while kept.history(CELL)[1:2] == [] or kept.history(CELL)[1].state == "running":
        theatre.play(1)
        if raises():
            theatre.referee.failed(theatre.flying.pop().task.id, "cannot be trained")
    theatre.play()
    history = kept.history(CELL)
    assert history[1].state == "failed"
    assert tracker.runs[bad].reason == "cannot be trained"
    assert [history[0], history[2]] == [whole[0], whole[2]]


def test_failed_confirm_run_leaves_the_others(tmp_path: Path) -> None:
    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        bad = "/confirm/" in key and key.endswith("/2")
        return math.nan if bad else made_up(key, values, epoch)

    tracker = MemoryTracker()
    referee = _referee(_plan(ONE_CELL), tmp_path, tracker)
    Theatre(referee, curve).play()
    states = {key[-1]: run.states[-1] for key, run in tracker.of("confirm").items()}
    assert states == {"1": "complete", "2": "failed", "3": "complete"}
    assert referee.progress().done["confirm"] == 3


@pytest.mark.parametrize(("metric", "best"), [("accuracy", 90.0), ("loss", 10.0)])
def test_best_complete_trial_is_confirmed_the_earliest_of_equals(
    tmp_path: Path, metric: str, best: float
) -> None:
    plan = _plan({**ONE_CELL, "objective.metric": metric})
    kept = studies(plan, tmp_path)
    asked = kept.ask(CELL, 6)
    worse = 50.0
    values: Sequence[float | None] = (worse, best, worse, None, best, worse)
    kept.report(CELL, 1, {n: best if v is None else v for n, v in enumerate(values)})
    kept.tell(
        CELL,
        [Outcome(n, "pruned" if v is None else "complete", value=v) for n, v in enumerate(values)],
    )
    referee = _referee(plan, tmp_path)
    theatre = Theatre(referee)
    while not (theatre.flying and theatre.flying[0].task.stage == "confirm"):
        theatre.play(1)
    confirmed: list[Mapping[str, Value]] = [
        lane.lane.hyperparameters for lane in theatre.flying[0].task.lanes
    ]
    assert confirmed == [asked[1]] * 3


def test_seeds_that_ended_are_not_confirmed_again(tmp_path: Path) -> None:
    plan = _plan(ONE_CELL)
    tracker = MemoryTracker()
    Theatre(_referee(plan, tmp_path, tracker)).play()
    (left_out,) = [key for key in tracker.of("confirm") if key.endswith("/2")]
    del tracker.runs[left_out]
    referee = _referee(plan, tmp_path, tracker)
    task = referee.next_cohort()
    assert isinstance(task, CohortTask)
    assert [lane.key for lane in task.lanes] == [left_out]
    referee.finish(
        task.id,
        {task.lanes[0].key: LaneOutcome(4, 4, {"validation_accuracy": 1.0}, {})},
    )
    assert referee.next_cohort() == "done"
    assert _referee(plan, tmp_path, tracker).next_cohort() == "done"


def test_runs_that_were_saved_together_are_taken_up_together(tmp_path: Path) -> None:
    """And the others, which then had no teacher yet, apart: no checkpoint holds them all."""
    plan = _plan(ONE_CELL)
    tracker = MemoryTracker()
    Theatre(_referee(plan, tmp_path, tracker)).play()
    confirms = tracker.completed("confirm")
    teachers = [key.rsplit("/", 1)[1] for key in tracker.completed("teacher")]
    begun = [frozenset(["something/else"]), frozenset(confirms[1:])]
    referee = Referee(plan, studies(plan, tmp_path), tracker, teachers, {}, begun)
    tasks = [referee.next_cohort() for _ in range(2)]
    assert [[lane.key for lane in task.lanes] for task in tasks if not isinstance(task, str)] == [
        confirms[1:], confirms[:1],
    ]  # fmt: skip
    assert referee.next_cohort() == "wait"


def test_a_lane_that_was_stopped_is_not_heard_again(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    referee = Referee(_plan(ONE_CELL), studies(_plan(ONE_CELL), tmp_path), tracker)
    task = referee.next_cohort()
    assert isinstance(task, CohortTask)
    keys = [lane.key for lane in task.lanes]
    bad = {"validation_accuracy": math.nan, "validation_loss": math.nan}
    good = {"validation_accuracy": 50.0, "validation_loss": 1.0}
    first = referee.report(task.id, 1, keys, [bad, *[good] * (len(keys) - 1)])
    again = referee.report(task.id, 2, keys, [good] * len(keys))
    assert first == again == [False, *[True] * (len(keys) - 1)]
    assert list(tracker.runs[keys[0]].rows) == [1]
    assert referee.progress().lane_epochs == 2 * len(keys) - 1
    assert tracker.runs[keys[0]].states == ["running", "failed"]


def test_only_the_search_is_judged(tmp_path: Path) -> None:
    plan = _plan(ONE_CELL)
    theatre = Theatre(Referee(plan, studies(plan, tmp_path), MemoryTracker()))
    said: dict[str, set[float]] = {}
    while theatre.referee.progress().done["confirm"] < len(plan.confirm_seeds):
        theatre.play(1)
        for trainer in theatre.flying:
            stage = trainer.task.stage
            said.setdefault(stage, set()).add(theatre.referee.judged_from(trainer.task.id))
    assert said["teacher"] == said["confirm"] == {math.inf}
    assert said["search"] > {math.inf}
