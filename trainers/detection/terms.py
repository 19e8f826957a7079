"""What is lost on pictures with boxes: the terms, each for a picture.

L lanes, B pictures, T places, C classes, M teachers, tau the lane's temperature. A row of an output
is a place: C logits z of the classes, 4 numbers d of a box, and where the student's features are
set beside a teacher's, A numbers more. p = sigmoid(z), q the same of a teacher; b the box at a
place, whose sides are softplus(d) strides away; b* the true box that a place should tell of, y its
class; P such places of a picture, 1 at least.

label    1 / P  sum over places and classes of (p - y)^2 BCE(p, y)
         +  1 / P  sum over those P of 1 - IoU(b, b*)
teacher  tau^2 / Q  sum over places and classes of |p - q|^2 BCE(p, q), at z / tau, t / tau
         +  1 / Q  sum of 1 - IoU(b, the teacher's) over the Q places where its largest q, at tau 1,
         is above `SURE`, 1 at least
features 1 / (T A)  sum of (f_S - f_T)^2 / var(f_T), f_S the A numbers

y of a class is 1 where a place should tell of it, else 0; places in a crowd that no box is told of
at are left out. Both have the form of the quality focal loss (Li et al. 2020, arXiv 2006.04388),
for labels the focal loss of Lin et al. 2017 (arXiv 1708.02002) without its share of background, so
that background, of which nobody is unsure, does not drown what is there. Both have a part of boxes:
in a mix with classes alone the teacher's weight would be taken off boxes.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.data.tokenizer import PADDING
from trainers.detection.boxes import iou
from trainers.detection.data.dataset import BOX, CLASS
from trainers.detection.places import IGNORED, Grid, boxes_at
from trainers.lanes.values import TEMPERATURE, LaneValues
from trainers.task import Terms

# Above which largest score a teacher's boxes count.
SURE = 0.3
# What a guess that knows nothing says of every class at every place: what detectors start from.
PRIOR = 0.01
# The words of the hyperparameter ``terms``.
OUTPUTS, ALL = "outputs", "all"


class Taught(ABC):
    """What M teachers say of some pictures; fetched where a term asks for it."""

    @abstractmethod
    def logits(self) -> Tensor:
        """(L, M, B, T, C + 4)."""

    @abstractmethod
    def features(self, m: int) -> Tensor:
        """Those of teacher ``m``, (L, B, T, A)."""

    @abstractmethod
    def variance(self, m: int) -> Tensor:
        """Of its features over all that students of the seed train on or hold out, (L,)."""

    @abstractmethod
    def part(self, at: slice) -> "Taught":
        """Of some of the pictures."""


class BoxTargets(NamedTuple):
    """What the terms of some pictures read: ``boxes`` (L, B, U, 6), the box that each place should
    tell of (``told``, as `assigned` has it), the ``grid`` of places, how many ``classes`` there
    are, and what teachers say (``taught``)."""

    boxes: Tensor
    told: Tensor
    grid: Grid
    classes: int
    taught: Taught

    def part(self, at: slice) -> "BoxTargets":
        """Those of some pictures alone."""
        return self._replace(
            boxes=self.boxes[:, at], told=self.told[:, at], taught=self.taught.part(at)
        )

    def of_places(self) -> Tensor:
        """The box of each place, (L, B, T, 6); where there is none, any."""
        at = self.told.clamp(min=0).unsqueeze(3).expand(-1, -1, -1, self.boxes.shape[3])
        return self.boxes.gather(2, at)


class BoxTerms(Terms):
    """The terms of pictures at outputs (L, B, T, C + 4 + A)."""

    def __init__(self, targets: BoxTargets, z: Tensor, values: LaneValues) -> None:
        self._targets, self._values = targets, values
        self._z = z.to(torch.promote_types(z.dtype, torch.float32))

    def of_label(self) -> Tensor:
        return label_loss(self._targets, self._z)

    def of_teachers(self) -> Tensor:
        t = self._targets.taught.logits()
        return torch.stack([self._teacher(m, t[:, m]) for m in range(t.shape[1])], dim=1)

    def features(self, m: int = 0) -> Tensor:
        """The term of the features of teacher ``m``, (L, B)."""
        own, f = self.both_features(m)
        return (own - f).square().mean((2, 3))

    def both_features(self, m: int = 0) -> tuple[Tensor, Tensor]:
        """The student's numbers beside its features of teacher ``m``, and these, (L, B, T, A) each,
        in standard deviations of the teacher's."""
        taught = self._targets.taught
        f = taught.features(m).to(self._z)
        # Those of several teachers stand side by side.
        before = sum(taught.features(j).shape[-1] for j in range(m)) + self._targets.classes + 4
        own = self._z[..., before : before + f.shape[-1]]
        deviation = taught.variance(m).to(self._z).sqrt().view(-1, 1, 1, 1)
        return own / deviation, f / deviation

    @property
    def label_at_teachers(self) -> Tensor:
        t = self._targets.taught.logits().to(self._z)
        return torch.stack([label_loss(self._targets, own) for own in t.unbind(1)], dim=1)

    @property
    def uninformed(self) -> Tensor:
        """Of every class `PRIOR` everywhere, and boxes that meet nothing, (L, B)."""
        nothing = torch.full_like(self._z, PRIOR).logit()
        boxes_lost = (self._targets.told >= 0).any(2)
        return classes_lost(self._targets, nothing) + boxes_lost

    def _teacher(self, m: int, t: Tensor) -> Tensor:
        lost = teacher_loss(self._targets, t.to(self._z), self._z, self._temperature)
        words = self._values.words.get("terms", (OUTPUTS,) * len(lost))
        if ALL not in words:
            return lost
        weight = self._values.numbers["feature_weight"].to(lost)
        heard = torch.tensor([word == ALL for word in words], device=lost.device)
        return lost + (weight * heard).unsqueeze(1) * self.features(m)

    @property
    def _temperature(self) -> Tensor:
        """tau of every lane, (L, 1, 1, 1)."""
        found = self._values.numbers.get(TEMPERATURE)
        if found is None:
            found = torch.ones(len(self._z), device=self._z.device)
        return found.to(self._z).view(-1, 1, 1, 1)


def predicted_boxes(z: Tensor, classes: int, grid: Grid) -> Tensor:
    """The box at every place of outputs (..., T, C + 4 + A), (..., T, 4)."""
    away = F.softplus(z[..., classes : classes + 4]) * grid.stride.unsqueeze(1)
    return boxes_at(away, grid)


def label_loss(targets: BoxTargets, z: Tensor) -> Tensor:
    """The label's term at outputs (L, B, T, C + 4 + A), (L, B)."""
    of_places = targets.of_places()
    true = of_places[..., BOX].to(z)
    overlap = iou(predicted_boxes(z, targets.classes, targets.grid), true)
    there = targets.told >= 0
    boxes_lost = ((1 - overlap) * there).sum(2) / there.sum(2).clamp(min=1)
    return classes_lost(targets, z, of_places[..., CLASS]) + boxes_lost


def classes_lost(targets: BoxTargets, z: Tensor, of_places: Tensor | None = None) -> Tensor:
    """The part of it that is of classes, (L, B); ``of_places``: the class of the box of each, where
    it is known."""
    if of_places is None:
        of_places = targets.of_places()[..., CLASS]
    told, classes = targets.told, targets.classes
    there = told >= 0
    # Padding is no class.
    which = torch.where(there, of_places, PADDING).unsqueeze(3)
    y = (which == torch.arange(classes, device=z.device)).to(z)
    lost = _missed(z[..., :classes], y) * (told != IGNORED).unsqueeze(3)
    return lost.sum((2, 3)) / there.sum(2).clamp(min=1)


def teacher_loss(targets: BoxTargets, t: Tensor, z: Tensor, tau: Tensor) -> Tensor:
    """The term of a teacher with outputs t (L, B, T, C + 4), (L, B); ``tau``: (L, 1, 1, 1)."""
    classes, of = targets.classes, targets.grid
    sure = torch.sigmoid(t[..., :classes]).amax(3) > SURE
    count = sure.sum(2).clamp(min=1)
    lost = _missed(z[..., :classes] / tau, torch.sigmoid(t[..., :classes] / tau)).sum((2, 3))
    overlap = iou(predicted_boxes(z, classes, of), predicted_boxes(t, classes, of))
    boxes_lost = ((1 - overlap) * sure).sum(2)
    return (tau.flatten().square().unsqueeze(1) * lost + boxes_lost) / count


def _missed(z: Tensor, q: Tensor) -> Tensor:
    """(p - q)^2 BCE(p, q) of logits and shares of one shape."""
    bce = F.binary_cross_entropy_with_logits(z, q, reduction="none")
    return (torch.sigmoid(z) - q).square() * bce
