"""The one training loop: a cohort of lanes in lockstep.

L lanes, B examples of a batch, N of the training split.

Every lane draws its first weights and its batch order from its own seed, so that a trial gives the
same numbers alone or as a lane of any cohort. After each epoch the loop reports every lane's
metrics and is told which lanes go on; the others are cut out of the stack. An answer that takes its
time is heeded between two batches, and at the latest before the next report.

A cohort that was broken off goes on from what `Cohort.state` was after some epoch, bit for bit as
if nothing had been. What it had reported until then is reported once more.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy
from trainers.classification.data.lanes import LaneData, once
from trainers.classification.networks.build import build_model
from trainers.classification.networks.classifier import LaneClassifier
from trainers.classification.networks.evaluation import frozen_output
from trainers.lanes.batches import batch_sizes
from trainers.lanes.optim import LaneSGD, LaneState
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, pick, places, same_names, wind
from trainers.loop.live_teachers import LiveTeachers
from trainers.loop.stopwatch import Stopwatch
from trainers.method import Method, Setup, stack_values
from trainers.registry import METHODS
from trainers.settings import CohortSpec, Lane

Metrics = dict[str, float]

# Which lanes of a report go on; while that is still to come, training does.
Answer = Sequence[bool] | Future[Sequence[bool]]
# (epoch, lane names, one metrics row per lane) -> which of these lanes go on.
Report = Callable[[int, Sequence[str], Sequence[Metrics]], Answer]


@dataclass
class LaneResult:
    """What is known of a lane when it stops; ``best`` are the metrics of its best epoch."""

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
    """Lanes of one method and one shape on one device."""

    def __init__(
        self,
        spec: CohortSpec,
        lanes: Sequence[Lane],
        data: LaneData,
        live: LiveTeachers | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """``live``: the teachers themselves, where inputs are augmented and there are any.

        ``stopwatch`` tells set-up, method, training, evaluation and waiting apart.
        """
        self.spec = spec
        self._stopwatch = stopwatch or Stopwatch()
        self.data = data
        self._live = live
        self._names = [lane.name for lane in lanes]
        self._results = {lane.name: LaneResult() for lane in lanes}
        self._history: list[Reported] = []
        self._answer: Answer = ()
        entry = METHODS[spec.method]
        _check(spec.method, lanes, data)
        if data.augments and data.teachers and live is None:
            raise ValueError("inputs are augmented: give the teachers themselves, not their logits")
        device = data.inputs.device
        values = stack_values(
            entry.hyperparameters, [lane.hyperparameters for lane in lanes], device
        )
        seeds = tuple(lane.seed for lane in lanes)
        starts = [torch_generator(seed, "student") for seed in seeds]
        shape = tuple(data.inputs.shape[1:])
        self.model: LaneClassifier = build_model(spec.model, shape, data.classes, starts).to(device)
        self.method: Method = entry.load()(Setup(data, values, seeds, spec.training.batch_size))
        self._lr = values.numbers["lr"]
        self._optimizer = LaneSGD(
            self.model,
            values.numbers["weight_decay"],
            spec.training.momentum,
            spec.training.nesterov,
        )
        self._order = [torch_generator(seed, "batches") for seed in seeds]
        self._best_state = self._optimizer.state()
        self._stopwatch.lap("set-up")

    @property
    def names(self) -> tuple[str, ...]:
        """The lanes that are left, in the order of the stack."""
        return tuple(self._names)

    @property
    def epoch(self) -> int:
        """How many epochs are over."""
        return len(self._history)

    def train(self, report: Report, between: Callable[[], None] | None = None) -> Results:
        """Train to the end; lanes that ``report`` stops keep what was known of them then.

        ``between`` is called between two epochs: the moment to `settle` and to ask for `state`.
        """
        while self._names and self.epoch < self.spec.training.epochs:
            if between and self.epoch:
                between()
                if not self._names:
                    break
            epoch = self.epoch + 1
            metrics = self._epoch(epoch)
            if not self._names:
                break
            rows = self._rows(metrics)
            self._remember_best(self._note(epoch, rows))
            self._stopwatch.lap("evaluation")
            self._answer = report(epoch, list(self._names), rows)
            self._stopwatch.lap("waiting")
            if self._is_answered:
                self._heed()
        self._heed()
        for i, name in enumerate(self._names):
            self._results[name].tables = {k: t[i] for k, t in self.method.tables().items()}
        return self._results

    def settle(self) -> None:
        """Wait for the last report's answer, and cut out the lanes that it stops."""
        self._heed()

    def state(self) -> dict[str, Any]:
        """All that training has changed so far, for `trainers.loop.checkpoint.to_bytes`, after an
        epoch.

        Not a copy: it holds until training goes on. Only after `settle`, and where lanes are left.
        """
        return {
            "lanes": list(self._names),
            "history": [tuple(reported) for reported in self._history],
            "stack": self._stack(),
        }

    def go_on(self, state: State, report: Report) -> bool:
        """Before training, take up the state of a cohort with these lanes, and maybe others.

        Makes its reports once more. False where the answers leave a lane in that is not in the
        state, or it is of another making: the lanes that are left then train from epoch 1.
        """
        for epoch, names, rows in state["history"]:
            if not set(self._names) <= set(names):
                return self._start_again()
            own = [rows[names.index(name)] for name in self._names]
            self._note(epoch, own)
            self._answer = report(epoch, list(self._names), own)
            self._heed()
            if not self._names:
                return True
        mine = self._stack()
        if not set(self._names) <= set(state["lanes"]) or not same_names(mine, state["stack"]):
            return self._start_again()
        lanes = [state["lanes"].index(name) for name in self._names]
        self._load(pick(state["stack"], torch.tensor(lanes), self._lr.device))
        return True

    def load_best(self) -> None:
        """Give every lane that is left the parameters and buffers of its best epoch."""
        self._optimizer.load(self._best_state)

    def test(self) -> None:
        """Fill in the test metrics of the lanes that are left, at their best epoch."""
        if not self._names:
            return
        self.load_best()
        for name, row in zip(self._names, self._rows(self.evaluate("test")), strict=True):
            self._results[name].test = row
        self._stopwatch.lap("evaluation")

    def evaluate(self, split: str) -> dict[str, Tensor]:
        """Loss (nats) and accuracy (percent) on a split, each (L,)."""
        z = frozen_output(self.model, self.data, split).logits
        y = self.data.labels(split)
        return {
            f"{split}_loss": cross_entropy(z, y).mean(1),
            f"{split}_accuracy": 100.0 * (_guesses(z) == y).to(z.dtype).mean(1),
        }

    def _epoch(self, epoch: int) -> dict[str, Tensor]:
        """One pass over the training split; metrics (L,) of it, of the lanes that are left."""
        lr = self._lr * self.spec.training.lr_factor(epoch)
        self._stopwatch.lap("training")
        self.method.begin_epoch(epoch, self.model, lr)
        self._stopwatch.lap("method")
        n = self.data.size("train")
        order = torch.stack([torch.randperm(n, generator=g) for g in self._order])
        order = once(order.to(lr.device))
        loss = torch.zeros_like(lr)
        correct = torch.zeros_like(lr)
        begin = 0
        for size in batch_sizes(n, self.spec.training.batch_size):
            if self._is_answered and (left := self._heed()) is not None:
                order, lr, loss, correct = order[left], lr[left], loss[left], correct[left]
            if not self._names:
                return {}
            batch_loss, batch_correct = self._step(order[:, begin : begin + size], lr)
            loss += batch_loss
            correct += batch_correct
            begin += size
        self._stopwatch.lap("training")
        if (left := self._heed()) is not None:
            loss, correct = loss[left], correct[left]
        return self._measured(loss / n, 100.0 * correct / n) if self._names else {}

    def _measured(self, loss: Tensor, accuracy: Tensor) -> dict[str, Tensor]:
        """All metrics (L,) after an epoch, those that were taken while it trained among them."""
        return {
            "train_loss": loss,
            "train_accuracy": accuracy,
            **self.evaluate("validation"),
            **self.method.metrics(),
        }

    def _step(self, index: Tensor, lr: Tensor) -> tuple[Tensor, Tensor]:
        """One batch; the sum of its losses and its hits, each (L,)."""
        batch = self.data.training_batch(index)
        if batch.augmented and self._live:
            batch = batch._replace(teachers=self._live.logits(batch.inputs))
        self._stopwatch.lap("training")
        self.method.begin_step(batch, self.model, lr)
        self._stopwatch.lap("method")
        z = self.model(batch.inputs).logits
        losses = self.method.losses(batch, z)
        self._optimizer.step(losses, lr)
        with torch.no_grad():
            return losses.detach().sum(1), (_guesses(z) == batch.labels).sum(1)

    def _rows(self, metrics: Mapping[str, Tensor]) -> list[Metrics]:
        """Metrics (L,) as one row per lane; a diagnostic that a lane does not have is left out."""
        names = list(metrics)
        table = torch.stack([t.to(torch.float32) for t in metrics.values()], dim=1).tolist()
        diagnostics = set(self.method.metrics())
        return [
            {
                k: v
                for k, v in zip(names, row, strict=True)
                if not (k in diagnostics and math.isnan(v))
            }
            for row in table
        ]

    def _stack(self) -> dict[str, Any]:
        """The numbers of every lane that training changes, as `trainers.lanes.state` has them."""
        return {
            "now": self._optimizer.state().state(),
            "velocity": self._optimizer.velocity,
            "best": self._best_state.state(),
            "order": places(self._order),
            "inputs": self.data.draws,
            "method": self.method.state(),
            "model": self.model.own_state(),
        }

    def _load(self, stack: State) -> None:
        """Put back what `_stack` gave."""
        self._optimizer.go_on(LaneState.of(stack["now"]), stack["velocity"])
        self._best_state = LaneState.of(stack["best"])
        wind(self._order, stack["order"])
        self.data.go_on(stack["inputs"])
        self.method.load_state(stack["method"])
        self.model.load_own_state(stack["model"])

    def _start_again(self) -> bool:
        """Forget what was reported; training has changed nothing yet."""
        self._history.clear()
        self._results.update({name: LaneResult() for name in self._names})
        return False

    @property
    def _is_answered(self) -> bool:
        """Whether there is an answer to heed without waiting for it."""
        return bool(self._answer.done() if isinstance(self._answer, Future) else self._answer)

    def _heed(self) -> Tensor | None:
        """Cut out the lanes that the last report's answer stops; those left, or None for all.

        Waits for the answer.
        """
        answer, self._answer = self._answer, ()
        if isinstance(answer, Future):
            self._stopwatch.lap("training")
            answer = answer.result()
            self._stopwatch.lap("waiting")
        if all(answer):
            return None
        return self._keep([i for i, goes in enumerate(answer) if goes])

    def _note(self, epoch: int, rows: Sequence[Metrics]) -> list[int]:
        """Put an epoch on record; the lanes for which it is the best so far."""
        self._history.append(Reported(epoch, list(self._names), list(rows)))
        metric, sign = f"validation_{self.spec.selection.metric}", self.spec.selection.sign()
        improved = []
        for i, (name, row) in enumerate(zip(self._names, rows, strict=True)):
            result = self._results[name]
            result.epochs = epoch
            if not result.best or sign * row[metric] > sign * result.best[metric]:
                result.best_epoch, result.best = epoch, row
                improved.append(i)
        return improved

    def _remember_best(self, improved: list[int]) -> None:
        """Keep the parameters and buffers of these lanes as those of their best epoch."""
        if improved:
            lanes = torch.tensor(improved, device=self._lr.device)
            self._best_state.replace(lanes, self._optimizer.state())

    def _keep(self, lanes: list[int]) -> Tensor:
        at = torch.tensor(lanes, dtype=torch.int64, device=self._lr.device)
        self._names = [self._names[i] for i in lanes]
        self._order = [self._order[i] for i in lanes]
        self._lr = self._lr[at]
        self._best_state = self._best_state.keep(at)
        self.data.keep(at)
        if self._live:
            self._live.keep(at)
        self.method.keep(at)
        self._optimizer.keep(at)
        return at


def _guesses(z: Tensor) -> Tensor:
    """The class of the largest logit, the first of equals: ``(L, B, C) -> (L, B)``.

    What argmax gives, in a tenth of its time where classes are not last in memory.
    """
    return z.max(-1).indices


def _check(method: str, lanes: Sequence[Lane], data: LaneData) -> None:
    """ValueError where these lanes cannot train by ``method`` together."""
    entry = METHODS[method]
    if len(lanes) > 1 and not entry.lanes:
        raise ValueError(f"{method} trains one trial to a cohort, not {len(lanes)}; split them")
    for lane in lanes:
        problem = entry.teacher_problem(data.teachers, lane.hyperparameters)
        if problem:
            raise ValueError(f"{lane.name}: {method} {problem}")
