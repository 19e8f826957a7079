"""Several teachers weighted by how sure each is of an example.

H_im   entropy of softmax(t_im)
w_im   (1 - H_im / sum_k H_ik) / (M - 1): the less entropy, the more weight; adds up to 1

Source: Kwon et al. 2020 (ICASSP, "Adaptive knowledge distillation based on entropy"), as in the
public code of CA-MKD. Departure: that code divides by M where M - 1 makes the weights add up to 1,
a constant factor that alpha would have to make up for.
"""

import torch
from torch import Tensor

from trainers.classes.losses import log_softmax
from trainers.method import Step
from trainers.mixing.several_teachers import SeveralTeachers


def entropy_weights(t: Tensor) -> Tensor:
    """w (L, M, B) from teacher logits (L, M, B, C), M at least 2; equal where none is unsure."""
    log_p = log_softmax(t)
    h = -(log_p.exp() * log_p).sum(-1)
    smallest = torch.finfo(h.dtype).tiny
    h = h.clamp(min=smallest)
    return (1 - h / h.sum(1, keepdim=True)) / (t.shape[1] - 1)


class Ebkd(SeveralTeachers):
    """A teacher counts the more, the lower the entropy of its prediction."""

    def teacher_weights(self, step: Step) -> Tensor:
        return entropy_weights(step.batch.targets.teachers)
