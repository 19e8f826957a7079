"""The simulation against schedules worked out by hand."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sweep.api import read
from sweep.forecast.assumed import goes_on
from sweep.forecast.costs import Beside, Line, ShapeCost
from sweep.forecast.simulation import Bell, Clock, Process, Server, Simulated, Simulation, tasks_of
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask
from sweep.spec.search import Pruner
from tests.sweep.specs import small_spec
from trainers.settings import Training

# One condition, one row: what follows is short enough to be worked out.
ALONE: Mapping[str, Any] = {
    "conditions": {"noise_rate": [0.0]},
    "methods": [{"method": "labels_only", "baseline": True}],
    "search.pruner": {"name": "none"},
    "confirm": {"seeds": 3},
}


class Fixed:
    """So many seconds for a whole cohort, by its stage, spread over its epochs; notes when each
    began, by the clock of the simulation that it is of."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.seconds = seconds
        self.begun: list[tuple[str, int]] = []

    def begin_s(self, task: CohortTask) -> float:
        self.begun.append((task.stage, len(task.lanes)))
        return 0.0

    def epoch_s(self, task: CohortTask, epoch: int, lanes: int) -> float:
        return self.seconds[task.stage] / task.spec.training.all_epochs

    def end_s(self, task: CohortTask, lanes: int) -> float:
        return 0.0


def simulated(
    changes: Mapping[str, Any],
    seconds: Mapping[str, float],
    slots: int,
    beside: Beside | None = None,
) -> tuple[Simulated, Fixed]:
    costs = Fixed(seconds)
    plan = Plan(small_spec({**ALONE, **changes}))
    return Simulation(plan, costs, beside or Beside(), slots).run(), costs


def test_three_cohorts_on_two_slots_take_twice_one() -> None:
    # Nothing varies, so that there is no search, and a lane a cohort: three of 7 s.
    changes = {
        "methods": [{"method": "labels_only", "baseline": True,
                     "pin": {"lr": 0.1, "weight_decay": 0.0}}],
        "resources.max_lanes": 1,
        "search.generation": 1,
    }  # fmt: skip
    for slots, took in ((1, 21.0), (2, 14.0), (3, 7.0), (4, 7.0)):
        found, costs = simulated(changes, {"confirm": 7.0}, slots)
        assert costs.begun == [("confirm", 1)] * 3
        assert found.trained == pytest.approx(took)
        assert found.device_s == pytest.approx(21.0)


def test_generations_wait_for_each_other() -> None:
    # Six trials in generations of three of 10 s, then one cohort of three seeds.
    found, costs = simulated({}, {"search": 10.0, "confirm": 4.0}, slots=8)
    assert costs.begun == [("search", 3), ("search", 3), ("confirm", 3)]
    assert found.trained == pytest.approx(10 + 10 + 4)


def test_students_wait_for_teachers() -> None:
    changes = {
        "methods": [{"method": "fixed_kd", "baseline": True}],
        "search.trials": 3,
        "search.generation": 3,
    }
    # The search's teacher and two of the other three train side by side, which is half of all; the
    # search begins as soon as its own is there, beside the last, and confirm after it.
    found, costs = simulated(changes, {"teacher": 5.0, "search": 10.0, "confirm": 4.0}, slots=2)
    assert costs.begun == [
        ("teacher", 1), ("teacher", 2), ("teacher", 1), ("search", 3), ("confirm", 3),
    ]  # fmt: skip
    assert found.trained == pytest.approx(5 + 10 + 4)
    alone, _ = simulated(changes, {"teacher": 5.0, "search": 10.0, "confirm": 4.0}, slots=1)
    assert alone.trained == pytest.approx(5 + 5 + 10 + 4)


def test_what_is_beside_is_counted_once_for_whatever_it_is_of() -> None:
    # 1 cohort of 3 lanes and 4 epochs in search; 1 of 3 in confirm.
    changes = {"search.trials": 3, "search.generation": 3}
    beside = Beside(cohort=1.0, ask=0.5, end=0.25)
    found, _ = simulated(changes, {"search": 8.0, "confirm": 4.0}, 1, beside)
    assert found.trained == pytest.approx(3 * 0.5 + 1 + 8 + 3 * 0.25 + 1 + 4 + 3 * 0.25)
    assert found.servers["referee"].busy_s == pytest.approx(3 * 0.5 + 6 * 0.25)
    assert found.lane_epochs == 2 * 3 * 4


def test_a_launcher_without_a_core_of_its_own_delays_training_and_slows_it() -> None:
    changes = {"search.trials": 3, "search.generation": 3}
    seconds, beside = {"search": 8.0, "confirm": 4.0}, Beside(loading=4.0, launcher=0.5)
    found, _ = simulated(changes, seconds, 2, beside)
    assert found.trained == pytest.approx(8 + 4)
    # Half of 4 s for each slot, then a quarter of each slot's time.
    found, _ = simulated(changes, seconds, 2, replace(beside, shares_cores=True))
    assert found.trained == pytest.approx(2 + (8 + 4) / 0.75)


def test_a_referee_that_is_too_slow_decides_how_long_it_takes() -> None:
    # 24 epochs of lanes, a second each to report, where training takes next to nothing.
    changes = {"search.trials": 3, "search.generation": 3}
    found, _ = simulated(changes, {"search": 0.4, "confirm": 0.4}, 4, Beside(report=1.0))
    assert found.servers["referee"].busy_s == pytest.approx(24)
    assert found.trained == pytest.approx(24, rel=0.05)


def test_a_server_with_more_to_do_than_time_has_a_queue_that_grows() -> None:
    server = Server()
    # One a second, each of two seconds: the n-th waits for n - 1 seconds.
    assert [server.take(float(n), 2.0) for n in range(4)] == [2.0, 4.0, 6.0, 8.0]
    assert (server.busy_s, server.longest_wait_s) == (8.0, 3.0)


def test_a_server_with_less_to_do_has_none() -> None:
    server = Server()
    assert [server.take(2.0 * n, 1.0) for n in range(3)] == [1.0, 3.0, 5.0]
    assert server.longest_wait_s == 0.0


def test_processes_go_on_in_the_order_of_their_moments() -> None:
    clock, bell, seen = Clock(), Bell(), list[tuple[str, float]]()

    def process(name: str, *until: float | Bell, then: Callable[[], None] | None = None) -> Process:
        for moment in until:
            yield moment
            seen.append((name, clock.now))
        if then:
            then()

    clock.start(process("sleeper", bell, 9.0))
    clock.start(process("late", 5.0, then=lambda: clock.ring(bell)))
    clock.start(process("early", 2.0, 3.0))
    clock.run()
    assert seen == [
        ("early", 2.0),
        ("early", 3.0),
        ("late", 5.0),
        ("sleeper", 5.0),
        ("sleeper", 9.0),
    ]


@pytest.mark.parametrize(
    "name", ["digits", "detection", "incremental_digits", "language_addition", "multi_teacher"]
)
def test_what_is_handed_out_is_what_the_plan_counts(name: str) -> None:
    plan = Plan(read(name))
    tasks, budget = tasks_of(plan), plan.budget()
    lanes = {stage: 0 for stage in ("teacher", "search", "shortlist", "confirm")}
    for task in tasks:
        lanes[task.stage] += len(task.lanes)
    assert lanes["search"] == budget.search_trials
    assert lanes["confirm"] == budget.confirm_runs
    assert lanes["shortlist"] == budget.shortlist_runs
    assert lanes["teacher"] == budget.teachers + budget.starts


def test_so_many_are_pruned_as_is_said() -> None:
    median = Pruner.model_validate({"name": "median", "n_startup_trials": 4, "n_warmup_steps": 6})
    assert goes_on(median, 30, complete=3) == 1
    assert goes_on(median, 5, complete=4) == 1
    assert goes_on(median, 6, complete=4) == pytest.approx(0.62)
    assert goes_on(median, 30, complete=4) == pytest.approx(0.36, abs=0.001)
    halving = Pruner.model_validate({"name": "successive_halving", "reduction_factor": 3})
    assert [goes_on(halving, epoch, 0) for epoch in (1, 2, 3, 9)] == pytest.approx(
        [1 / 3, 1 / 3, 1 / 9, 1 / 27]
    )
    assert goes_on(Pruner.model_validate({"name": "none"}), 30, complete=99) == 1


def test_pruned_lanes_train_no_further() -> None:
    changes = {
        "search.trials": 24,
        "search.generation": 8,
        "search.pruner": {"name": "median", "n_startup_trials": 4, "n_warmup_steps": 2},
        "student.training.epochs": 6,
    }
    found, _ = simulated(changes, {"search": 1.0, "confirm": 1.0}, 1)
    # The first generation is not judged: 8 lanes in 6 epochs. Of the two others 8 train epochs 1
    # and 2, then 5 epoch 3, and 5, 4, 4 the last three, by 62, 56, 52 and 48 % of 8.
    assert found.lane_epochs == 8 * 6 + 2 * (8 + 8 + 5 + 4 + 4 + 4) + 3 * 6


def test_a_line_goes_through_what_was_seen() -> None:
    line = Line.through({1: 2.0, 5: 4.0})
    assert (line.at(1), line.at(3), line.at(5), line.at(0)) == (2.0, 3.0, 4.0, 0.0)
    assert Line.through({1: 2.0}).at(3) == 6.0
    # Noise would make more lanes faster than one.
    assert Line.through({1: 2.0, 5: 1.0}).at(5) == 2.0


def test_epochs_take_what_is_in_them() -> None:
    one = Line(0.0, 1.0)
    cost = ShapeCost(
        set_up=one, first=Line(0.5), plain=(Line(1.0),), update=(Line(10.0),),
        evaluation=(Line(100.0),), last=(Line(2.0),), end=one, test=one,
        warmup=2, every=2, tail=1,
    )  # fmt: skip
    training = Training(epochs=6, batch_size=1, evaluate_every=3)
    seconds = [cost.epoch_s(training, epoch, 1) for epoch in range(1, 7)]
    assert seconds == [1.5, 1.0, 1.0 + 10 + 100, 1.0, 1.0 + 10, 2.0 + 100]
