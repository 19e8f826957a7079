"""The data of a cohort whose inputs are arrays, and what is done to images of training batches.

L lanes, B examples of a batch, C classes, m examples of each in a set for light teachers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.classes.draw import Handling
from trainers.classes.lanes import ClassLanes
from trainers.classification.data.augment import crop_and_flip
from trainers.classification.data.dataset import Dataset
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.settings import DataSpec, LaneSource, SplitFractions
from trainers.task import Batch


@dataclass(frozen=True)
class Treatment(Handling):
    """The same of arrays, and ``augment``: how inputs of training batches are changed."""

    augment: Literal["none", "crop_flip"] = "none"

    @staticmethod
    def of(spec: DataSpec) -> "Treatment":
        augment: Any = spec.options.get("augment", "none")
        own = Handling.of(spec)
        return Treatment(own.noisy_splits, own.class_map, own.calls, augment)


class LaneData(ClassLanes):
    """The examples of every lane, on one device."""

    def __init__(
        self,
        dataset: Dataset,
        fractions: SplitFractions,
        sources: Sequence[LaneSource],
        teacher_logits: Mapping[str, NDArray[np.float32]],
        device: torch.device,
        treatment: Treatment | None = None,
    ) -> None:
        super().__init__(dataset, fractions, sources, teacher_logits, device, treatment)
        self._augment = treatment is not None and treatment.augment == "crop_flip"
        self._shakes = [torch_generator(source.seed, "augment") for source in sources]

    @property
    def changes_inputs(self) -> bool:
        return self._augment

    def training_batch(self, index: Tensor) -> Batch:
        """Where inputs are augmented, each call draws anew from every lane's own generator."""
        batch = super().training_batch(index)
        if not self._augment:
            return batch
        return batch._replace(inputs=crop_and_flip(batch.inputs, self._shakes), changed=True)

    def draws(self) -> dict[str, Any]:
        return {**super().draws(), "augment": places(self._shakes)}

    def go_on(self, draws: State) -> None:
        super().go_on(draws)
        wind(self._shakes, draws["augment"])

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._shakes = [self._shakes[i] for i in lanes.tolist()]


# How a set for light teachers is split.
LIGHT_SPLITS = SplitFractions(train=0.8, meta=0.0, validation=0.2, test=0.0)


class LightData(LaneData):
    """A set that light teachers are trained on in place of the data: m examples of every class,
    class by class, the same in every lane."""

    def __init__(
        self, dataset: Dataset, sources: Sequence[LaneSource], device: torch.device
    ) -> None:
        super().__init__(dataset, LIGHT_SPLITS, sources, {}, device)

    def kept_logits(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """By class, (C, m, C): such a teacher knows no example of the data."""
        return logits.reshape(self.classes, -1, self.classes)
