"""The one training loop: a cohort of lanes in lockstep.

L lanes, N examples of the training split.

Every lane draws its first weights, unless they are given, and its batch order from its own seed, so
that a trial gives the same numbers alone or as a lane of any cohort. Lanes train stacked where that
pays, else in turn, one after the other through each epoch. After it the loop reports every lane's
metrics and is told which lanes go on; the others are cut out. An answer that takes its time is
heeded between two batches, and at the latest before the next report.

A cohort that was broken off goes on from what `Cohort.state` was after some epoch, bit for bit as
if nothing had been. What it had reported until then is reported once more.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trainers.entries import NORMALISES, WHOLE_BATCHES
from trainers.lanes.state import State, merged, pick, same_names
from trainers.loop.live_teachers import LiveTeachers, Weights
from trainers.loop.stack import Stack
from trainers.loop.stopwatch import Stopwatch
from trainers.registry import TASKS
from trainers.settings import CohortSpec, Lane
from trainers.task import KeptOutputs, TaskData

Metrics = dict[str, float]

# Which lanes of a report go on; while that is still to come, training does.
Answer = Sequence[bool] | Future[Sequence[bool]]
# (epoch, lane names, one metrics row per lane) -> which of these lanes go on.
Report = Callable[[int, Sequence[str], Sequence[Metrics]], Answer]


@dataclass
class LaneResult:
    """What is known of a lane when it stops; ``best`` are the metrics of the epoch that counts."""

    epochs: int = 0
    best_epoch: int = 0
    best: Metrics = field(default_factory=dict)
    test: Metrics = field(default_factory=dict)
    tables: dict[str, Tensor] = field(default_factory=dict)


Results = dict[str, LaneResult]


class Reported(NamedTuple):
    """What was reported after an epoch."""

    epoch: int
    names: list[str]
    rows: list[Metrics]


class Cohort:
    """Lanes of one method and one network on one device."""

    def __init__(
        self,
        spec: CohortSpec,
        lanes: Sequence[Lane],
        data: TaskData,
        live: LiveTeachers | None = None,
        stopwatch: Stopwatch | None = None,
        starts: Mapping[str, Weights] | None = None,
    ) -> None:
        """``live``: the teachers themselves, where inputs are changed and there are any.

        ``starts``: the first weights of every lane, by its name; None where they are drawn.
        ``stopwatch`` tells set-up, method, training, evaluation and waiting apart.
        """
        self.spec = spec
        self._entry = TASKS[spec.task]
        self._stopwatch = stopwatch or Stopwatch()
        self._results = {lane.name: LaneResult() for lane in lanes}
        self._history: list[Reported] = []
        self._answer: Answer = ()
        self._asked: list[str] = []
        self._check(lanes, data)
        changes = data.changes_inputs or self._entry.methods[spec.method].changes_inputs
        if changes and data.asked_anew and live is None:
            raise ValueError("inputs are changed: give the teachers themselves, not their outputs")
        if changes and data.limits_calls:
            raise ValueError(
                "inputs are changed, so that teachers are asked at every step; drop data.augment, "
                "or data.teacher_calls"
            )
        self._starts = starts
        self._stacks = self._stacked(lanes, data, live)
        if spec.training.accumulate and any(_normalises(s.model) for s in self._stacks):
            raise ValueError(
                f"{spec.model.name} {NORMALISES}; drop training.accumulate, or take a smaller "
                "batch_size"
            )
        self._stopwatch.lap("set-up")

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """One of all lanes, or one for each lane that is left where they train in turn."""
        return tuple(self._stacks)

    @property
    def names(self) -> tuple[str, ...]:
        """The lanes that are left, in their order."""
        return tuple(name for stack in self._stacks for name in stack.names)

    @property
    def epoch(self) -> int:
        """How many epochs are over."""
        return len(self._history)

    @property
    def learns(self) -> bool:
        """Whether its networks have a parameter that training can change."""
        return all(any(p.requires_grad for p in s.model.parameters()) for s in self._stacks)

    def train(self, report: Report, between: Callable[[], None] | None = None) -> Results:
        """Train to the end; lanes that ``report`` stops keep what was known of them then.

        ``between`` is called between two epochs: the moment to `settle` and to ask for `state`.
        ValueError where there is nothing to train.
        """
        if not self.learns:
            network = self.spec.model.sizes.get("path", self.spec.model.name)
            raise ValueError(
                f"{network}: has no parameter with requires_grad, so it cannot be trained; a "
                "student has to have some, a teacher need not"
            )
        while self._stacks and self.epoch < self.spec.training.all_epochs:
            if between and self.epoch:
                between()
                if not self._stacks:
                    break
            epoch = self.epoch + 1
            self._train_epoch(epoch)
            if not self._stacks:
                break
            rows = [row for stack in self._stacks for row in self._measured(stack, epoch)]
            self._remember_best(self._note(epoch, rows))
            self._stopwatch.lap("evaluation")
            self._ask(report, epoch, rows)
            self._stopwatch.lap("waiting")
            if self._is_answered:
                self._heed()
        self._heed()
        for stack in self._stacks:
            for lane, name in enumerate(stack.names):
                self._results[name].tables = stack.tables(lane)
        return self._results

    def settle(self) -> None:
        """Wait for the last report's answer, and cut out the lanes that it stops."""
        self._heed()

    def state(self) -> dict[str, Any]:
        """All that training has changed so far, for `trainers.loop.checkpoint.to_bytes`.

        Not a copy: it holds until training goes on. Only after `settle`, and where lanes are left.
        """
        return {
            "lanes": list(self.names),
            "history": [tuple(reported) for reported in self._history],
            "stack": self._state(),
        }

    def go_on(self, state: State, report: Report) -> bool:
        """Before training, take up the state of a cohort with these lanes, and maybe others.

        Makes its reports once more. False where the answers leave a lane in that is not in the
        state, or it is of another making: the lanes that are left then train from epoch 1.
        """
        for epoch, names, rows in state["history"]:
            if not set(self.names) <= set(names):
                return self._start_again()
            own = [rows[names.index(name)] for name in self.names]
            self._note(epoch, own)
            self._ask(report, epoch, own)
            self._heed()
            if not self._stacks:
                return True
        for stack in self._stacks:
            stack.go_to(self.epoch)
        mine = self._state()
        if not set(self.names) <= set(state["lanes"]) or not same_names(mine, state["stack"]):
            return self._start_again()
        for stack in self._stacks:
            lanes = torch.tensor([state["lanes"].index(name) for name in stack.names])
            stack.load_state(pick(state["stack"], lanes, stack.data.device))
        return True

    def load_best(self) -> None:
        """Give every lane that is left what it was at the epoch that counts."""
        for stack in self._stacks:
            stack.load_best()

    def test(self) -> None:
        """Fill in all metrics of the lanes that are left on validation and test, at that epoch."""
        self.load_best()
        metrics = tuple(self._entry.metrics)
        for stack in self._stacks:
            for split in ("validation", "test"):
                rows = self._rows(stack.evaluate(split, metrics))
                for name, row in zip(stack.names, rows, strict=True):
                    result = self._results[name]
                    if split == "test":
                        result.test = row
                    else:
                        result.best = {**row, **result.best}
        self._stopwatch.lap("evaluation")

    def teachers(self) -> dict[str, tuple[KeptOutputs, dict[str, Tensor]]]:
        """Every lane's network as it stands: what is kept of it, and its weights; by lane name."""
        return {
            name: (outputs, stack.weights(lane))
            for stack in self._stacks
            for lane, (name, outputs) in enumerate(
                zip(stack.names, stack.kept_outputs(), strict=True)
            )
        }

    def _train_epoch(self, epoch: int) -> None:
        """One epoch of every lane that is left; answers are heeded on the way, and at the end."""
        for stack in list(self._stacks):
            if not stack.names:  # cut out while another trained
                continue
            for _ in stack.steps(epoch, self._stopwatch):
                if self._is_answered:
                    self._heed()
        self._heed()

    def _measured(self, stack: Stack, epoch: int) -> list[Metrics]:
        """All metrics of a stack after an epoch, a row per lane."""
        measured = stack.trained()
        if self.spec.training.evaluates(epoch):
            names = dict.fromkeys([*self._entry.every_epoch, self.spec.selection.metric])
            measured |= stack.evaluate("validation", list(names))
            if stack.data.certain and self._entry.methods[self.spec.method].uses_meta:
                # To be set against the loss on the validation split: fitted where it is lower.
                measured["held_out_loss"] = stack.evaluate("meta", ())["meta_loss"]
        return self._rows({**measured, **stack.diagnostics()})

    def _rows(self, metrics: Mapping[str, Tensor]) -> list[Metrics]:
        """Metrics (L,) as one row per lane; what a lane does not have is left out.

        What it must have stays in, also where it is not finite: the training loss, and the loss and
        the objective where they were evaluated.
        """
        names = list(metrics)
        objective = self.spec.selection.metric
        needed = {"train_loss", "validation_loss", f"validation_{objective}"}
        table = torch.stack([t.to(torch.float32) for t in metrics.values()], dim=1).tolist()
        return [
            {
                name: value
                for name, value in zip(names, row, strict=True)
                if name in needed or math.isfinite(value)
            }
            for row in table
        ]

    def _state(self) -> dict[str, Any]:
        """What training has changed, over all lanes."""
        return merged([stack.state() for stack in self._stacks])

    def _start_again(self) -> bool:
        """Forget what was reported; training has changed nothing yet."""
        self._history.clear()
        for stack in self._stacks:
            stack.reset()
        self._results.update({name: LaneResult() for name in self.names})
        return False

    def _ask(self, report: Report, epoch: int, rows: Sequence[Metrics]) -> None:
        """Report, and remember of which lanes."""
        self._asked = list(self.names)
        self._answer = report(epoch, list(self._asked), rows)

    @property
    def _is_answered(self) -> bool:
        """Whether there is an answer to heed without waiting for it."""
        return bool(self._answer.done() if isinstance(self._answer, Future) else self._answer)

    def _heed(self) -> None:
        """Cut out the lanes that the last report's answer stops. Waits for the answer."""
        answer, self._answer = self._answer, ()
        if isinstance(answer, Future):
            self._stopwatch.lap("training")
            answer = answer.result()
            self._stopwatch.lap("waiting")
        if all(answer):
            return
        goes_on = {name for name, goes in zip(self._asked, answer, strict=True) if goes}
        for stack in self._stacks:
            left = [i for i, name in enumerate(stack.names) if name in goes_on]
            if len(left) < len(stack.names):
                stack.keep(left)
        self._stacks = [stack for stack in self._stacks if stack.names]

    def _note(self, epoch: int, rows: Sequence[Metrics]) -> set[str]:
        """Put an epoch on record; the lanes for which it is the one that counts so far."""
        self._history.append(Reported(epoch, list(self.names), list(rows)))
        selection = self.spec.selection
        metric, sign = f"validation_{selection.metric}", selection.sign()
        improved = set()
        for name, row in zip(self.names, rows, strict=True):
            result = self._results[name]
            result.epochs = epoch
            if metric not in row:
                continue
            better = not result.best or sign * row[metric] > sign * result.best[metric]
            if better or selection.epoch == "last":
                result.best_epoch, result.best = epoch, row
                improved.add(name)
        return improved

    def _remember_best(self, improved: set[str]) -> None:
        """Keep what these lanes are now as what they are at the epoch that counts."""
        for stack in self._stacks:
            stack.remember_best([i for i, name in enumerate(stack.names) if name in improved])

    def _stacked(
        self, lanes: Sequence[Lane], data: TaskData, live: LiveTeachers | None
    ) -> list[Stack]:
        """The lanes in one stack, or in one each where they gain nothing from each other."""
        task = self._entry.load()
        method = self._entry.methods[self.spec.method]
        together = self._entry.networks[self.spec.model.name].together
        if len(lanes) == 1 or (method.stacks and data.device.type in together):
            return [Stack(self.spec, lanes, data, task, self._entry, live, self._starts)]
        stacks = []
        for i, lane in enumerate(lanes):
            own, own_live = copy.copy(data), copy.deepcopy(live)
            at = torch.tensor([i], device=data.device)
            own.keep(at)
            if own_live:
                own_live.keep(at)
            stacks.append(Stack(self.spec, [lane], own, task, self._entry, own_live, self._starts))
        return stacks

    def _check(self, lanes: Sequence[Lane], data: TaskData) -> None:
        """ValueError where a lane cannot train by the method."""
        method = self._entry.methods[self.spec.method]
        if method.needs_clean_rows and not data.certain:
            raise ValueError(
                f"{self.spec.method}: no clean example is trained on; give the lanes clean: train"
            )
        if self.spec.training.accumulate and not method.by_example:
            raise ValueError(
                f"{self.spec.method} {WHOLE_BATCHES}; drop training.accumulate, or take a smaller "
                "batch_size"
            )
        for lane in lanes:
            problem = method.teacher_problem(data.heard, lane.hyperparameters)
            problem = problem or method.problem_with(lane.hyperparameters)
            if problem is None and data.limits_calls:
                problem = method.held_out_problem(lane.hyperparameters)
            if problem:
                raise ValueError(f"{lane.name}: {self.spec.method} {problem}")


def _normalises(network: nn.Module) -> bool:
    """Whether it normalises over batches, of which it then has running means."""
    return any(name.endswith("running_mean") for name, _ in network.named_buffers())
