"""What is timed of a sweep, and what runs on record tell in its place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sweep.errors import BadInput
from sweep.forecast import forecast as forecasts
from sweep.forecast.calibration import Calibrated, Job, jobs_of
from sweep.forecast.costs import Line, ShapeCost, shape_of
from sweep.forecast.forecast import forecast, slots_here
from sweep.forecast.seen import seen_costs
from sweep.forecast.simulation import tasks_of
from sweep.forecast.timing import Timer
from sweep.forecast.words import line
from sweep.plan.plan import Plan
from sweep.spec.resources import Resources
from tests.sweep.specs import small_spec

NOTHING = Line()


def flat(seconds: float) -> ShapeCost:
    """The same for every epoch, and nothing else."""
    each = (Line(seconds),)
    return ShapeCost(NOTHING, NOTHING, each, (NOTHING,), (NOTHING,), each, NOTHING, NOTHING)


def planned(changes: Mapping[str, Any] | None = None) -> tuple[Plan, list[Job]]:
    plan = Plan(small_spec(changes))
    return plan, jobs_of(plan, tasks_of(plan))


def test_cells_that_differ_in_noise_are_timed_once() -> None:
    one, _ = planned({"conditions.noise_rate": [0.4]})
    _, jobs = planned({"conditions.noise_rate": [0.0, 0.4]})
    assert {job.shape for job in jobs} == {shape_of(one, task) for task in tasks_of(one)}
    # A teacher, and each of three rows with shared examples and with its own.
    assert len(jobs) == 1 + 3 * 2
    # Both cells of a row share cohorts, and six teachers of other seeds train together.
    assert [job.counts for job in jobs] == [(1, 6)] * 7


def test_what_is_known_is_not_timed() -> None:
    plan, jobs = planned()
    left = jobs_of(plan, tasks_of(plan), {job.shape for job in jobs[1:]})
    assert [job.shape for job in left] == [jobs[0].shape]


def test_every_shape_takes_time_and_nothing_is_kept(tmp_path: Path) -> None:
    plan, jobs = planned()
    before = list(tmp_path.iterdir())
    timer = Timer(plan)
    for job in jobs:
        cost = timer.cost(job.task, job.counts, 0.05)
        epochs = job.task.spec.training.all_epochs
        seconds = [cost.epoch_s(job.task.spec.training, e, 2) for e in range(1, epochs + 1)]
        assert min(seconds) > 0
        assert cost.set_up.at(2) > 0
        assert (cost.warmup, cost.every) == ((1, 1) if "alm" in job.task.spec.method else (0, 1))
    assert list(tmp_path.iterdir()) == before


def test_of_long_epochs_a_few_steps_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, jobs = planned({"student.training.batch_size": 8})
    (job,) = [j for j in jobs if j.task.spec.method == "labels_only" and j.counts == (1, 6)
              and '"own_examples": true' in j.shape]  # fmt: skip
    timer, seen = Timer(plan), []
    look = timer._look

    def noted(task: Any, epochs: int, steps: int | None) -> Any:
        seen.append((epochs, steps))
        return look(task, epochs, steps)

    monkeypatch.setattr(timer, "_look", noted)
    whole = timer.cost(job.task, (1,), seconds=60.0).plain[0].at(1)
    short = timer.cost(job.task, (1,), seconds=0.0).plain[0].at(1)
    assert seen == [(3, 3), (5, None), (3, 3)]
    # 90 steps an epoch, of which three were timed.
    assert whole / 8 < short < whole * 8


def test_phases_warm_starts_and_networks_without_training_are_timed() -> None:
    for changes in (
        {"student.warm_start": {"epochs": 2, "lr": 0.1}},
        {"teacher.snapshots": [1, 3], "methods.0.pin": {"variant": "box"}},
        {"teacher.generations": 2, "methods.0": {"method": "fixed_kd", "label": "other"}},
    ):
        plan, jobs = planned({**changes, "conditions.noise_rate": [0.4]})
        timer = Timer(plan)
        for job in jobs:
            assert timer.cost(job.task, job.counts, 0.01).plain[0].at(1) > 0


def test_seconds_are_those_of_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = small_spec({"search.pruner": {"name": "none"}})
    monkeypatch.setattr(
        forecasts,
        "calibrate",
        lambda spec, jobs, processes, say: Calibrated({j.shape: flat(1.0) for j in jobs}, 0.0),
    )
    monkeypatch.setattr(forecasts, "LAUNCHER", 0.0)
    found = forecast(spec, slots=1)
    # Teachers: 2 of the search and 6 others, 2 and 6 to a cohort, in 3 epochs; 3 rows, whose two
    # cells share cohorts, of two generations and confirm runs, in 4.
    assert found.training_s == pytest.approx(2 * 3 + 3 * 3 * 4)
    assert (found.device_s, found.device) == (pytest.approx(found.training_s), "core")
    assert (found.start_s, found.comparison_s) == (0.0, 0.0)
    # Teachers two by two, then each cell by itself.
    assert forecast(spec, slots=6).training_s == pytest.approx(3 + 3 * 4)
    assert "with 1 cohort at once on this machine" in line(found)
    assert "core hours" in line(found)


def test_runs_on_record_tell_what_cohorts_took() -> None:
    plan = Plan(small_spec())
    tasks = [task for task in tasks_of(plan) if task.stage == "search"]
    cell = plan.cells[0]
    rows = [
        {"stage": "search", "cell": cell.id, "method": cell.use.label, "state": "complete",
         "cohort": "a", "started": 100.0, "wall_s": 8.0, "epochs_trained": epochs}
        for epochs in (4, 4, 2)
    ]  # fmt: skip

    class Record:
        trials = pd.DataFrame(rows)

    found = seen_costs(plan, Record(), tasks)  # type: ignore[arg-type]
    first = next(task for task in tasks if task.lanes[0].key.startswith(cell.id))
    assert list(found) == [shape_of(plan, first)]
    # 8 s of 4 epochs, in which the lanes trained side by side.
    assert found[shape_of(plan, first)].plain[0].at(3) == pytest.approx(2.0)


def test_a_machine_without_what_a_cohort_takes_has_no_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forecasts, "_cores", lambda: 6)
    assert slots_here(Resources(cpus=2)) == 3
    assert slots_here(Resources(cpus=0.5)) == 12
    with pytest.raises(BadInput, match="7 CPUs"):
        slots_here(Resources(cpus=7))
