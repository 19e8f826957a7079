"""Fine-tuning on clean labels: training on all labels, and in the last epochs on the clean ones.

L lanes, B examples of a batch, N of the training split, C of them clean (`TaskData.certain`, the
last ones), E epochs of the training, k = ``fine_tune_epochs`` of the lane.

epochs 1 .. E - k          L_i = l_i0 over all N, lr as the schedule has it: `labels_only`
epochs E - k + 1 .. E      L_i = l_i0 over the C clean ones,
                           lr = ``lr`` * ``fine_tune_scale`` * schedule of a training of k epochs

An epoch of fine-tuning has as many steps, with batches as large, as any other. They are filled with
passes over the clean examples, each in a random order, so that all of them come equally often
within an epoch, give or take one. `fine_tune_scale` is a factor on the optimizer's rate and not on
the loss, which would leave weight decay as it is with SGD and do nothing with AdamW. What the
optimizer remembers, such as momentum, is carried over.

Departure from a fine-tuning of a finished model: the training before it is not brought to its end,
but broken off k epochs before, so that the method takes no more epochs than others.
"""

from dataclasses import replace

import torch
from torch import Tensor

from trainers.lanes.network import LaneNetwork
from trainers.lanes.seeds import torch_generator
from trainers.method import Setup
from trainers.mixing.labels_only import LabelsOnly
from trainers.settings import Training


def lr_factor(training: Training, epoch: int, k: int, scale: float) -> float:
    """What a lane's ``lr`` is multiplied by in ``epoch``, the last ``k`` of them fine-tuning."""
    own = epoch - (training.epochs - k)
    if own < 1:
        return training.lr_factor(epoch)
    return scale * replace(training, epochs=k).lr_factor(own)


class FineTuning(LabelsOnly):
    """The label's term, in the last epochs that of the clean examples alone."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._seeds = setup.seeds
        # Which lanes are at it (L,), how they draw, and places (L, *) that are drawn and not used.
        self._at_it = torch.zeros(len(self._seeds), dtype=torch.bool, device=self.data.device)
        self._generators: list[torch.Generator] = []
        self._drawn = torch.zeros(len(self._seeds), 0, dtype=torch.int64, device=self.data.device)

    def lr_factors(self, epoch: int) -> Tensor:
        numbers = self.values.numbers
        lanes = zip(
            numbers["fine_tune_epochs"].tolist(), numbers["fine_tune_scale"].tolist(), strict=True
        )
        factors = [lr_factor(self.training, epoch, int(k), scale) for k, scale in lanes]
        return torch.tensor(factors, dtype=torch.float64)

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        self._at_it = epoch > self.training.epochs - self.values.numbers["fine_tune_epochs"]
        self._drawn = self._drawn[:, :0]
        # A stream for each epoch: what a lane draws depends on no other, and is no state to keep.
        self._generators = []
        if self._at_it.any():
            self._generators = [torch_generator(s, "fine tuning", epoch) for s in self._seeds]

    def choose(self, index: Tensor) -> Tensor:
        if not self._generators:
            return index
        clean = self._next(index.shape[1]) + self.data.size("train") - self.data.certain
        return torch.where(self._at_it.unsqueeze(1), clean, index)

    def _next(self, count: int) -> Tensor:
        """The next places among the clean examples, (L, count)."""
        while self._drawn.shape[1] < count:
            orders = [torch.randperm(self.data.certain, generator=g) for g in self._generators]
            self._drawn = torch.cat([self._drawn, torch.stack(orders).to(self._drawn)], dim=1)
        taken, self._drawn = self._drawn[:, :count], self._drawn[:, count:]
        return taken

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        chosen = lanes.tolist()
        self._seeds = tuple(self._seeds[i] for i in chosen)
        if self._generators:
            self._generators = [self._generators[i] for i in chosen]
        self._at_it, self._drawn = self._at_it[lanes], self._drawn[lanes]
