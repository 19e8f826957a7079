"""FGD: the teacher's features where things are, where it looks, and what it looks at.

L lanes, B pictures, P places of one level, A features; f the teacher's, g the student's through a
linear map that is trained with it, both over the deviation of the teacher's.

S(f) = P softmax over places of the mean over features of |f|, over tau: where a map looks; C(f) =
A softmax over features of the mean over places of |f|, over tau: at which of them. Both are 1 on
average. d = (f - g)^2, S and C of the teacher:

things      1 / A  sum over places and features of m S C d, m = 1 / (places in the smallest box)
background  the same of places in no box, m = 1 / (how many these are)
attention   mean over places of |S(g) - S(f)| + mean over features of |C(g) - C(f)|

L_i = l_i + w (things + b background + a attention), summed over levels.

Source: Yang et al. 2022 (CVPR), arXiv 2111.11837, focal distillation, and its authors' public code.
Departures: without the global relation, a block of further layers for student and teacher; means
over features and, of attention, over places, so that weights mean the same for any size; places are
counted by their middles.
"""

import torch
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.detection.data.dataset import BOX, CLASS
from trainers.detection.places import Grid
from trainers.detection.terms import BoxTargets, BoxTerms
from trainers.method import Method, Step


class Fgd(Method):
    """Labels, and the teacher's features by where they are."""

    def losses(self, step: Step) -> Tensor:
        assert isinstance(step.terms, BoxTerms)
        weight, background, attention, tau = (
            self.values.numbers[name].unsqueeze(1)
            for name in (
                "feature_weight", "background_share", "attention_share", "attention_temperature",
            )
        )  # fmt: skip
        own, f = step.terms.both_features()
        targets: BoxTargets = step.batch.targets
        lost = torch.zeros_like(step.terms.label)
        for level in levels(targets.grid):
            things, beside = masks(targets.boxes.to(own), targets.grid, level)
            of_level, of_teacher = own[:, :, level], f[:, :, level]
            s, c = attention_of(of_teacher, tau)
            d = ((of_teacher - of_level).square() * c.unsqueeze(2)).mean(3) * s
            s_own, c_own = attention_of(of_level, tau)
            looks = (s_own - s).abs().mean(2) + (c_own - c).abs().mean(2)
            there = (things * d).sum(2) + background * (beside * d).sum(2)
            lost = lost + there + attention * looks
        return step.terms.label + weight * lost


def attention_of(f: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    """Where features (L, B, P, A) look, (L, B, P), and at which of them, (L, B, A); ``tau`` (L,
    1)."""
    size = f.abs()
    temperature = tau.unsqueeze(2)
    where = torch.softmax(size.mean(3) / temperature, dim=2) * f.shape[2]
    which = torch.softmax(size.mean(2) / temperature, dim=2) * f.shape[3]
    return where, which


def levels(grid: Grid) -> list[slice]:
    """The places of each level."""
    ends = torch.unique_consecutive(grid.stride, return_counts=True)[1].cumsum(0).tolist()
    return [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]


def masks(boxes: Tensor, grid: Grid, level: slice) -> tuple[Tensor, Tensor]:
    """What the places of a level count among things and beside them, (L, B, P) each, with boxes
    (L, B, U, 6); crowds are things."""
    left, top, right, bottom = boxes[..., BOX].unsqueeze(2).unbind(-1)
    x, y = (at[level].unsqueeze(1) for at in grid.middle.unbind(1))
    there = (boxes[..., CLASS] != PADDING).unsqueeze(2)
    inside = ((x > left) & (x < right) & (y > top) & (y < bottom) & there).to(boxes)
    share = inside / inside.sum(2, keepdim=True).clamp(min=1)
    # The more a box's places count, the fewer it has.
    things = share.amax(3)
    beside = (things == 0).to(things)
    return things, beside / beside.sum(2, keepdim=True).clamp(min=1)
