"""What cohorts of a sweep take on this machine: each shape timed, in as many processes at once as
would train in the sweep, for two that are busy are slower than one alone."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING

from sweep.errors import BadInput
from sweep.forecast.costs import ShapeCost, has_own_examples, shape_of, trains_together
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask
from sweep.spec.spec import SweepSpec

if TYPE_CHECKING:
    from sweep.forecast.timing import Timer

# Lanes with examples of their own are timed of so many seeds: each needs teachers of its own.
MOST_SEEDS = 4
# Seconds that all of it may take about, and one look at a cohort at most and at least.
BUDGET_S, MOST_S, LEAST_S = 40.0, 1.5, 0.1
# Looks at a shape, at one lane and at all of them.
LOOKS = 4


@dataclass(frozen=True)
class Job:
    """A shape to be timed: one of its cohorts, in which numbers of lanes, each for about how
    long."""

    shape: str
    task: CohortTask
    counts: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class Calibrated:
    """Costs by shape; ``process_s``: what a process that trains takes until it is ready."""

    by_shape: Mapping[str, ShapeCost]
    process_s: float


def jobs_of(plan: Plan, tasks: Sequence[CohortTask], known: Collection[str] = ()) -> list[Job]:
    """What is to be timed of a sweep whose cohorts are ``tasks``: every shape that is not
    ``known``."""
    by_shape: dict[str, list[CohortTask]] = defaultdict(list)
    for task in tasks:
        if (shape := shape_of(plan, task)) not in known:
            by_shape[shape].append(task)
    seconds = min(MOST_S, max(LEAST_S, BUDGET_S / max(1, LOOKS * len(by_shape))))
    jobs = []
    for shape, alike in by_shape.items():
        most = max(len(task.lanes) for task in alike)
        task = next(task for task in alike if len(task.lanes) == most)
        if has_own_examples(task):
            seeds = list(dict.fromkeys(lane.source.seed for lane in task.lanes))[:MOST_SEEDS]
            lanes = tuple(lane for lane in task.lanes if lane.source.seed in seeds)
            task, most = replace(task, lanes=lanes), len(lanes)
        counts = (1, most) if most > 1 and trains_together(plan, task) else (1,)
        jobs.append(Job(shape, task, counts, seconds))
    return jobs


def calibrate(
    spec: SweepSpec, jobs: Sequence[Job], processes: int, say: Callable[[str], None]
) -> Calibrated:
    """Time ``jobs`` in so many processes; ``say`` is told how far it is.

    BadInput where the data of the sweep cannot be used.
    """
    # Where there are fewer shapes than processes, each is timed several times at once.
    copies = max(1, processes // max(1, len(jobs)))
    found: dict[str, list[ShapeCost]] = defaultdict(list)
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (spec, time.time())) as pool:
        starting = [pool.submit(_ready) for _ in range(processes)]
        waiting = [pool.submit(_time, job) for job in jobs for _ in range(copies)]
        try:
            for done in as_completed(waiting):
                shape, cost = done.result()
                found[shape].append(cost)
                say(f"timed {len(found)} of {len(jobs)} kinds of cohorts")
            process_s = statistics.median(process.result() for process in starting)
        except BrokenProcessPool:
            raise BadInput(
                "a process that timed cohorts was killed, as for want of memory"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
    return Calibrated({shape: _middle(costs) for shape, costs in found.items()}, process_s)


def _middle(costs: Sequence[ShapeCost]) -> ShapeCost:
    """The one whose epochs take the median."""
    return sorted(costs, key=lambda cost: cost.plain[-1].at(1))[len(costs) // 2]


@dataclass
class _Process:
    """What a process of the pool knows: the sweep, its timer once it is needed, and for how many
    seconds it was starting."""

    spec: SweepSpec
    start_s: float
    timer: "Timer | None" = None


_HERE: list[_Process] = []


def _begin(spec: SweepSpec, began: float) -> None:
    """Have a process load what a process that trains does."""
    import torch

    import sweep.training  # noqa: F401

    torch.set_num_threads(max(1, int(spec.resources.cpus)))
    _HERE.append(_Process(spec, time.time() - began))


def _ready() -> float:
    """How long this process took to start."""
    return _HERE[0].start_s


def _time(job: Job) -> tuple[str, ShapeCost]:
    """A shape, and what it takes."""
    from sweep.forecast.timing import Timer

    (here,) = _HERE
    # Here and not at the start, so that whoever waits hears of data that cannot be used.
    timer = here.timer = here.timer or Timer(Plan(here.spec))
    try:
        return job.shape, timer.cost(job.task, job.counts, job.seconds)
    except Exception as error:  # noqa: BLE001 - whatever training raises: a launch would tell
        said = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise BadInput(f"{job.task.spec.method} cannot be timed: {said}") from None
