"""What the referee costs, by the number of trials that a study already holds.

    python bench/referee.py [--trials 100 1000 10000] [--generations 4] [--quick]

One process, no Ray, and a tracker that writes nothing (`bench/writer.py` has that side): the real
`Referee` and `OptunaStudies` with a journal on disk, median pruner and TPE, as in the preset
digits. A study is filled with so many finished trials of 30 epochs, straight into its journal; then
some generations of 32 lanes go through the referee as a cohort would take them. Counted:

    report     ms per lane and epoch in `Referee.report`: all lanes reported, then judged, the
               pruned ones told and on disk
    ask        ms per trial in `Referee.next_cohort`: the sampler, and the trial on disk
    recall     seconds until the referee is up on that journal, as a resumed sweep waits

Writes bench/results/referee.json.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from machine import keep, options, say
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from processes import DIGITS

from sweep.adapters.optuna.journal import BatchedJournal
from sweep.adapters.optuna.rules import to_distributions
from sweep.adapters.optuna.studies import OptunaStudies
from sweep.plan.plan import Plan
from sweep.plan.search_end import SearchEnd
from sweep.plan.tasks import CohortTask, LaneOutcome
from sweep.referee.referee import Referee
from sweep.referee.states import State
from sweep.referee.stores import Metrics, PastTrial
from sweep.spec.reader import read_spec

EPOCHS, LANES = 30, 32


class NoTracker:
    """Writes nothing; `sweep.referee.stores.Tracker`."""

    def open(self, task: CohortTask) -> None: ...
    def begin(self, keys: Iterable[str]) -> None: ...
    def log(self, epoch: int, rows: Mapping[str, Metrics]) -> None: ...
    def close(self, key: str, state: State, metrics: Metrics, reason: str = "") -> None: ...
    def reuse(self, task: CohortTask, metrics: Metrics) -> None: ...
    def recover(self, task: CohortTask, trials: Mapping[str, PastTrial]) -> None: ...
    def end_searches(self, end: SearchEnd) -> None: ...


def plan_of(trials: int) -> Plan:
    """One cell, fixed_kd on digits, with so many trials in generations of LANES."""
    changes = {
        "name": "bench-referee",
        "conditions.noise_rate": "[0.4]",
        "methods": "[{method: fixed_kd, baseline: true}]",
        "search.trials": trials,
        "search.generation": LANES,
        "search.own": "{}",
    }
    return Plan(read_spec(DIGITS, [f"{path}={value}" for path, value in changes.items()]))


def curve(level: float, epoch: int) -> float:
    """A made-up validation accuracy that grows to a level."""
    return 95 * (0.5 + 0.5 * level) * (1 - 0.7**epoch)


def fill(journal: Path, plan: Plan, trials: int) -> None:
    """So many trials that ended, a third of them pruned, in the journal of the plan's one cell."""
    draw = random.Random(0)
    cell = plan.cells[0]
    space = to_distributions(cell.space)
    backend = BatchedJournal(journal)
    study = optuna.create_study(
        storage=JournalStorage(backend),
        study_name=f"{plan.spec.name}/{cell.id}",
        direction=plan.spec.objective_metric.direction,
    )
    for _ in range(trials):
        values = {name: draw.uniform(d.low, d.high) for name, d in space.items()}
        study.add_trial(_ended(values, space, draw))
    backend.flush()
    backend.close()


def _ended(
    values: Mapping[str, float], space: Mapping[str, Any], draw: random.Random
) -> FrozenTrial:
    level, pruned = draw.random(), draw.random() < 1 / 3
    epochs = draw.randint(7, EPOCHS - 1) if pruned else EPOCHS
    seen = {epoch: curve(level, epoch) for epoch in range(1, epochs + 1)}
    return create_trial(
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        params=dict(values),
        distributions=dict(space),
        intermediate_values=seen,
        value=seen[epochs],
    )


def measure(trials: int, generations: int) -> dict[str, float]:
    """The costs of ``generations`` generations after so many trials."""
    plan = plan_of(trials + generations * LANES)
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        journal = Path(place) / "optuna.journal"
        fill(journal, plan, trials)
        began = time.perf_counter()
        studies = OptunaStudies(plan, str(journal))
        teachers = [job.key for job in plan.teachers]
        referee = Referee(plan, studies, NoTracker(), teachers)
        recall = time.perf_counter() - began
        asks, reports = [], []
        for _ in range(generations):
            at = time.perf_counter()
            task = referee.next_cohort()
            asks.append((time.perf_counter() - at) / LANES)
            assert isinstance(task, CohortTask)
            assert task.stage == "search"
            reports += run_cohort(referee, task)
        studies.close()
    mean = statistics.mean(reports)
    return {
        "report_ms": 1000 * mean,
        "reports_per_second": 1 / mean,
        "ask_ms": 1000 * statistics.mean(asks),
        "recall_s": recall,
    }


def run_cohort(referee: Referee, task: CohortTask) -> list[float]:
    """Report every epoch; seconds per lane report. Lanes that complete are told as well."""
    levels = {lane.key: random.Random(lane.key).random() for lane in task.lanes}
    live, spent = list(levels), []
    for epoch in range(1, EPOCHS + 1):
        if not live:
            break
        rows: Sequence[Metrics] = [
            {"validation_accuracy": curve(levels[key], epoch), "validation_loss": 1.0}
            for key in live
        ]
        at = time.perf_counter()
        go_on = referee.report(task.id, epoch, live, rows)
        spent += [(time.perf_counter() - at) / len(live)] * len(live)
        live = [key for key, goes in zip(live, go_on, strict=True) if goes]
    best = {key: {"validation_accuracy": curve(levels[key], EPOCHS)} for key in live}
    referee.finish(task.id, {key: LaneOutcome(EPOCHS, EPOCHS, best[key]) for key in live})
    return spent


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--generations", type=int, default=4)
    arguments = parser.parse_args()
    trials = [50, 200] if arguments.quick else arguments.trials
    generations = 1 if arguments.quick else arguments.generations
    points = {}
    for count in trials:
        points[count] = measure(count, generations)
        said = ", ".join(f"{name} {value:.3g}" for name, value in points[count].items())
        say(f"{count} trials: {said}")
    flat = points[trials[-1]]["report_ms"] / points[trials[0]]["report_ms"]
    result = {"lanes": LANES, "epochs": EPOCHS, "by_trials": points, "last_of_first": flat}
    keep(arguments, "referee", result)


if __name__ == "__main__":
    main()
