"""The data of a cohort of examples with one class each: shared arrays, and per lane which rows,
which labels, which teachers.

L lanes, B examples of a batch, N examples in all, N_s in split s, C classes, M teachers of a lane,
T distinct teachers in the cohort.

Lanes of one cohort share the inputs and, where they have the same teacher, its logits; only row
numbers and labels are kept per lane. Lanes of one seed, as the trials of a search are, have the
same rows, too: where they are also asked for at the same places, their inputs are gathered once.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import jvp

from trainers.classes.dataset import ClassDataset
from trainers.classes.draw import Handling
from trainers.classes.metrics import MEASURES, guesses, is_defined
from trainers.classes.teacher_logits import Answers, TeacherLogits
from trainers.classes.terms import (
    ClassTargets,
    ClassTerms,
    class_objective,
    class_term_gradients,
    temperature,
)
from trainers.evaluation import frozen_output
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.shared import is_once, once
from trainers.lanes.state import State
from trainers.lanes.values import LaneValues
from trainers.settings import SPLITS, LaneSource, SplitFractions
from trainers.task import Batch, KeptOutputs, Objective, Part, TaskData, Terms

# The one array that is kept of a teacher: (N, C), for every example of the data set, or of a light
# one (C, m, C), for m examples of its own of every class.
LOGITS = "logits"


class TrainingLabels(NamedTuple):
    """Training examples by their row in the data set: the given and the true labels, each (N,)."""

    rows: NDArray[np.int64]
    given: NDArray[np.int64]
    true: NDArray[np.int64]


class ClassLanes(TaskData):
    """The examples of every lane, on one device."""

    def __init__(
        self,
        dataset: ClassDataset,
        fractions: SplitFractions,
        sources: Sequence[LaneSource],
        teacher_logits: Mapping[str, NDArray[np.float32]],
        device: torch.device,
        handling: Handling | None = None,
    ) -> None:
        self.classes = dataset.classes
        self.inputs = torch.as_tensor(dataset.inputs, device=device)
        handling = handling or Handling()
        drawn = handling.draw(dataset, fractions).all(sources)
        self._rows = {
            s: once(torch.as_tensor(np.stack([d.rows[s] for d in drawn]), device=device))
            for s in SPLITS
        }
        self._labels = {
            s: torch.as_tensor(np.stack([d.labels[s] for d in drawn]), device=device)
            for s in SPLITS
        }
        true = torch.as_tensor(dataset.labels, device=device)
        self._true = true[self._rows["train"]]
        self.corrupted = self._labels["train"] != self._true
        self.certain = drawn[0].certain
        names = sorted({name for source in sources for name in source.teachers})
        kept = [torch.as_tensor(teacher_logits[name], device=device) for name in names]
        number = self.inputs.dtype if self.inputs.is_floating_point() else torch.float32
        none = torch.zeros(0, dataset.classes, dtype=number, device=device)
        self._logits = TeacherLogits(kept, none)
        place = {name: t for t, name in enumerate(names)}
        self._teachers = torch.tensor(
            [[place[name] for name in source.teachers] for source in sources],
            dtype=torch.int64, device=device,
        )  # fmt: skip
        # Which of a lane's teachers are light, and what these draw, where there are any.
        each = self._logits.each[self._teachers]
        self._light: list[bool] = each.gt(0).any(0).tolist()
        self._answers: Answers | None = None
        if any(self._light):
            seeds = [source.seed for source in sources]
            self._answers = Answers(each, seeds, {split: self.size(split) for split in SPLITS})
        self.limits_calls = handling.calls is not None and bool(self.teachers)
        asked = torch.as_tensor(np.stack([d.asked for d in drawn]), device=device)
        if self.limits_calls and not asked.all():
            self.asked = asked

    @property
    def lanes(self) -> int:
        return len(self._teachers)

    @property
    def device(self) -> torch.device:
        return self.inputs.device

    @property
    def teachers(self) -> int:
        return self._teachers.shape[1]

    @property
    def asked_anew(self) -> int:
        """All but the light ones, which are at the same places in every lane."""
        return sum(not light for light in self._light)

    def size(self, split: str) -> int:
        return self._rows[split].shape[1]

    @property
    def teacher_numbers(self) -> Tensor:
        """The teachers (L, M) of each lane, equal numbers for the same."""
        return self._teachers

    def rows(self, split: str) -> Tensor:
        """The rows (L, N_s) of the data set."""
        return self._rows[split]

    def labels(self, split: str) -> Tensor:
        """The given labels (L, N_s): corrupted ones where the noise falls."""
        return self._labels[split]

    def inputs_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        """The inputs (L, B, ...), not to be written to."""
        return self._inputs_at(self._rows_at(split, index, lanes))

    def targets_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> ClassTargets:
        return self._targets_at(split, index, self._rows_at(split, index, lanes), lanes)

    def batch(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Batch:
        rows = self._rows_at(split, index, lanes)
        targets = self._targets_at(split, index, rows, lanes)
        return Batch(index, self._inputs_at(rows), targets)

    def training_batch(self, index: Tensor) -> Batch:
        """Each call draws what light teachers say anew."""
        if self._answers is None:
            return self.batch("train", index)
        rows, answers = self._rows_at("train", index, None), self._answers.anew(index.shape[1])
        targets = self._targets_at("train", index, rows, None, answers)
        return Batch(index, self._inputs_at(rows), targets)

    def targets_part(self, targets: ClassTargets, at: slice) -> ClassTargets:
        return targets.part(at)

    def taught(self, batch: Batch, outputs: Sequence[Output]) -> Batch:
        def logits() -> Tensor:
            asked = iter(outputs)
            each = [
                batch.targets.teachers[:, m] if light else next(asked).logits
                for m, light in enumerate(self._light)
            ]
            return torch.stack(each, dim=1)

        return batch._replace(targets=ClassTargets(batch.targets.labels, logits))

    def terms(self, targets: ClassTargets, output: Output, values: LaneValues) -> Terms:
        return ClassTerms(targets, output.logits, values)

    def term_gradients(self, targets: ClassTargets, output: Output, values: LaneValues) -> Output:
        z = output.logits
        return Output(None, class_term_gradients(targets, z, temperature(values, z)))

    def terms_along(
        self, targets: ClassTargets, output: Output, tangent: Output, values: LaneValues, count: int
    ) -> Tensor:
        def terms(z: Tensor) -> Tensor:
            return ClassTerms(targets, z, values).first(count)

        along: Tensor = jvp(terms, (output.logits,), (tangent.logits,))[1]
        return along

    def held_out(self, parts: Sequence[Part], values: LaneValues) -> Objective:
        weight = parts[0].weight
        return class_objective(parts, self.classes, temperature(values, weight), weight.dtype)

    def evaluate(
        self, student: LaneNetwork, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        return self._measured(frozen_output(student, self, split).logits, split, metrics)

    def evaluate_outputs(
        self, outputs: KeptOutputs, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        logits = torch.as_tensor(outputs[LOGITS], device=self.device)
        return self._measured(logits[self._rows[split]], split, metrics)

    def tally(self, targets: ClassTargets, output: Output) -> dict[str, Tensor]:
        return {"accuracy": (guesses(output.logits) == targets.labels).sum(1)}

    def training_labels(self, lane: int) -> TrainingLabels:
        """What one lane was told of its training examples, and what is true."""
        return TrainingLabels(
            self._rows["train"][lane].cpu().numpy(),
            self._labels["train"][lane].cpu().numpy(),
            self._true[lane].cpu().numpy(),
        )

    def examples(self, lane: int) -> dict[str, NDArray[Any]]:
        known = self.training_labels(lane)
        return {
            "row": known.rows,
            "label": known.given,
            "true_label": known.true,
            "corrupted": known.given != known.true,
        }

    def predictions(self, student: LaneNetwork, split: str) -> list[dict[str, NDArray[Any]]]:
        z, y = frozen_output(student, self, split).logits, self.labels(split)
        parts = zip(self._rows[split], y, z, strict=True)
        return [
            {name: t.cpu().numpy() for name, t in zip(("row", "label", "logit"), of, strict=True)}
            for of in parts
        ]

    def kept_logits(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is kept of a teacher that was trained on this, from what it says of every example,
        (N, C)."""
        return logits

    def draws(self) -> dict[str, Any]:
        return self._answers.draws() if self._answers else {}

    def go_on(self, draws: State) -> None:
        if self._answers:
            self._answers.go_on(draws)

    def keep(self, lanes: Tensor) -> None:
        self._rows = {s: once(t[lanes]) for s, t in self._rows.items()}
        self._labels = {s: t[lanes] for s, t in self._labels.items()}
        self._true = self._true[lanes]
        self.corrupted = self.corrupted[lanes]
        self._teachers = self._teachers[lanes]
        self._answers = self._answers and self._answers.keep(lanes)
        if self.asked is not None:
            self.asked = self.asked[lanes]

    def _measured(self, z: Tensor, split: str, metrics: Sequence[str]) -> dict[str, Tensor]:
        """The loss and these metrics of logits (L, N_s, C)."""
        y, names = self.labels(split), dict.fromkeys(["loss", *metrics])
        return {name: MEASURES[name](z, y) for name in names if is_defined(name, self.classes)}

    # By one flat index, which is several times faster than by the rows as they are shaped.

    def _rows_at(self, split: str, index: Tensor, lanes: Tensor | None) -> Tensor:
        rows = self._rows[split]
        if lanes is not None:
            return rows[lanes].gather(1, index)
        if is_once(rows) and is_once(index):
            return rows[0, index[0]].expand(len(rows), -1)
        return rows.gather(1, index)

    def _targets_at(
        self,
        split: str,
        index: Tensor,
        rows: Tensor,
        lanes: Tensor | None,
        answers: Tensor | None = None,
    ) -> ClassTargets:
        """``answers`` (L, M, B): of light teachers, in place of those that stay."""
        labels = self._labels[split]
        labels = (labels if lanes is None else labels[lanes]).gather(1, index)
        # Of these lanes: some may be gone when the logits are asked for.
        teachers = self._teachers if lanes is None else self._teachers[lanes]
        if self._answers and answers is None:
            answers = self._answers.standing(split, index, lanes)
        unasked = self._unasked_at(split, index, lanes)
        fetch = partial(self._teachers_at, teachers, rows, labels, answers, unasked)
        return ClassTargets(labels, fetch)

    def _teachers_at(
        self,
        teachers: Tensor,
        rows: Tensor,
        labels: Tensor,
        answers: Tensor | None,
        unasked: Tensor | None,
    ) -> Tensor:
        """Logits (L, M, B, C); NaN in place of what a teacher may not be asked about, so that
        nobody learns from it unnoticed."""
        logits = self._logits.at(teachers, rows, labels, answers)
        if unasked is None:
            return logits
        return logits.masked_fill(unasked[:, None, :, None], torch.nan)

    def _unasked_at(self, split: str, index: Tensor, lanes: Tensor | None) -> Tensor | None:
        """About which of the examples at places ``index`` (L, B) teachers may not be asked; None
        where they may be about all."""
        if not self.limits_calls:
            return None
        if split != "train":
            return torch.ones_like(index, dtype=torch.bool)
        if self.asked is None:
            return None
        asked = self.asked if lanes is None else self.asked[lanes]
        return ~asked.gather(1, index)

    def _inputs_at(self, rows: Tensor) -> Tensor:
        if is_once(rows):
            some = self.inputs.index_select(0, rows[0])
            return some.expand(len(rows), *some.shape)
        flat = self.inputs.index_select(0, rows.flatten())
        return flat.view(*rows.shape, *self.inputs.shape[1:])
