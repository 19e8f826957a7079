"""Teachers: networks trained on the labels they saw, then asked for what is kept of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from trainers.loop.cohort import Answer, Cohort, LaneResult, Metrics, Report
from trainers.task import KeptOutputs


@dataclass(frozen=True)
class Teacher:
    """A trained teacher: what its task keeps of it; parameters and buffers."""

    outputs: KeptOutputs
    parameters: dict[str, Tensor]


def train_teachers(
    cohort: Cohort,
    report: Report,
    snapshots: Sequence[int] = (),
    between: Callable[[], None] | None = None,
) -> tuple[dict[str, LaneResult], dict[str, Teacher]]:
    """Train a cohort of teachers: the results of its lanes, and the teachers by lane name.

    A lane leaves what it was at the epoch that counts; with ``snapshots``, what it was after each
    of these epochs, named ``lane@epoch``. A lane that was stopped leaves none. ``between``: as in
    `Cohort.train`.
    """
    taken: dict[str, dict[str, Teacher]] = {}

    def watch(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> Answer:
        if epoch in snapshots:
            for name, teacher in _as_they_are(cohort).items():
                taken.setdefault(name, {})[f"{name}@{epoch}"] = teacher
        return report(epoch, names, rows)

    results = cohort.train(watch, between)
    if snapshots:
        left = [taken[name] for name in cohort.names]
        return results, {name: t for of_lane in left for name, t in of_lane.items()}
    cohort.load_best()
    return results, _as_they_are(cohort)


def _as_they_are(cohort: Cohort) -> dict[str, Teacher]:
    """Every lane's network as it stands, by lane name."""
    return {name: Teacher(*teacher) for name, teacher in cohort.teachers().items()}
