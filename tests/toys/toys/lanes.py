"""What the data of both tasks have in common: which examples every lane has, and which labels.

L lanes, B examples of a batch, N examples, N_s in split s.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.data.dataset import Dataset
from trainers.data.splits import split_rows, use_clean
from trainers.evaluation import frozen_output
from trainers.lanes.network import LaneNetwork
from trainers.lanes.seeds import numpy_generator
from trainers.settings import SPLITS, DataSpec, LaneSource
from trainers.task import KeptOutputs, StudentModule, TaskData

Noise = Callable[[NDArray[np.int64], float, np.random.Generator], NDArray[np.int64]]


class ToyData(TaskData):
    """Examples in memory; labels (N, ...) of the data set, corrupted by ``noise`` in training."""

    def __init__(
        self,
        dataset: Dataset,
        labels: NDArray[np.int64],
        noise: Noise,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        device: torch.device,
    ) -> None:
        self._device = device
        rows, given, wrong = [], [], []
        for source in sources:
            deal = numpy_generator(source.seed, "splits")
            of_lane = split_rows(dataset.strata, spec.fractions, deal)
            kind, rate = source.labels.noise_kind, source.labels.noise_rate
            draw = numpy_generator(source.seed, "noise", kind, rate)
            corrupted = noise(labels[of_lane["train"]], rate, draw)
            half = numpy_generator(source.seed, "clean half")
            self.certain = use_clean(of_lane, source.clean, half)
            own = labels[of_lane["train"]]
            noisy = np.concatenate([corrupted, own[len(corrupted) :]])
            rows.append(of_lane)
            given.append({s: noisy if s == "train" else labels[of_lane[s]] for s in SPLITS})
            wrong.append((own != noisy).reshape(len(own), -1).any(1))
        self._rows = {s: torch.as_tensor(np.stack([r[s] for r in rows])) for s in SPLITS}
        self._labels = {s: torch.as_tensor(np.stack([g[s] for g in given])) for s in SPLITS}
        self.corrupted = torch.as_tensor(np.stack(wrong))
        self._taught_by = [source.teachers for source in sources]

    @property
    def lanes(self) -> int:
        return len(self._taught_by)

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def teachers(self) -> int:
        return len(self._taught_by[0])

    def size(self, split: str) -> int:
        return self._rows[split].shape[1]

    def rows(self, split: str, index: Tensor, lanes: Tensor | None) -> Tensor:
        """The rows in the data set of what stands at places ``index``, (L, B)."""
        return self._at(self._rows[split], index, lanes)

    def labels(self, split: str, index: Tensor, lanes: Tensor | None) -> Tensor:
        """The given labels there, (L, B, ...)."""
        return self._at(self._labels[split], index, lanes)

    def _at(self, x: Tensor, index: Tensor, lanes: Tensor | None) -> Tensor:
        lane = torch.arange(len(index)) if lanes is None else lanes
        return x[lane.unsqueeze(1), index]

    def examples(self, lane: int) -> dict[str, NDArray[Any]]:
        return {
            "row": self._rows["train"][lane].numpy(),
            "corrupted": self.corrupted[lane].numpy(),
        }

    def predictions(self, student: LaneNetwork, split: str) -> list[dict[str, NDArray[Any]]]:
        z = frozen_output(student, self, split).logits
        return [
            {"row": rows.numpy(), "logit": of_lane.numpy()}
            for rows, of_lane in zip(self._rows[split], z, strict=True)
        ]

    def keep(self, lanes: Tensor) -> None:
        self._rows = {s: t[lanes] for s, t in self._rows.items()}
        self._labels = {s: t[lanes] for s, t in self._labels.items()}
        self.corrupted = self.corrupted[lanes]
        self._taught_by = [self._taught_by[i] for i in lanes.tolist()]
        self.keep_teachers(lanes)

    @abstractmethod
    def keep_teachers(self, lanes: Tensor) -> None:
        """Cut what is kept of teachers down to ``lanes``."""


class Bare(StudentModule):
    """A network that is shown what the data set has."""

    def __init__(self, network: LaneNetwork, facts: Mapping[str, Any]) -> None:
        super().__init__()
        self.network, self.shape = network.single(), tuple(facts["shape"])
        self.input_dtype = getattr(torch, facts["dtype"])

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits

    def table(self, outputs: Tensor) -> dict[str, NDArray[Any]]:
        flat = outputs.flatten(1)
        return {f"logit_{i}": column.numpy() for i, column in enumerate(flat.unbind(1))}


def kept(
    outputs: Mapping[str, KeptOutputs], sources: Sequence[LaneSource], name: str
) -> list[list[Tensor]]:
    """An array of every teacher of every lane."""
    return [[torch.as_tensor(outputs[t][name]) for t in s.teachers] for s in sources]
