"""How the held-out loss changes with the weight of each training loss, through one look-ahead.

L lanes, G training examples of a group, V evaluation rows, K losses per example, C classes,
H features of the last layer. Examples come last, classes and losses before them: these are few,
and work along the examples is several times faster.

lam   loss weights                                     (L, K, G)
r     dl_ik/dz, gradients of each loss by the logits   (L, K, C, G)
h     features of the training examples                (L, H, G)
eta   the student's learning rate now                  (L,)
B     examples in one training batch (the loss is a mean over a batch)
h_e, z_e   features and logits of the evaluation rows  (L, H, V), (L, C, V)

The look-ahead is one plain gradient step of the last layer alone, theta' = theta - eta * sum_i
sum_k lam_ik * g_ik with g_ik = (dl_ik/dz (x) h_i, dl_ik/dz) / B, so the evaluation logits after it
are known in closed form, and

    dL_val/dlam_ik = -(eta / B) * < grad L_val(theta'), (r_ik (x) h_i, r_ik) >
                   = -(eta / B) * r_ik . (G_W h_i + G_b).

The outer products r (x) h, of size C*H per example and loss, are never built: four matrix products
of the size of a batch do.

Source: the authors' public code of arXiv 2202.03250 restricts the look-ahead to the last layer.
"""

from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from torch import Tensor

from trainers.mixing.held_out_loss import Goal


@dataclass(frozen=True)
class TrainingGroup:
    """The training side of a look-ahead; its gradients stay fixed over the inner repeats."""

    h: Tensor
    r: Tensor
    eta: Tensor
    batch_size: int

    @cached_property
    def step(self) -> Tensor:
        """eta / B, (L, 1, 1)."""
        return (self.eta / self.batch_size).view(-1, 1, 1)

    @cached_property
    def room(self) -> Tensor:
        """Room for products with r, of its size: memory that is new costs more than they do."""
        return torch.empty_like(self.r)


@dataclass(frozen=True)
class Evaluation:
    """The rows on which the weights should lower the loss ``goal``."""

    h: Tensor
    z: Tensor
    goal: Goal


def look_ahead_logits(lam: Tensor, group: TrainingGroup, evaluation: Evaluation) -> Tensor:
    """Evaluation logits (L, C, V) after one step of the last layer on the lam-weighted loss."""
    first, *others = torch.mul(lam.unsqueeze(2), group.r, out=group.room).unbind(1)
    u = reduce(Tensor.add_, others, first)
    u.mul_(group.step)
    dW = u @ group.h.mT
    db = u.sum(dim=2, keepdim=True)
    return (evaluation.z - db).sub_(dW @ evaluation.h)


def last_layer_hypergradient(lam: Tensor, group: TrainingGroup, evaluation: Evaluation) -> Tensor:
    """dL_val(theta')/dlam: ``(L, K, G)``; zero where eta is zero."""
    z = look_ahead_logits(lam, group, evaluation)
    G_z = evaluation.goal.gradient(z)
    G_W = G_z @ evaluation.h.mT
    G_b = G_z.sum(dim=2, keepdim=True)
    along = torch.baddbmm(G_b, G_W, group.h).unsqueeze(1)
    return torch.mul(group.r, along, out=group.room).sum(2).mul_(-group.step)
