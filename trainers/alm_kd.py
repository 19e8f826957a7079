"""ALM-KD: how far each training example trusts its label and its teacher, learned.

L lanes, N training examples, C classes, H features of the student's last layer, one teacher.

lam   weights of the label's loss (column 0) and the teacher's (column 1)      (L, N, 2)
L_i   lam_i0 CE(y_i, z_i) + lam_i1 tau^2 KL(t_i || z_i)

Before every ``update_every``-th epoch after the warm-up, with the student frozen, the weights of
each group of ``grad_fit`` training batches take ``inner_repeats`` projected gradient steps of size
``meta_lr`` down the loss that a look-ahead step of the last layer would leave on a clean held-out
mini-batch (`trainers.hypergradient`), one mini-batch per group, drawn in turn.

Source: arXiv 2202.03250 and its authors' public code. Where the versions of the paper differ, a
named `Variant` says what holds. Departures: weights reach the ends of their range exactly, where
the authors keep a margin of 1e-7; and as the student stands still during an update, all groups
take their steps side by side, which changes no number.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.data.lanes import Batch, LaneData
from trainers.detector import auroc
from trainers.hypergradient import Evaluation, TrainingGroup, last_layer_hypergradient
from trainers.hyperparameters import Value
from trainers.losses import (
    cross_entropy,
    cross_entropy_gradient,
    distillation,
    distillation_gradient,
)
from trainers.method import Method, Setup
from trainers.models import LaneClassifier, Output, frozen_output
from trainers.seeds import torch_generator

LABEL, TEACHER = 0, 1


@dataclass(frozen=True)
class Variant:
    """The constraint on the weights in one version of the method, and its settings there.

    ``convex``: lam_0 = 1 - lam_1; otherwise each weight moves on its own in [0, high].
    ``start``: the teacher's weight before the first update, the label's is 1 - start; None draws
    it from U(0, 1) for each example. ``held_out``: share of the held-out mini-batch in the loss to
    be lowered; the rest is the training group's own cross-entropy.
    """

    convex: bool
    high: float
    start: float | None
    inner_repeats: int
    held_out: float

    def descend(self, lam: Tensor, gradient: Tensor, meta_lr: Tensor) -> Tensor:
        """One projected step: weights and gradient (groups, 2, G), step sizes (groups, 1)."""
        if self.convex:
            along = gradient[:, TEACHER] - gradient[:, LABEL]
            teacher = (lam[:, TEACHER] - meta_lr * along).clamp(0.0, self.high)
            return torch.stack([1 - teacher, teacher], dim=1)
        return (lam - meta_lr.unsqueeze(1) * gradient).clamp(0.0, self.high)


VARIANTS: Mapping[str, Variant] = {
    "convex": Variant(convex=True, high=1.0, start=None, inner_repeats=10, held_out=0.75),
    "box": Variant(convex=False, high=2.0, start=0.9, inner_repeats=5, held_out=1.0),
}


@dataclass(frozen=True)
class _Walk:
    """What lanes must share to take their steps side by side."""

    variant: str
    repeats: int
    batch_size: int
    group_size: int


class AlmKd(Method):
    """Distillation with a learned pair of weights per training example."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        n = self.data.size("train")
        words = self.values.words
        starts = [
            _starting_weights(VARIANTS[str(variant)], start, n, seed)
            for variant, start, seed in zip(
                words["variant"], words["start"], setup.seeds, strict=True
            )
        ]
        self.lam = torch.stack(starts).to(self.data.inputs.device)
        self._order = [torch_generator(seed, "alm_kd", "order") for seed in setup.seeds]
        self._diagnostics = self._diagnose()

    def losses(self, batch: Batch, z: Tensor) -> Tensor:
        lam = self.lam.gather(1, batch.places.unsqueeze(-1).expand(-1, -1, 2))
        tau = self.values.numbers["temperature"].view(-1, 1)
        label = cross_entropy(z, batch.labels)
        teacher = distillation(batch.teachers[:, 0], z, tau)
        return lam[..., LABEL] * label + lam[..., TEACHER] * teacher

    def begin_epoch(self, epoch: int, student: LaneClassifier, lr: Tensor) -> None:
        due = [lane for lane in range(len(self._order)) if self._is_due(lane, epoch)]
        if due:
            self._update(due, student, lr)
            self._diagnostics = self._diagnose()

    def metrics(self) -> Mapping[str, Tensor]:
        return self._diagnostics

    def tables(self) -> Mapping[str, Tensor]:
        return {"lambda": self.lam}

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self.lam = self.lam[lanes]
        self._order = [self._order[i] for i in lanes.tolist()]
        self._diagnostics = {name: t[lanes] for name, t in self._diagnostics.items()}

    def _diagnose(self) -> dict[str, Tensor]:
        label, corrupted = self.lam[..., LABEL], self.data.corrupted
        return {
            "lambda_label": label.mean(-1),
            "lambda_label_clean": _mean_where(label, ~corrupted),
            "lambda_label_corrupted": _mean_where(label, corrupted),
            "lambda_teacher": self.lam[..., TEACHER].mean(-1),
            "lambda_auroc": auroc(label, ~corrupted),
        }

    def _is_due(self, lane: int, epoch: int) -> bool:
        """Epochs count from 1; the first update comes right after the warm-up."""
        numbers = self.values.numbers
        since = epoch - 1 - int(numbers["warmup_epochs"][lane])
        return since >= 0 and since % int(numbers["update_every"][lane]) == 0

    def _update(self, due: list[int], student: LaneClassifier, lr: Tensor) -> None:
        frozen = self._freeze(student)
        for walk, lanes in self._walks(due).items():
            at = torch.tensor(lanes, device=self.lam.device)
            deal = _Deal.draw([self._order[lane] for lane in lanes], at, walk, self.data)
            residuals = [deal.train(r) * deal.filled.unsqueeze(-1) for r in frozen.residuals]
            group = TrainingGroup(
                h=deal.train(frozen.train.features).mT,
                r=torch.stack([r.mT for r in residuals], dim=1),
                eta=deal.per_group(lr),
                batch_size=self.batch_size,
            )
            evaluation = self._evaluation(VARIANTS[walk.variant].held_out, frozen, deal)
            meta_lr = deal.per_group(self.values.numbers["meta_lr"]).unsqueeze(1)
            lam = deal.train(self.lam).mT.contiguous()
            for _ in range(walk.repeats):
                gradient = last_layer_hypergradient(lam, group, evaluation)
                lam = VARIANTS[walk.variant].descend(lam, gradient, meta_lr)
            deal.put_back(lam.mT, self.lam)

    def _freeze(self, student: LaneClassifier) -> "_Frozen":
        """All training and held-out examples as the student sees them now."""
        train = frozen_output(student, self.data, "train")
        places = torch.arange(train.logits.shape[1], device=self.lam.device)
        batch = self.data.batch("train", places.expand(len(train.logits), -1))
        tau = self.values.numbers["temperature"].view(-1, 1)
        label = cross_entropy_gradient(train.logits, batch.labels)
        teacher = distillation_gradient(batch.teachers[:, 0], train.logits, tau)
        meta = frozen_output(student, self.data, "meta")
        return _Frozen(train, meta, (label, teacher))

    def _walks(self, due: list[int]) -> dict[_Walk, list[int]]:
        """Lanes by what they must share."""
        walks: dict[_Walk, list[int]] = {}
        for lane in due:
            variant = str(self.values.words["variant"][lane])
            repeats = int(self.values.numbers["inner_repeats"][lane])
            repeats = repeats or VARIANTS[variant].inner_repeats
            grad_fit = int(self.values.numbers["grad_fit"][lane])
            walk = _Walk(variant, repeats, self.batch_size, grad_fit * self.batch_size)
            walks.setdefault(walk, []).append(lane)
        return walks

    def _evaluation(self, held_out: float, frozen: "_Frozen", deal: "_Deal") -> Evaluation:
        """The loss to be lowered: the mean over a held-out mini-batch, and over the group's own."""
        meta_p = F.one_hot(self.data.labels("meta"), self.data.classes).to(self.lam.dtype)
        h, z, p = (deal.meta(x) for x in (*frozen.meta, meta_p))
        w = torch.full(z.shape[:2], held_out / z.shape[1], device=z.device)
        if held_out < 1:
            own_p = F.one_hot(self.data.labels("train"), self.data.classes).to(self.lam.dtype)
            own_h, own_z, own_p = (deal.train(x) for x in (*frozen.train, own_p))
            own_w = (1 - held_out) * deal.filled / deal.filled.sum(-1, keepdim=True)
            h, z, p = (torch.cat(pair, dim=1) for pair in ((h, own_h), (z, own_z), (p, own_p)))
            w = torch.cat([w, own_w], dim=1)
        return Evaluation(h.mT, z.mT.contiguous(), p.mT.contiguous(), w)


class _Frozen(NamedTuple):
    """What an update reads of a student that stands still; residuals: dl_ik/dz, two (L, N, C)."""

    train: Output
    meta: Output
    residuals: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class _Deal:
    """Which examples form which group, for some lanes: J groups of G examples and V held-out ones.

    The groups of all these lanes become one leading dimension of len(at) * J. The last group of a
    lane is filled up with repeated examples, marked by ``filled`` 0 (len(at) * J, G).
    """

    at: Tensor
    train_index: Tensor
    meta_index: Tensor
    filled: Tensor

    @staticmethod
    def draw(generators: list[torch.Generator], at: Tensor, walk: _Walk, data: LaneData) -> "_Deal":
        n, n_meta, g = data.size("train"), data.size("meta"), walk.group_size
        groups = math.ceil(n / g)
        v = min(walk.batch_size, n_meta)
        fill = torch.arange(groups * g)
        window = (torch.arange(groups * v) % n_meta).view(groups, v)
        train = [torch.randperm(n, generator=x)[fill % n].view(groups, g) for x in generators]
        meta = [torch.randperm(n_meta, generator=x)[window] for x in generators]
        filled = (fill < n).view(groups, g).repeat(len(generators), 1)
        device = at.device
        return _Deal(
            at,
            torch.stack(train).to(device),
            torch.stack(meta).to(device),
            filled.to(device, torch.get_default_dtype()),
        )

    def train(self, x: Tensor) -> Tensor:
        """(L, N, ...) to (len(at) * J, G, ...)."""
        return x[self.at.view(-1, 1, 1), self.train_index].flatten(0, 1)

    def meta(self, x: Tensor) -> Tensor:
        """(L, N_meta, ...) to (len(at) * J, V, ...)."""
        return x[self.at.view(-1, 1, 1), self.meta_index].flatten(0, 1)

    def per_group(self, x: Tensor) -> Tensor:
        """(L,) to (len(at) * J,)."""
        return x[self.at].repeat_interleave(self.train_index.shape[1])

    def put_back(self, lam: Tensor, everyone: Tensor) -> None:
        """Write what `train` took, now changed, to its places in (L, N, ...)."""
        lanes, n = len(self.at), everyone.shape[1]
        places = self.train_index.view(lanes, -1)[:, :n]
        changed = lam.reshape(lanes, -1, *lam.shape[2:])[:, :n]
        everyone[self.at.view(-1, 1), places] = changed


def _mean_where(x: Tensor, chosen: Tensor) -> Tensor:
    """The mean of x (L, N) over the chosen examples (L, N) -> (L,); NaN where there is none."""
    return (x * chosen).sum(-1) / chosen.sum(-1)


def _starting_weights(variant: Variant, start: Value, n: int, seed: int) -> Tensor:
    """Weights (n, 2) before the first update."""
    chosen = variant.start if start == "default" else start
    if chosen is None or chosen == "uniform":
        teacher = torch.rand(n, generator=torch_generator(seed, "alm_kd", "start"))
    else:
        teacher = torch.full((n,), float(chosen))
    return torch.stack([1 - teacher, teacher], dim=-1)
