"""The data of a cohort whose classes come task by task, and its teacher: the student before.

L lanes, B examples of a batch, N_s of split s, C classes, T tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainers.classes.metrics import MEASURES, guesses, is_defined
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LaneData, Treatment
from trainers.evaluation import frozen_output
from trainers.incremental.data.draw import StreamTreatment, class_order
from trainers.incremental.data.splits import counts_by_class
from trainers.incremental.measures import (
    OF_MATRIX,
    accuracy_by_task,
    accuracy_within_task,
    average_incremental,
    forgetting,
)
from trainers.incremental.past import Past
from trainers.incremental.terms import (
    Shown,
    StreamObjective,
    StreamTargets,
    StreamTerms,
    of_task,
)
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.shared import once
from trainers.lanes.state import State
from trainers.lanes.values import LaneValues
from trainers.settings import BatchNorm, DataSpec, LaneSource, Stream
from trainers.task import Batch, Objective, Part, Phase, TaskData

# The splits of which a task shows its own classes alone.
OF_TASK = ("train", "meta")


class StreamLanes(LaneData):
    """The examples of every lane: of the training and the meta split those of a task's classes, of
    the others all, of which those of classes seen so far are measured."""

    def __init__(
        self, dataset: Dataset, spec: DataSpec, sources: Sequence[LaneSource], device: torch.device
    ) -> None:
        self._stream = spec.stream or Stream(tasks=1)
        treatment = StreamTreatment(**vars(Treatment.of(spec)), stream=self._stream)
        super().__init__(dataset, spec.fractions, sources, {}, device, treatment)
        self._sizes = self._stream.sizes(dataset.classes)
        self._how = self._stream.batch_norm
        tests = dataset.official_test
        self._counts = counts_by_class(dataset.labels, spec.fractions, tests, dataset.classes)
        orders = [class_order(self._stream, dataset.classes, source.seed) for source in sources]
        self._order = torch.as_tensor(np.stack(orders), device=device)
        task_at = torch.repeat_interleave(torch.tensor(self._sizes, device=device))
        # (L, C): the task of each class.
        self._task_of = torch.empty_like(self._order).scatter_(
            1, self._order, task_at.expand_as(self._order)
        )
        # Of the whole stream, in place of which a phase puts those of its classes.
        self._whole = {s: (self._rows[s], self._labels[s]) for s in OF_TASK}
        self._all_true, self._all_certain = self._true, self.certain
        self._phase = 0
        self._shown = self._classes_of(0)
        self._past: tuple[Past, ...] = ()
        self._teacher: Past | None = None
        # What the teacher says of all of a split, where that is the same whatever batch it is in.
        self._kept: dict[str, Tensor] = {}
        self._rows_of_matrix: dict[str, Tensor] = {}

    @property
    def teachers(self) -> int:
        return int(self._teacher is not None)

    @property
    def heard(self) -> int:
        return 1

    @property
    def changes_inputs(self) -> bool:
        # The teacher is here, and is asked about what is shown.
        return False

    def begin_phase(self, phase: Phase) -> None:
        task = self._phase = phase.number
        self._shown = self._classes_of(task)
        if task:
            self._past = (*self._past, Past(phase.student))
            # One of its own, as what it normalises by may move.
            self._teacher = Past(phase.student) if phase.taught else None
            come = self._order[:, self._seen(task - 1) : self._seen(task)]
            _draw_anew(phase.student, phase.fresh(), come)
        else:
            self._past, self._teacher = (), None
        self._rows_of_matrix = {}
        for split in OF_TASK:
            self._rows[split], self._labels[split] = self._of_phase(split)
        self.corrupted = self._labels["train"] != self._true
        self._kept = {}
        if self._teacher and self._how == "frozen" and not self._augment:
            network = self._teacher.network
            self._kept = {s: frozen_output(network, self, s).logits for s in OF_TASK}

    def targets_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> StreamTargets:
        inputs = partial(self.inputs_of, split, index, lanes)
        return self._targets(split, index, lanes, inputs)

    def batch(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Batch:
        inputs = self.inputs_of(split, index, lanes)
        return Batch(index, inputs, self._targets(split, index, lanes, lambda: inputs))

    def training_batch(self, index: Tensor) -> Batch:
        batch = super().training_batch(index)
        if not self._teacher:
            return batch._replace(changed=False)
        if self._how == "running":
            self._teacher.see(batch.inputs)
        if not batch.changed:
            return batch
        asked = partial(self._asked, None, lambda: batch.inputs)
        targets = StreamTargets(batch.targets.labels, asked, self._shown)
        return batch._replace(targets=targets, changed=False)

    def terms(self, targets: Any, output: Output, values: LaneValues) -> StreamTerms:
        return StreamTerms(targets, output.logits, values)

    # Not the closed forms of classes that are all there at once.

    def term_gradients(self, targets: Any, output: Output, values: LaneValues) -> Output:
        return TaskData.term_gradients(self, targets, output, values)

    def terms_along(
        self, targets: Any, output: Output, tangent: Output, values: LaneValues, count: int
    ) -> Tensor:
        return TaskData.terms_along(self, targets, output, tangent, values, count)

    def held_out(self, parts: Sequence[Part], values: LaneValues) -> Objective:
        return StreamObjective(self, tuple(parts), values)

    def evaluate(
        self, student: LaneNetwork, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        z, y = frozen_output(student, self, split).logits, self.labels(split)
        found = self._measured(z, split, [name for name in metrics if name in MEASURES])
        if split in OF_TASK:
            return found
        if "known_task_accuracy" in metrics:
            seen = self._phase + 1
            task, z_seen = self._task_of.gather(1, y), self._among_seen(z, self._phase)
            within = accuracy_within_task(z_seen, y, task, self._task_of, len(self._sizes))
            found["known_task_accuracy"] = within[:, :seen].mean(1)
        if set(metrics) & set(OF_MATRIX):
            matrix = self._matrix(z, split)
            found |= {
                "average_incremental_accuracy": average_incremental(matrix),
                "forgetting": forgetting(matrix),
            }
        return found

    def tally(self, targets: Any, output: Output) -> dict[str, Tensor]:
        z, labels = of_task(output.logits, targets.labels, self._shown)
        return {"accuracy": (guesses(z) == labels).sum(1)}

    def tables(self, student: LaneNetwork, split: str) -> list[dict[str, Mapping[str, Any]]]:
        matrix = self._matrix(frozen_output(student, self, split).logits, split).cpu().numpy()
        names = [f"task_{u + 1}" for u in range(matrix.shape[2])]
        return [
            {
                "accuracy_matrix": {
                    "after_task": np.arange(1, matrix.shape[1] + 1),
                    **{name: of_lane[:, u] for u, name in enumerate(names)},
                }
            }
            for of_lane in matrix
        ]

    def draws(self) -> dict[str, Any]:
        state = super().draws()
        state["past"] = {str(i): past.state() for i, past in enumerate(self._past)}
        if self._teacher:
            state["teacher"] = self._teacher.state()
        return state

    def go_on(self, draws: State) -> None:
        super().go_on(draws)
        for i, past in enumerate(self._past):
            past.load_state(draws["past"][str(i)])
        self._rows_of_matrix = {}
        if self._teacher:
            self._teacher.load_state(draws["teacher"])
            network = self._teacher.network
            self._kept = {s: frozen_output(network, self, s).logits for s in self._kept}

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._order, self._task_of = self._order[lanes], self._task_of[lanes]
        self._whole = {s: (rows[lanes], y[lanes]) for s, (rows, y) in self._whole.items()}
        self._all_true = self._all_true[lanes]
        self._shown = self._shown.keep(lanes)
        self._past = tuple(past.keep(lanes) for past in self._past)
        self._teacher = self._teacher and self._teacher.keep(lanes)
        self._kept = {s: t[lanes] for s, t in self._kept.items()}
        self._rows_of_matrix = {s: t[lanes] for s, t in self._rows_of_matrix.items()}

    def _seen(self, phase: int) -> int:
        """How many classes have come when a phase has begun."""
        return sum(self._sizes[: phase + 1])

    def _classes_of(self, phase: int) -> Shown:
        seen, before = self._seen(phase), self._seen(phase) - self._sizes[phase]
        shown_from = 0 if self._stream.joint else before
        new = self._order[:, shown_from:seen]
        place = torch.full_like(self._order, -1)
        number = torch.arange(new.shape[1], device=new.device).expand_as(new)
        place.scatter_(1, new, number)
        return Shown(new, self._order[:, :before], self._sizes[:phase], place)

    def _of_phase(self, split: str) -> tuple[Tensor, Tensor]:
        """Rows and labels (L, N) of a split that are of the classes shown: as many in every lane,
        whatever its classes are."""
        rows, labels = self._whole[split]
        uncertain = rows.shape[1] - (self._all_certain if split == "train" else 0)
        places = self._places(labels[:, :uncertain], self._most(split))
        if split == "train":
            if self._all_certain:
                certain = self._places(labels[:, uncertain:], self._most("meta"))
                self.certain = certain.shape[1]
                places = torch.cat([places, uncertain + certain], dim=1)
            self._true = self._all_true.gather(1, places)
        return once(rows.gather(1, places)), labels.gather(1, places)

    def _places(self, labels: Tensor, most: int) -> Tensor:
        """The first places (L, most) where labels (L, n) are of the classes shown."""
        there = self._shown.place.gather(1, labels) >= 0
        return torch.stack([of_lane.nonzero()[:most, 0] for of_lane in there])

    def _most(self, split: str) -> int:
        """How many examples of a split a lane has of the classes shown: of any classes, where it
        is drawn which these are."""
        counts, classes = self._counts[split], self._shown.new.shape[1]
        if self._stream.order == "given":
            return int(counts[self._shown.new[0].cpu().numpy()].sum())
        return int(np.sort(counts)[:classes].sum())

    def _targets(
        self, split: str, index: Tensor, lanes: Tensor | None, inputs: Callable[[], Tensor]
    ) -> StreamTargets:
        labels = self._labels[split] if lanes is None else self._labels[split][lanes]
        shown = self._shown if lanes is None else self._shown.keep(lanes)
        fetch = partial(self._asked, lanes, inputs)
        if split in self._kept:
            kept = self._kept[split] if lanes is None else self._kept[split][lanes]
            fetch = partial(_chosen, kept, index)
        return StreamTargets(labels.gather(1, index), fetch, shown)

    def _asked(self, lanes: Tensor | None, inputs: Callable[[], Tensor]) -> Tensor:
        """The teacher's logits (L, 1, B, C); of none (L, 0, B, C)."""
        shown = inputs()
        if not self._teacher:
            return shown.new_zeros(len(shown), 0, shown.shape[1], self.classes)
        how: BatchNorm = "batch" if self._how == "batch" else "frozen"
        return self._teacher.logits(shown, how, lanes).unsqueeze(1)

    def _measured(self, z: Tensor, split: str, metrics: Sequence[str]) -> dict[str, Tensor]:
        """The loss and these metrics of logits (L, N_s, C), over the examples of the classes seen,
        among these."""
        y, names = self.labels(split), dict.fromkeys(["loss", *metrics])
        z = self._among_seen(z, self._phase)
        seen = self._task_of.gather(1, y) <= self._phase
        names = {name: None for name in names if is_defined(name, self._seen(self._phase))}
        if bool(seen.all()):
            return {name: MEASURES[name](z, y) for name in names}
        lanes = [
            {name: MEASURES[name](z[i : i + 1, at], y[i : i + 1, at]) for name in names}
            for i, at in enumerate(seen)
        ]
        return {name: torch.cat([of_lane[name] for of_lane in lanes]) for name in names}

    def _among_seen(self, z: Tensor, phase: int) -> Tensor:
        """Logits (L, N, C) in which classes that come after a phase are minus infinity."""
        if phase == len(self._sizes) - 1:
            return z
        return z.masked_fill((self._task_of > phase).unsqueeze(1), -torch.inf)

    def _matrix(self, z: Tensor, split: str) -> Tensor:
        """A (L, S, T) on a split, S tasks so far, z (L, N, C) the logits of the student now; NaN
        where a task had not come."""
        y, tasks = self.labels(split), len(self._sizes)
        task = self._task_of.gather(1, y)

        def row(logits: Tensor, s: int) -> Tensor:
            known = accuracy_by_task(self._among_seen(logits, s), y, task, tasks)
            known[:, s + 1 :] = torch.nan
            return known

        if split not in self._rows_of_matrix and self._past:
            before = [frozen_output(past.network, self, split).logits for past in self._past]
            known = [row(of_past, s) for s, of_past in enumerate(before)]
            self._rows_of_matrix[split] = torch.stack(known, dim=1)
        now = row(z, self._phase).unsqueeze(1)
        rows = [self._rows_of_matrix[split], now] if self._past else [now]
        return torch.cat(rows, dim=1)


def _chosen(kept: Tensor, index: Tensor) -> Tensor:
    """Of kept logits (L, N, C) those at places (L, B): (L, 1, B, C)."""
    return kept.gather(1, index.unsqueeze(2).expand(-1, -1, kept.shape[2])).unsqueeze(1)


@torch.no_grad()
def _draw_anew(student: LaneNetwork, fresh: LaneNetwork, classes: Tensor) -> None:
    """Have the rows of the last layer for classes (L, k) be those of a network just drawn."""
    for old, new in zip(student.last_layer, fresh.last_layer, strict=True):
        at = classes.view(*classes.shape, *(1,) * (new.dim() - 2)).expand(-1, -1, *new.shape[2:])
        old.scatter_(1, at, new.gather(1, at))
