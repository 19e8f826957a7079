"""How the held-out loss changes with the weight of each training loss, through one look-ahead.

L lanes, G training examples of a group, V evaluation rows, K losses per example, C classes,
H features of the last layer.

lam   loss weights                                     (L, G, K)
r     dl_ik/dz, gradients of each loss by the logits   (L, G, K, C)
h     features of the training examples                (L, G, H)
eta   the student's learning rate now                  (L,)
B     examples in one training batch (the loss is a mean over a batch)
h_e, z_e, p_e, w_e   features, logits, target probabilities and weights of the evaluation rows
                                                       (L, V, H), (L, V, C), (L, V, C), (L, V)

The look-ahead is one plain gradient step of the last layer alone, theta' = theta - eta * sum_i
sum_k lam_ik * g_ik with g_ik = (dl_ik/dz (x) h_i, dl_ik/dz) / B, so the evaluation logits after it
are known in closed form, and

    dL_val/dlam_ik = -(eta / B) * < grad L_val(theta'), (r_ik (x) h_i, r_ik) >
                   = -(eta / B) * r_ik . (h_i G_W + G_b).

The outer products r (x) h, of size C*H per example and loss, are never built: four matrix products
of the size of a batch do.

Source: the authors' public code of arXiv 2202.03250 restricts the look-ahead to the last layer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TrainingGroup:
    """The training side of a look-ahead; its gradients stay fixed over the inner repeats."""

    h: Tensor
    r: Tensor
    eta: Tensor
    batch_size: int


@dataclass(frozen=True)
class Evaluation:
    """The loss that the weights should lower: sum over rows of w_e * CE(p_e, softmax(z'_e))."""

    h: Tensor
    z: Tensor
    p: Tensor
    w: Tensor

    def loss(self, z: Tensor) -> Tensor:
        """The weighted cross-entropy at logits ``z`` (L, V, C): ``(L,)``."""
        return -(self.w * (self.p * torch.log_softmax(z, dim=-1)).sum(-1)).sum(-1)


def look_ahead_logits(lam: Tensor, group: TrainingGroup, evaluation: Evaluation) -> Tensor:
    """Evaluation logits (L, V, C) after one step of the last layer on the lam-weighted loss."""
    step = (group.eta / group.batch_size).view(-1, 1, 1)
    u = torch.einsum("lgk,lgkc->lgc", lam, group.r)
    dW = group.h.transpose(1, 2) @ u
    db = u.sum(dim=1, keepdim=True)
    return evaluation.z - step * (evaluation.h @ dW + db)


def last_layer_hypergradient(lam: Tensor, group: TrainingGroup, evaluation: Evaluation) -> Tensor:
    """dL_val(theta')/dlam: ``(L, G, K)``; zero where eta is zero."""
    z = look_ahead_logits(lam, group, evaluation)
    G_z = evaluation.w.unsqueeze(-1) * (torch.softmax(z, dim=-1) - evaluation.p)
    G_W = evaluation.h.transpose(1, 2) @ G_z
    G_b = G_z.sum(dim=1, keepdim=True)
    along = (group.h @ G_W + G_b).unsqueeze(-1)
    step = (group.eta / group.batch_size).view(-1, 1, 1)
    return -step * (group.r @ along).squeeze(-1)
