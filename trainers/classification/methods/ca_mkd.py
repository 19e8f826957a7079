"""Several teachers weighted by how well each knows the label of an example.

w_im   (1 - softmax_m CE(y_i, t_im)) / (M - 1): the lower a teacher's cross-entropy, the more weight

Source: Zhang et al. 2022, arXiv 2201.00007, and its authors' public code. Departures: the loss on
intermediate features is left out, as students here show their last layer alone; and the code's
further division by M, a constant factor that alpha would have to make up for.
"""

import torch
from torch import Tensor

from trainers.method import Step
from trainers.mixing.several_teachers import SeveralTeachers


def label_weights(loss: Tensor) -> Tensor:
    """w (L, M, B) from the cross-entropies of the teachers with the label, M at least 2."""
    return (1 - torch.softmax(loss, dim=1)) / (loss.shape[1] - 1)


class CaMkd(SeveralTeachers):
    """A teacher counts the more, the closer it is to the label."""

    def teacher_weights(self, step: Step) -> Tensor:
        return label_weights(step.terms.label_at_teachers)
