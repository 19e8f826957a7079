"""How the held-out loss changes with the weight of each training loss, through one look-ahead.

L lanes, G training examples of a group, R rows of them (the places where the last layer is applied:
one an example, or several), V rows of held-out examples, K terms per example, C outputs, H features
of the last layer. Examples and rows come last, classes and losses before them: these are few, and
work along the examples is several times faster.

lam   weights of the terms                             (L, K, G)
r     dl_ik/dz_t, gradients of each term by the logits of each row, with the example's own mean over
      its rows                                         (L, K, C, R)
h     features of the rows                             (L, H, R)
owner the example of each row                          (L, R)
eta   the size of the step                             (L,)
B     examples in one training batch (the loss is a mean over a batch); where an example was dealt
      in a batch of another size, its r carries the ratio
h_e, z_e   features and logits of the held-out rows    (L, H, V), (L, C, V)

The look-ahead is one plain gradient step of the last layer alone, theta' = theta - eta * sum_i
sum_k lam_ik * g_ik with g_ik = sum_t (r_ikt (x) h_it, r_ikt) / B over the rows t of i, so the
held-out logits after it are known in closed form, and

    dL_val/dlam_ik = -(eta / B) * < grad L_val(theta'), sum_t (r_ikt (x) h_it, r_ikt) >
                   = -(eta / B) * sum_t r_ikt . (G_W h_it + G_b).

The outer products r (x) h, of size C*H per row and term, are never built: four matrix products of
the size of a batch do. An example that owns several rows, or comes several times in a group, is the
sum over all of them.

Source: the authors' public code of arXiv 2202.03250 restricts the look-ahead to the last layer;
rows are plain calculus.
"""

from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from torch import Tensor

from trainers.task import Objective


@dataclass(frozen=True)
class TrainingGroup:
    """The training side of a look-ahead; its gradients stay fixed over the inner repeats.

    ``owner`` None: every example has one row, in order, or every row has weights of its own and is
    an example here. ``bias``: whether the last layer has one.
    """

    h: Tensor
    r: Tensor
    eta: Tensor
    batch_size: int
    owner: Tensor | None = None
    bias: bool = True

    @cached_property
    def step(self) -> Tensor:
        """eta / B, (L, 1, 1)."""
        return (self.eta / self.batch_size).view(-1, 1, 1)

    @cached_property
    def room(self) -> Tensor:
        """Room for products with r, of its size: memory that is new costs more than they do."""
        return torch.empty_like(self.r)

    def of_rows(self, lam: Tensor) -> Tensor:
        """The weights of each row's example: ``(L, K, G) -> (L, K, R)``."""
        if self.owner is None:
            return lam
        return lam.gather(2, self.owner.unsqueeze(1).expand(-1, lam.shape[1], -1))

    def of_examples(self, x: Tensor, like: Tensor) -> Tensor:
        """Summed over the rows of each example: ``(L, K, R) -> (L, K, G)``, shaped as ``like``."""
        if self.owner is None:
            return x
        owner = self.owner.unsqueeze(1).expand_as(x)
        return torch.zeros_like(like).scatter_add_(2, owner, x)


@dataclass(frozen=True)
class Evaluation:
    """The rows on which the weights should lower the loss ``goal``."""

    h: Tensor
    z: Tensor
    goal: Objective


def look_ahead_logits(lam: Tensor, group: TrainingGroup, evaluation: Evaluation) -> Tensor:
    """Held-out logits (L, C, V) after one step of the last layer on the lam-weighted loss."""
    weights = group.of_rows(lam).unsqueeze(2)
    first, *others = torch.mul(weights, group.r, out=group.room).unbind(1)
    u = reduce(Tensor.add_, others, first)
    u.mul_(group.step)
    dW = u @ group.h.mT
    if not group.bias:
        return evaluation.z - dW @ evaluation.h
    db = u.sum(dim=2, keepdim=True)
    return (evaluation.z - db).sub_(dW @ evaluation.h)


def last_layer_hypergradient(lam: Tensor, group: TrainingGroup, evaluation: Evaluation) -> Tensor:
    """dL_val(theta')/dlam: ``(L, K, G)``; zero where eta is zero."""
    z = look_ahead_logits(lam, group, evaluation)
    G_z = evaluation.goal.gradient(z)
    G_W = G_z @ evaluation.h.mT
    if group.bias:
        along = torch.baddbmm(G_z.sum(dim=2, keepdim=True), G_W, group.h).unsqueeze(1)
    else:
        along = (G_W @ group.h).unsqueeze(1)
    of_rows = torch.mul(group.r, along, out=group.room).sum(2).mul_(-group.step)
    return group.of_examples(of_rows, lam)
