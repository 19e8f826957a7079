"""IKD: features of the teacher on pictures changed by the size of what is on them, and on
adversarial twins of them.

L lanes, B pictures of a batch, N of the training split.

1. A picture whose boxes are all small, or that has none, becomes itself with noise on it, with
   probability ``noise_prob``; any other is cropped to ``crop_min`` to 1 of either side, its boxes
   with it. Where no box is left the picture stays whole. Both are drawn anew at every step.
2. A twin of every training picture is made from the teacher before training
   (`trainers.detection.methods.twins`), as the picture is without ``data.augment``, and goes
   through the same crop, without noise.
3. L_i = l_i + w F_i + w' F'_i: the label's term and that of the teacher's features (see
   `feature_kd`) on the changed picture, and F' on the twin, of which labels say nothing.

After a share ``ikd_until`` of the epochs 1 and 2 end, and this is `feature_kd`.

Source: Liang et al. 2022, arXiv 2209.05841, and its authors' public code, whose augmentation by
frequencies is these two. Departures: the teacher's features are met as `feature_kd` meets them,
where the code adds the same to FGD or MGD; features are of the last layer before what is said, not
of every level of a pyramid before it; where a crop leaves no box the picture stays, where the code
takes another; what is small is told by the data set.
"""

import math
from typing import Any

import torch
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.detection.boxes import area
from trainers.detection.data.augment import Window, cropped, drawn_window
from trainers.detection.data.dataset import BOX, CLASS, COLUMNS
from trainers.detection.data.lanes import BoxLanes
from trainers.detection.methods.twins import Attack, twins
from trainers.detection.terms import BoxTerms
from trainers.evaluation import evaluation_rows
from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.method import Method, Setup, Step
from trainers.task import Batch

# The hyperparameters of an attack, in its order.
OF_ATTACK = ("attack_size", "attack_step", "attack_steps", "attack_momentum")
# Of the twins of all lanes.
MOST_BYTES = 2**32


class Ikd(Method):
    """Labels and the teacher's features, on changed pictures and on twins."""

    data: BoxLanes

    def __init__(self, setup: Setup) -> None:
        """ValueError where there is nobody to ask about changed pictures."""
        super().__init__(setup)
        if setup.ask is None:
            raise ValueError("ikd asks the teacher itself; give its network, not its outputs")
        self._ask, self._student = setup.ask, setup.student
        self._seeds = setup.seeds
        self._draws = [torch_generator(seed, "ikd") for seed in setup.seeds]
        self._at_it = torch.zeros(len(setup.seeds), dtype=torch.bool, device=self.data.device)
        # Of all training pictures, (L, N, K, H, W), once they are needed; twins of the batch.
        self._twins: Tensor | None = None
        self._shown_twins: Tensor | None = None

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        until = (self.values.numbers["ikd_until"] * self.training.epochs).round()
        self._at_it = epoch <= until
        wanted = self._at_it & (self.values.numbers["twin_weight"] > 0)
        if self._twins is None and bool(wanted.any()):
            self._twins = self._made()

    def show(self, batch: Batch) -> Batch:
        self._shown_twins = None
        if not bool(self._at_it.any()):
            return batch
        images, targets = batch.inputs, batch.targets
        small = self._all_small(batch)
        at_it = self._at_it.unsqueeze(1)
        noisy = self._with_noise(images, small & at_it)
        size = self.data.sizes("train", batch.places)
        least = self.values.numbers["crop_min"].view(-1, 1, 1)
        window = drawn_window(size, least, self._draws)
        crops, boxes = cropped(noisy, targets.boxes, window)
        left = (boxes[..., CLASS] != PADDING).any(2)
        smaller = (window.sides < size.flip(2)).any(2)
        crop = ~small & left & smaller & at_it
        chosen = crop.view(*crop.shape, 1, 1, 1)
        if self._twins is not None:
            lane = torch.arange(len(images), device=images.device).unsqueeze(1)
            own = self._twins[lane, batch.places]
            self._shown_twins = torch.where(chosen, self._cropped(own, window), own)
        boxes = torch.where(crop.view(*crop.shape, 1, 1), boxes, targets.boxes)
        return self.data.changed(batch, torch.where(chosen, crops, noisy), boxes)

    def losses(self, step: Step) -> Tensor:
        assert isinstance(step.terms, BoxTerms)
        own, of_twins = (
            self.values.numbers[name].unsqueeze(1) for name in ("feature_weight", "twin_weight")
        )
        losses = step.terms.label + own * step.terms.features()
        if self._shown_twins is None:
            return losses
        told = self._ask.outputs(self._shown_twins)
        batch = self.data.taught(step.batch._replace(inputs=self._shown_twins), told)
        shown: Output = self._student(self._shown_twins)
        terms = self.data.terms(batch.targets, shown, self.values)
        weight = of_twins * self._at_it.unsqueeze(1)
        return losses + weight * terms.features()

    def state(self) -> dict[str, Any]:
        return {"draws": places(self._draws)}

    def load_state(self, state: State) -> None:
        wind(self._draws, state["draws"])

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        chosen = lanes.tolist()
        self._seeds = tuple(self._seeds[i] for i in chosen)
        self._draws = [self._draws[i] for i in chosen]
        self._at_it = self._at_it[lanes]
        if self._twins is not None:
            self._twins = self._twins[lanes]

    def _all_small(self, batch: Batch) -> Tensor:
        """Of pictures whether no box is other than small, (L, B)."""
        boxes = batch.targets.boxes
        there = boxes[..., CLASS] != PADDING
        small = self.data.small_areas("train", batch.places).unsqueeze(2)
        larger: Tensor = there & (area(boxes[..., BOX]) >= small)
        return ~larger.any(2)

    def _with_noise(self, images: Tensor, small: Tensor) -> Tensor:
        """The same, some of those of ``small`` (L, B) with noise, no blacker than black."""
        share, std = (self.values.numbers[n].to(images) for n in ("noise_prob", "noise_std"))
        draws = [torch.rand(images.shape[1], generator=g) for g in self._draws]
        which = small & (torch.stack(draws).to(images) < share.unsqueeze(1))
        grain = [torch.randn(images.shape[1:], generator=g) for g in self._draws]
        black, white = self.data.black_and_white
        noise = torch.stack(grain).to(images) * (white - black) * std.view(-1, 1, 1, 1, 1)
        grainy = torch.maximum(torch.minimum(images + noise, white), black)
        return torch.where(which.view(*which.shape, 1, 1, 1), grainy, images)

    def _cropped(self, images: Tensor, window: Window) -> Tensor:
        """Images alone, in the same windows."""
        nothing = images.new_zeros(*images.shape[:2], 0, COLUMNS)
        return cropped(images, nothing, window)[0]

    @torch.no_grad()
    def _made(self) -> Tensor:
        """Twins of all training pictures, (L, N, K, H, W); ValueError where they are too many."""
        teacher, numbers = self._ask.network(0), self.values.numbers
        attack = Attack(*(numbers[name] for name in OF_ATTACK))
        count, lanes = self.data.size("train"), self.data.lanes
        size = evaluation_rows(teacher, lanes, self.data.device)
        every = torch.arange(count, device=self.data.device).expand(lanes, -1)
        if (needed := every.numel() * math.prod(self.data.dataset.shape) * 4) > MOST_BYTES:
            raise ValueError(
                f"the twins of {count} pictures take {needed / 2**30:.1f} GiB, more than "
                f"{MOST_BYTES / 2**30:.0f}; take fewer pictures, or smaller ones"
            )
        parts = []
        for index in torch.split(every, batch_sizes(count, size), dim=1):
            batch = self.data.batch("train", index)
            parts.append(twins(teacher, batch.inputs, batch.targets, attack))
        return torch.cat(parts, dim=1)
