"""What takes time in a sweep, in seconds: cohorts by their shape, and what is beside them.

A shape is all that decides what training a cohort takes, but for how many lanes it has: cells that
differ in noise, and cohorts that differ in seeds, have one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from sweep.plan.lanes import device_of
from sweep.plan.plan import Cell, Plan
from sweep.plan.tasks import CohortTask
from trainers.registry import TASKS
from trainers.settings import Training


@dataclass(frozen=True)
class Line:
    """Seconds of ``lanes`` lanes: ``base`` and ``each`` of them; neither is below zero."""

    base: float = 0.0
    each: float = 0.0

    def at(self, lanes: int) -> float:
        """Of so many lanes; none takes no time."""
        return self.base + self.each * lanes if lanes else 0.0

    @staticmethod
    def through(points: Mapping[int, float]) -> "Line":
        """Through what one or two numbers of lanes took: one is taken to be for all of them."""
        (few, low), (many, high) = min(points.items()), max(points.items())
        if few == many:
            return Line(0.0, low / few)
        each = max(0.0, (high - low) / (many - few))
        return Line(max(0.0, low - each * few), each)


@dataclass(frozen=True)
class ShapeCost:
    """What a cohort of a shape takes.

    ``set_up``: before its first epoch; ``first``: what the first epoch of a phase takes beyond
    another; ``end``: after the last epoch; ``test``: beyond that in the stage confirm. By phase:
    ``plain``, of an epoch; ``update``, what an update of the method's own adds to one, after
    ``warmup`` epochs in every ``every``-th; ``evaluation``, what evaluating adds; ``last``, of each
    of the last ``tail`` epochs, where these are of another kind.
    """

    set_up: Line
    first: Line
    plain: tuple[Line, ...]
    update: tuple[Line, ...]
    evaluation: tuple[Line, ...]
    last: tuple[Line, ...]
    end: Line
    test: Line
    warmup: int = 0
    every: int = 1
    tail: int = 0

    def epoch_s(self, training: Training, epoch: int, lanes: int) -> float:
        """Of ``epoch``, from 1 over all phases."""
        phase, here = training.place(epoch)
        of_tail = here > training.epochs - self.tail
        seconds = (self.last if of_tail else self.plain)[phase].at(lanes)
        if here == 1:
            seconds += self.first.at(lanes)
        since = here - 1 - self.warmup
        if since >= 0 and since % self.every == 0:
            seconds += self.update[phase].at(lanes)
        if training.evaluates(epoch):
            seconds += self.evaluation[phase].at(lanes)
        return seconds


class CohortCosts(Protocol):
    """What cohorts take where nothing holds them up."""

    def begin_s(self, task: CohortTask) -> float: ...
    def epoch_s(self, task: CohortTask, epoch: int, lanes: int) -> float: ...
    def end_s(self, task: CohortTask, lanes: int) -> float: ...


class ShapeCosts:
    """Costs by shape; `sweep.forecast.costs.CohortCosts`."""

    def __init__(self, plan: Plan, by_shape: Mapping[str, ShapeCost]) -> None:
        self._plan = plan
        self._by_shape = by_shape
        self._known: dict[str, ShapeCost] = {}

    def begin_s(self, task: CohortTask) -> float:
        return self._of(task).set_up.at(len(task.lanes))

    def epoch_s(self, task: CohortTask, epoch: int, lanes: int) -> float:
        return self._of(task).epoch_s(task.spec.training, epoch, lanes)

    def end_s(self, task: CohortTask, lanes: int) -> float:
        cost = self._of(task)
        return cost.end.at(lanes) + (cost.test.at(lanes) if task.stage == "confirm" else 0.0)

    def _of(self, task: CohortTask) -> ShapeCost:
        if task.id not in self._known:
            self._known[task.id] = self._by_shape[shape_of(self._plan, task)]
        return self._known[task.id]


@dataclass(frozen=True)
class Beside:
    """What a sweep takes beside training, in seconds.

    ``start``: from the command to the first cohort; ``tune``: Tune's for a cohort; ``cohort``: what
    a process waits besides from one cohort to the next; ``ask``: the referee's for a trial that it
    proposes; ``report``: its for an epoch of a lane; ``call``: its for a call, whatever it carries;
    ``end``: its for a lane that ends; ``write``: the writer's for an epoch of a lane; ``run``: its
    for a run that begins and ends; ``close``: from the end of the last cohort until Ray and stores
    are closed; ``comparison``: statistics, figures and report. ``loading``: seconds of a core that
    the launcher has still to load for when cohorts train already; ``launcher``: the share of a core
    that it takes as long as they train. ``shares_cores``: whether launcher, referee and writer take
    their time from the processes that train, as there is no core beside these.
    """

    start: float = 0.0
    tune: float = 0.0
    cohort: float = 0.0
    ask: float = 0.0
    report: float = 0.0
    call: float = 0.0
    end: float = 0.0
    write: float = 0.0
    run: float = 0.0
    close: float = 0.0
    comparison: float = 0.0
    loading: float = 0.0
    launcher: float = 0.0
    shares_cores: bool = False

    def taken(self, trials: int = 0, lane_epochs: int = 0) -> float:
        """By how much what is beside prolongs the training of a cohort that asks for so many
        trials, or reports so many epochs of lanes."""
        if not self.shares_cores:
            return 0.0
        return self.ask * trials + (self.report + self.write) * lane_epochs

    def delay_s(self, slots: int) -> float:
        """By how much the launcher's loading holds up the first cohort of each of so many slots."""
        return self.loading / slots if self.shares_cores else 0.0

    def stretched(self, seconds: float, slots: int) -> float:
        """What so many seconds of training become where the launcher has its share."""
        return seconds / (1.0 - self.launcher / slots) if self.shares_cores else seconds


def cell_of(plan: Plan, task: CohortTask) -> Cell | None:
    """A cell of a cohort of students, of those that share it; None of one of teachers."""
    return plan.search(task.searches[0]).cell if task.searches else None


def trains_together(plan: Plan, task: CohortTask) -> bool:
    """Whether the lanes of a cohort train side by side, and not one after the other."""
    entry = TASKS[task.spec.task]
    together = entry.networks[task.spec.model.name].together if task.spec.model.name else ()
    stacks = entry.methods[task.spec.method].stacks
    return stacks and device_of(plan.spec.resources) in together


def devices_of(plan: Plan) -> float:
    """How many devices a cohort takes: GPUs, or cores where it takes none."""
    resources = plan.spec.resources
    return float(resources.gpus if device_of(resources) == "cuda" else resources.cpus)


def has_own_examples(task: CohortTask) -> bool:
    """Whether students train on splits of several seeds."""
    seeds = {lane.source.seed for lane in task.lanes}
    return task.stage == "confirm" or (task.stage != "teacher" and len(seeds) > 1)


def shape_of(plan: Plan, task: CohortTask) -> str:
    """The shape of a cohort, equal for those that take the same by lane."""
    cell = cell_of(plan, task)
    data = task.data
    content = {
        # Lanes with examples of their own are not read as those that share theirs are.
        "own_examples": trains_together(plan, task) and has_own_examples(task),
        "stage": "teacher" if task.stage == "teacher" else "student",
        "spec": asdict(task.spec),
        "data": [data.dataset, data.options, asdict(data.fractions), data.noise.splits],
        "calls": asdict(data.calls) if data.calls else None,
        "stream": asdict(data.stream) if data.stream else None,
        "pins": cell.use.pin if cell else {},
        "clean": task.lanes[0].source.clean,
        "teachers": [asdict(network) for network in task.teacher_networks],
        "snapshots": task.snapshots,
        "given": task.given,
        "source": asdict(task.source) if task.source else None,
    }
    return json.dumps(content, sort_keys=True, default=str)
