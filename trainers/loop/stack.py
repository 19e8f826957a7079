"""Lanes that train stacked: one network, one optimizer, one method, one step for all of them.

L lanes, B examples of a batch, N of the training split.

A lane's numbers never depend on what else is in the stack. Lanes that gain nothing from being
stacked are a stack each, and train in turn (`trainers.loop.cohort`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.entries import TaskEntry
from trainers.lanes.batches import batch_sizes, part_sizes
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.optim import LaneState, lane_optimizer
from trainers.lanes.seeds import torch_generator
from trainers.lanes.shared import once
from trainers.lanes.state import State, places, wind
from trainers.lanes.values import stack_values
from trainers.lanes.weights import lane_weights, put_lane_weights
from trainers.loop.asked import asked_counts, asked_first
from trainers.loop.live_teachers import LiveTeachers, Weights
from trainers.loop.stopwatch import Stopwatch
from trainers.method import Method, Setup, Step
from trainers.settings import CohortSpec, Lane
from trainers.task import Batch, KeptOutputs, Phase, Task, TaskData


@dataclass
class _Epoch:
    """An epoch under way: its examples, how many at the start of each batch teachers may be asked
    about, and sums (L,) over the examples so far."""

    number: int
    order: Tensor
    asked: list[int]
    loss: Tensor
    tallies: dict[str, Tensor]

    def keep(self, lanes: Tensor) -> None:
        self.order, self.loss = self.order[lanes], self.loss[lanes]
        self.tallies = {name: t[lanes] for name, t in self.tallies.items()}


class Stack:
    """Lanes of one method and one shape on one device."""

    def __init__(  # noqa: PLR0913, PLR0917 - what its lanes share, each apart
        self,
        spec: CohortSpec,
        lanes: Sequence[Lane],
        data: TaskData,
        task: Task,
        entry: TaskEntry,
        live: LiveTeachers | None,
        starts: Mapping[str, Weights] | None = None,
    ) -> None:
        """``live``: the teachers themselves, where inputs are changed and there are any;
        ``starts``: as in `trainers.loop.cohort.Cohort`."""
        self.data = data
        self._spec = spec
        self._task, self._entry = task, entry
        self._live = live
        self._starts = starts or {}
        if data.teachers:
            data.ask(live)
        self._network = entry.networks[spec.model.name].complete(spec.model)
        self._begin(lanes)

    def _begin(self, lanes: Sequence[Lane]) -> None:
        """Stand where nothing was trained yet."""
        self._lanes, data = list(lanes), self.data
        self.names = [lane.name for lane in lanes]
        method, training = self._entry.methods[self._spec.method], self._spec.training
        self._values = stack_values(
            method.hyperparameters, [lane.hyperparameters for lane in lanes], data.device
        )
        self.model: LaneNetwork = self._drawn_network("student")
        if self._starts:
            put_lane_weights(self.model, [self._starts[name] for name in self.names])
        self._order = [torch_generator(lane.seed, "batches") for lane in lanes]
        self._lr = self._values.numbers["lr"]
        # Of a plain gradient step: that of SGD, or one of its own where AdamW's rate says nothing.
        adamw = training.optimizer == "adamw"
        self._plain_lr = self._values.numbers.get("look_ahead_lr", self._lr) if adamw else self._lr
        self._epoch: _Epoch | None = None
        self._factors = torch.ones(len(lanes), dtype=torch.float64)
        self._rates_now: tuple[float, Tensor, Tensor] | None = None
        self._enter(0, self.model)
        self._best = self._optimizer.state()

    def _drawn_network(self, *purpose: str) -> LaneNetwork:
        """From random weights, of every lane's own stream for that."""
        starts = [torch_generator(lane.seed, *purpose) for lane in self._lanes]
        return self._task.network(self._network, self.data, starts).to(self.data.device)

    def _enter(self, phase: int, student: LaneNetwork) -> None:
        """Be where a phase begins: its examples, a method and an optimizer of its own."""
        self._phase = phase
        methods, training = self._entry.methods, self._spec.training
        method = methods[self._spec.method]

        def fresh() -> LaneNetwork:
            return self._drawn_network("phase", str(phase))

        self.data.begin_phase(Phase(phase, student, fresh, method.uses_teacher, self._values))
        if method.uses_teacher and not self.data.teachers:
            # Before there is one to hear.
            method = methods["labels_only"]
        seeds = tuple(lane.seed for lane in self._lanes)
        setup = Setup(self.data, self._values, seeds, training, self.model, self._live)
        self.method: Method = method.load()(setup)
        weight_decay = self._values.numbers["weight_decay"]
        if self.data.penalises:
            weight_decay = torch.zeros_like(weight_decay)
        self._optimizer = lane_optimizer(self.model, weight_decay, training)

    def go_to(self, epoch: int) -> None:
        """Before training, be of the form that it has after ``epoch``, with whatever numbers."""
        phase, _ = self._spec.training.place(max(epoch, 1))
        while self._phase < phase:
            self._enter(self._phase + 1, self.model)

    def reset(self) -> None:
        """Stand where nothing was trained yet, after `go_to`."""
        if self._phase:
            self._begin(self._lanes)

    def steps(self, epoch: int, stopwatch: Stopwatch) -> Iterator[None]:
        """Train an epoch; pauses before every step and at the end, when lanes may be cut out."""
        training = self._spec.training
        phase, here = training.place(epoch)
        if phase != self._phase:
            self._enter(phase, self.method.evaluated(self.model))
        sizes = self._sizes()
        before = (here - 1) * len(sizes)
        stopwatch.lap("training")
        self._factors, self._rates_now = self.method.lr_factors(here), None
        self.model.begin_epoch((here - 1) / training.epochs)
        first = training.warmup_factor(before + 1)
        self.method.begin_epoch(here, self.model, self._rates(first)[1])
        stopwatch.lap("method")
        zero = torch.zeros_like(self._lr)
        order, asked = self._drawn_order(sizes)
        self._epoch = running = _Epoch(epoch, order, asked, zero.clone(), {})
        begin = 0
        for step, size in enumerate(sizes):
            yield
            if not self.names:
                return
            index = running.order[:, begin : begin + size]
            warmup = training.warmup_factor(before + 1 + step)
            self._step(index, asked[step], warmup, stopwatch)
            begin += size
        stopwatch.lap("training")
        yield

    def trained(self) -> dict[str, Tensor]:
        """What was measured while the last epoch trained, each (L,)."""
        running, n = self._epoch, sum(self._sizes())
        assert running is not None
        measured = {"train_loss": running.loss / n}
        for name, total in running.tallies.items():
            unit = 100.0 if self._entry.metrics[name].unit == "percent" else 1.0
            measured[f"train_{name}"] = unit * total / n
        return measured

    def evaluate(self, split: str, metrics: Sequence[str]) -> dict[str, Tensor]:
        """The loss and these metrics on a split, each (L,), by split and name."""
        network = self.method.evaluated(self.model)
        found = self.data.evaluate(network, split, metrics)
        return {f"{split}_{name}": value for name, value in found.items()}

    def predictions(self, split: str) -> list[dict[str, NDArray[Any]]]:
        """What every lane says of each example of a split."""
        return self.data.predictions(self.method.evaluated(self.model), split)

    def further_tables(self, split: str) -> list[dict[str, Mapping[str, Any]]]:
        """Of every lane what its task shows of a split besides, by name."""
        return self.data.tables(self.method.evaluated(self.model), split)

    def diagnostics(self) -> Mapping[str, Tensor]:
        """What the method tells of itself, each (L,)."""
        return self.method.metrics()

    def tables(self, lane: int) -> dict[str, Tensor]:
        """What the method knows of a lane's training examples, (N, ...) each."""
        return {name: table[lane] for name, table in self.method.tables().items()}

    def remember_best(self, lanes: Sequence[int]) -> None:
        """Keep what these lanes are now as what they are at their best epoch."""
        if lanes:
            at = torch.tensor(lanes, device=self._lr.device)
            self._best.replace(at, self._optimizer.state(self.method.evaluated(self.model)))

    def load_best(self) -> None:
        """Give every lane the parameters and buffers of its best epoch; training is over then."""
        self._optimizer.load(self._best)
        self.method.evaluated = lambda student: student  # type: ignore[method-assign]

    def weights(self, lane: int) -> dict[str, Tensor]:
        """Parameters and buffers of a lane's network as it stands, without the lane dimension."""
        return lane_weights(self.method.evaluated(self.model), lane)

    def student_weights(self, lane: int) -> Mapping[str, Tensor]:
        """The same of the student that it is by itself."""
        return self.method.evaluated(self.model).alone(self.weights(lane))

    def kept_outputs(self) -> list[KeptOutputs]:
        """What is kept of every lane as a teacher."""
        return self._task.kept_outputs(self.method.evaluated(self.model), self.data)

    def state(self) -> dict[str, Any]:
        """The numbers of every lane that training changes, as `trainers.lanes.state` has them."""
        return {
            "now": self._optimizer.state().state(),
            "optimizer": self._optimizer.memory,
            "best": self._best.state(),
            "order": places(self._order),
            "inputs": self.data.draws(),
            "method": self.method.state(),
            "model": self.model.own_state(),
        }

    def load_state(self, state: State) -> None:
        """Put back what `state` gave, for the lanes that are left."""
        self._optimizer.go_on(LaneState.of(state["now"]), state["optimizer"])
        self._best = LaneState.of(state["best"])
        wind(self._order, state["order"])
        self.data.go_on(state["inputs"])
        self.method.load_state(state["method"])
        self.model.load_own_state(state["model"])

    def keep(self, lanes: Sequence[int]) -> None:
        """Cut the stack down to ``lanes`` (indices), in the middle of an epoch too."""
        at = torch.tensor(lanes, dtype=torch.int64, device=self._lr.device)
        self._lanes = [self._lanes[i] for i in lanes]
        self.names = [lane.name for lane in self._lanes]
        self._values = self._values.keep(at)
        self._order = [self._order[i] for i in lanes]
        self._lr, self._plain_lr = self._lr[at], self._plain_lr[at]
        self._factors, self._rates_now = self._factors[lanes], None
        self._best = self._best.keep(at)
        self.data.keep(at)
        if self._live:
            self._live.keep(at)
        self.method.keep(at)
        self._optimizer.keep(at)
        if self._epoch:
            self._epoch.keep(at)

    @property
    def examples(self) -> int:
        """How many examples every lane trains on."""
        return self.data.size("train")

    @property
    def steps_per_epoch(self) -> int:
        """How many steps an epoch takes."""
        return len(self._sizes())

    def _sizes(self) -> list[int]:
        """The batches of an epoch: a pass over the training split, or so many full ones."""
        training = self._spec.training
        if training.steps is None:
            return batch_sizes(self.data.size("train"), training.batch_size)
        return [min(training.batch_size, self.data.size("train"))] * training.steps

    def _drawn_order(self, sizes: Sequence[int]) -> tuple[Tensor, list[int]]:
        """Which examples come when, (L, E): passes, each in a random order of its own. And about
        how many at the start of each batch teachers may be asked."""
        n, examples, asked = self.data.size("train"), sum(sizes), self.data.asked
        passes, counts = -(-examples // n), list(sizes)
        if asked is not None:
            of_pass = int(asked[0].sum())
            counts = asked_counts(sizes, of_pass, n)
            # One that is left over has another in its place.
            passes = max(passes, -(-(examples - sum(counts)) // (n - of_pass)))
        orders = [
            torch.cat([torch.randperm(n, generator=g) for _ in range(passes)]) for g in self._order
        ]
        order = torch.stack(orders).to(self._lr.device)
        if asked is None:
            return once(order[:, :examples]), counts
        return once(asked_first(order, asked, sizes, counts)), counts

    def _step(self, index: Tensor, asked: int, warmup: float, stopwatch: Stopwatch) -> None:
        """One batch; ``asked``: about how many of its first examples teachers may be asked, and
        ``warmup``: the share of the epoch's rates that it has."""
        chosen = self.method.choose(index)
        if asked < index.shape[1] and chosen is not index:
            raise ValueError(
                f"{self._spec.method} chooses the examples of a batch by itself, and teachers may "
                "be asked about some alone; take data.unasked: drop"
            )
        batch = self.method.show(self.data.training_batch(chosen))
        if batch.changed and self._live:
            batch = self.data.taught(batch, self._live.outputs(batch.inputs))
        stopwatch.lap("training")
        lr, plain_lr = self._rates(warmup)
        examples = index.shape[1]
        own = batch if asked == examples else self.data.first(batch, asked)
        if asked:
            self.method.begin_step(own, self.model, plain_lr)
        stopwatch.lap("method")
        sizes = part_sizes(examples, self._spec.training.accumulate or 1)
        if len(sizes) == 1:
            self._learn(batch, own, examples)
        else:
            begin = 0
            for size in sizes:
                part = self.data.part(batch, slice(begin, begin + size))
                here = min(max(asked - begin, 0), size)
                own = part if here == size else self.data.first(part, here)
                self._learn(part, own, examples)
                begin += size
        self._optimizer.go(lr)
        self.method.end_step(self.model)

    def _learn(self, batch: Batch, own: Batch, examples: int) -> None:
        """Have the optimizer know the gradient of a batch, or part of one, of so many ``examples``;
        ``own``: the first of it, those that teachers may be asked about."""
        running, asked = self._epoch, own.places.shape[1]
        assert running is not None
        whole = asked == batch.places.shape[1]
        output = self.model(batch.inputs)
        losses = self._losses(own, output if whole else output.each(lambda t: t[:, :asked]))
        if not whole:
            losses = torch.cat([losses, self._label_losses(batch, output, asked)], dim=1)
        losses = self._with_other_head(losses, batch)
        self._optimizer.add(self._penalised(losses, batch), examples)
        with torch.no_grad():
            running.loss += losses.detach().sum(1)
            for name, total in self.data.tally(batch.targets, output).items():
                if name not in running.tallies:
                    running.tallies[name] = torch.zeros_like(running.loss)
                running.tallies[name] += total

    def _with_other_head(self, losses: Tensor, batch: Batch) -> Tensor:
        """With what labels lose at another head of the network, (L, B)."""
        beside = self.model.beside()
        if beside is None:
            return losses
        weight, output = beside
        return losses + weight * self.data.terms(batch.targets, output, self.method.values).label

    def _penalised(self, losses: Tensor, batch: Batch) -> Tensor:
        """With what the task takes weight_decay of, (L, B)."""
        if not self.data.penalises:
            return losses
        decay = self._values.numbers["weight_decay"].unsqueeze(1)
        return losses + decay * self.data.penalty(self.model, batch.inputs)

    def _losses(self, batch: Batch, output: Output) -> Tensor:
        """Those of the method, (L, B); it is not asked about no example."""
        if not batch.places.shape[1]:
            return output.logits.new_zeros(batch.places.shape)
        terms = self.data.terms(batch.targets, output, self.method.values)
        return self.method.losses(Step(batch, output, terms))

    def _label_losses(self, batch: Batch, output: Output, asked: int) -> Tensor:
        """Those of the labels alone, of the examples after the first ``asked``."""
        targets = self.data.targets_of("train", batch.places[:, asked:])
        rest = output.each(lambda t: t[:, asked:])
        return self.data.terms(targets, rest, self.method.values).label

    def _rates(self, warmup: float) -> tuple[Tensor, Tensor]:
        """The optimizer's rates, and those of a plain gradient step, (L,) each."""
        if self._rates_now is None or self._rates_now[0] != warmup:
            factors = (self._factors * warmup).to(self._lr)
            self._rates_now = (warmup, self._lr * factors, self._plain_lr * factors)
        return self._rates_now[1:]
