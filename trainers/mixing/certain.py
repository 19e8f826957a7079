"""The weights of training examples whose labels are certain, for methods that learn weights.

L lanes, M teachers, K = 1 + M terms of an example. Examples of the clean meta split that are
trained on have fixed weights: 1 - a of the label, a / M of each teacher, a the hyperparameter
``clean_alpha``.
"""

import torch
from torch import Tensor

from trainers.hyperparameters import CLEAN_ALPHA
from trainers.lanes.values import LaneValues


def certain_weights(values: LaneValues, teachers: int, like: Tensor) -> Tensor:
    """With M teachers: ``(L, 1 + M)``, in the type of ``like`` (L, ...); without teachers all is
    the label's."""
    if not teachers:
        return like.new_ones(len(like), 1)
    alpha = values.numbers[CLEAN_ALPHA.name].to(like.dtype)
    return torch.stack([1 - alpha, *[alpha / teachers] * teachers], dim=1)
