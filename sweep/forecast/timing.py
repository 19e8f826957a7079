"""Cohorts trained for a moment, on a sweep's own data, to see what they take. Nothing is kept.

A few epochs of each are trained; where an epoch takes long, a few steps of one, twice, and a line
through the two tells what the whole takes. Teachers are trained as briefly, so that students have
something to hear: what they say takes as long to read as what good ones say.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any

from sweep.forecast.costs import Line, ShapeCost
from sweep.inputs import load_data, load_given
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, teacher_cohort
from sweep.plan.teacher_jobs import TeacherJob
from sweep.training import cohort_of, take_given
from trainers.fields import Value
from trainers.lanes.batches import batch_sizes
from trainers.loading import content_key
from trainers.loop.cohort import Cohort
from trainers.loop.stopwatch import Stopwatch
from trainers.loop.teachers import Teacher, train_starts, train_teachers
from trainers.registry import TASKS

# Hyperparameters by which the epochs of one training differ.
WARMUP, EVERY = "warmup_epochs", "update_every"
# Epochs of a training that is timed, where they are short and where they are not. The first is one
# of its own kind, the second a plain one; from the third on methods that learn weights update them.
LONG, SHORT = 5, 3
# Steps of an epoch at a first look, and from how many on a second look tells more.
FEW_STEPS, ENOUGH_STEPS = 3, 6


@dataclass(frozen=True)
class Epoch:
    """Seconds that an epoch trained and was evaluated for, and how many examples there were."""

    trained: float
    evaluated: float
    examples: int


@dataclass(frozen=True)
class Look:
    """A training that was cut short: seconds before its epochs, these by phase, seconds after
    them, and those of what a confirm run does then. ``steps``: that its epochs were cut to."""

    set_up: float
    phases: tuple[tuple[Epoch, ...], ...]
    end: float = 0.0
    test: float = 0.0
    steps: int | None = None
    updates: bool = False
    tail: bool = False

    def plain(self, phase: int) -> float:
        """Of an epoch in which the method updates nothing of its own."""
        epochs = self.phases[phase][1 : -1 if self.tail else None]
        return epochs[0].trained if self.updates else median(e.trained for e in epochs)

    def update(self, phase: int) -> float:
        """What an update adds to one."""
        if not self.updates:
            return 0.0
        return max(0.0, median(e.trained for e in self.phases[phase][2:]) - self.plain(phase))

    def last(self, phase: int) -> float:
        """Of the last one."""
        return self.phases[phase][-1].trained if self.tail else self.plain(phase)

    def evaluation(self, phase: int) -> float:
        """Of evaluating after one; where steps were cut off, the last one alone was evaluated."""
        epochs = self.phases[phase]
        return epochs[-1].evaluated if self.steps else median(e.evaluated for e in epochs[1:])

    @property
    def first(self) -> float:
        """What the first epoch of a phase takes beyond another."""
        places = range(len(self.phases))
        return fmean(max(0.0, self.phases[p][0].trained - self.plain(p)) for p in places)

    @property
    def examples(self) -> list[int]:
        """By phase."""
        return [epochs[0].examples for epochs in self.phases]


@dataclass(frozen=True)
class Times:
    """What so many lanes take, as in `sweep.forecast.costs.ShapeCost`."""

    set_up: float
    first: float
    plain: Sequence[float]
    update: Sequence[float]
    evaluation: Sequence[float]
    last: Sequence[float]
    end: float
    test: float

    @staticmethod
    def of(look: Look, whole: Callable[[Callable[[Look, int], float], int], float]) -> "Times":
        """Of a look; ``whole``: what an epoch would take that was not cut, by what is asked of a
        look and the phase."""
        phases = range(len(look.phases))
        return Times(
            look.set_up,
            look.first,
            [whole(Look.plain, phase) for phase in phases],
            [look.update(phase) for phase in phases],
            [look.evaluation(phase) for phase in phases],
            [whole(Look.last, phase) for phase in phases],
            look.end,
            look.test,
        )


class Timer:
    """Times cohorts in this process."""

    def __init__(self, plan: Plan) -> None:
        """BadInput where the data cannot be used."""
        self._datasets = load_data(plan)
        self._given = load_given(plan, self._datasets)
        self._jobs = {name: job for job in plan.jobs for name in job.names}
        self._outputs: dict[str, Any] = {}
        self._weights: dict[str, Any] = {}

    def cost(self, task: CohortTask, counts: Sequence[int], seconds: float) -> ShapeCost:
        """What cohorts of the shape of ``task`` take, from looks at so many of its lanes, each of
        about so many seconds."""
        looks = {n: self._times(replace(task, lanes=task.lanes[:n]), seconds) for n in counts}
        values, phases = _values(task), range(len(looks[counts[0]].plain))

        def line(of: Callable[[Times], float]) -> Line:
            return Line.through({n: of(times) for n, times in looks.items()})

        return ShapeCost(
            set_up=line(lambda t: t.set_up),
            first=line(lambda t: t.first),
            plain=tuple(line(lambda t, p=p: t.plain[p]) for p in phases),  # type: ignore[misc]
            update=tuple(line(lambda t, p=p: t.update[p]) for p in phases),  # type: ignore[misc]
            evaluation=tuple(line(lambda t, p=p: t.evaluation[p]) for p in phases),  # type: ignore[misc]
            last=tuple(line(lambda t, p=p: t.last[p]) for p in phases),  # type: ignore[misc]
            end=line(lambda t: t.end),
            test=line(lambda t: t.test),
            warmup=int(values.get(WARMUP, 0)),
            every=int(values.get(EVERY, 1)),
            tail=sum(int(values[name]) for name in _tails(task)),
        )

    def _times(self, task: CohortTask, seconds: float) -> Times:
        """What these lanes take: from all of a few epochs where that is a matter of ``seconds``,
        else from a few steps of them."""
        for name in (*task.teachers, *task.starts):
            self._have(self._jobs[name])
        if task.given:
            return self._taking(task)
        training = task.spec.training
        few = self._look(task, SHORT, FEW_STEPS)
        steps = [_steps(task, examples) for examples in few.examples]
        phases = range(len(few.phases))
        step = max(few.plain(phase) for phase in phases) / FEW_STEPS
        whole_s = LONG * sum(
            step * steps[p] + few.update(p) + few.evaluation(p) for p in phases
        )  # fmt: skip
        if max(steps) <= FEW_STEPS or whole_s <= seconds:
            look = self._look(task, LONG, training.steps)
            return Times.of(replace(look, steps=None), lambda of, phase: of(look, phase))
        more = min(max(steps), int(seconds / step / SHORT))
        if more < ENOUGH_STEPS:
            return Times.of(few, lambda of, phase: of(few, phase) * steps[phase] / FEW_STEPS)
        many = self._look(task, SHORT, more)

        def whole(of: Callable[[Look, int], float], phase: int) -> float:
            each = max(0.0, (of(many, phase) - of(few, phase)) / (more - FEW_STEPS))
            return of(many, phase) + each * (steps[phase] - more)

        return Times.of(many, whole)

    def _look(self, task: CohortTask, epochs: int, steps: int | None) -> Look:
        """Train a cohort for so many epochs of so many steps, and see what that takes."""
        short, stopwatch = _cut(task, epochs, steps), Stopwatch()
        cohort = cohort_of(
            short, self._dataset_of(task), self._outputs, self._weights, stopwatch
        )  # fmt: skip
        before, seen = [0.0, 0.0], []

        def report(epoch: int, names: Sequence[str], rows: Sequence[object]) -> list[bool]:
            spent = stopwatch.seconds
            now = [spent["training"] + spent["method"], spent["evaluation"]]
            trained, evaluated = (
                after - earlier for after, earlier in zip(now, before, strict=True)
            )
            seen.append(Epoch(trained, evaluated, cohort.stacks[0].examples))
            before[:] = now
            return [True] * len(names)

        began = time.perf_counter()
        if task.stage == "teacher":
            self._train_teachers(short, cohort, report)
        else:
            cohort.train(report)
        took = time.perf_counter() - began
        test = 0.0 if task.stage == "teacher" else _test(cohort)
        end = max(0.0, took - sum(e.trained + e.evaluated for e in seen))
        still = Epoch(0.0, 0.0, cohort.stacks[0].examples)
        # A network in which nothing is learned has no epochs.
        seen = seen or [still] * epochs * short.spec.training.phases
        return Look(
            stopwatch.seconds["set-up"],
            tuple(tuple(seen[i : i + epochs]) for i in range(0, len(seen), epochs)),
            end,
            test,
            steps,
            updates=EVERY in _values(task),
            tail=bool(_tails(task)),
        )

    def _train_teachers(self, task: CohortTask, cohort: Cohort, report: Any) -> dict[str, Teacher]:
        """Train teachers or warm starts, and take what they leave, by their runs."""
        if task.is_of_starts:
            return train_starts(cohort, report)[1]
        return train_teachers(cohort, report)[1]

    def _taking(self, task: CohortTask) -> Times:
        """What taking a teacher as it is given takes."""
        began = time.perf_counter()
        take_given(task, self._dataset_of(task), self._given[task.given])
        took = time.perf_counter() - began
        return Times(took, 0.0, [0.0], [0.0], [0.0], [0.0], 0.0, 0.0)

    def _have(self, job: TeacherJob) -> None:
        """Have what ``job`` leaves, of a training of a few steps."""
        if set(job.names) <= set(self._outputs) or job.names[0] in self._weights:
            return
        task = teacher_cohort((job,))
        if job.parent:
            self._have(self._jobs[job.parent])
        if job.given:
            trained = take_given(task, self._dataset_of(task), self._given[job.given])[1]
        else:
            short = _cut(task, 1, FEW_STEPS)
            cohort = cohort_of(short, self._dataset_of(task), self._outputs, self._weights)
            trained = self._train_teachers(
                short, cohort, lambda epoch, names, rows: [True] * len(names)
            )
        (teacher,) = trained.values()
        for name in job.names:
            self._outputs[name] = teacher.outputs
            self._weights[name] = {key: t.numpy() for key, t in teacher.parameters.items()}

    def _dataset_of(self, task: CohortTask) -> Any:
        return self._datasets[content_key(task.data)]


def _cut(task: CohortTask, epochs: int, steps: int | None) -> CohortTask:
    """The same of so many epochs; of so many steps each, the last alone evaluated, if they are
    given. Whatever a method does in some epochs, it does in some of these."""
    training = replace(task.spec.training, epochs=epochs, evaluate_every=1)
    if steps is not None and task.spec.training.steps != steps:
        training = replace(training, steps=steps, evaluate_every=epochs)
    values = _values(task)
    own: dict[str, Value] = {
        **({WARMUP: SHORT - 1} if WARMUP in values else {}),
        **({EVERY: 1} if EVERY in values else {}),
        **dict.fromkeys(_tails(task), 1),
    }
    lanes = tuple(
        replace(lane, lane=replace(lane.lane, hyperparameters={**lane.lane.hyperparameters, **own}))
        for lane in task.lanes
    )
    return replace(
        task, spec=replace(task.spec, training=training), lanes=lanes, snapshots=()
    )  # fmt: skip


def _values(task: CohortTask) -> Mapping[str, Any]:
    """The hyperparameters of a cohort's first lane, those that nobody gave among them."""
    fields = TASKS[task.spec.task].methods[task.spec.method].hyperparameters
    return {**{h.name: h.default for h in fields}, **task.lanes[0].lane.hyperparameters}


def _tails(task: CohortTask) -> list[str]:
    """The hyperparameters that say how many of the last epochs are of another kind."""
    fields = TASKS[task.spec.task].methods[task.spec.method].hyperparameters
    return [h.name for h in fields if h.below_epochs]


def _steps(task: CohortTask, examples: int) -> int:
    """How many an epoch has."""
    training = task.spec.training
    return training.steps or len(batch_sizes(examples, training.batch_size))


def _test(cohort: Cohort) -> float:
    """Seconds that a confirm run takes after its last epoch."""
    began = time.perf_counter()
    cohort.test()
    for stack in cohort.stacks:
        stack.predictions("test")
        stack.further_tables("test")
    return time.perf_counter() - began
