"""A classifier by itself: raw inputs to logits, without lanes, sweep or data set."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainers.classes.student import ClassStudent
from trainers.classification.data.dataset import Dataset
from trainers.data.standard import Standard


class Classifier(ClassStudent):
    """Takes pixels or numbers as their files have them, of any type of number; standardising them
    is the first thing done here."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, facts: Mapping[str, Any]) -> None:
        """``facts``: as `facts_of` has them."""
        super().__init__(network, facts)
        standard = Standard(**facts["preprocessing"]) if facts["preprocessing"] else None
        self.scale = standard.scale if standard else 1.0
        per_channel = (-1, *[1] * (len(self.shape) - 1))
        for name, values in (
            ("mean", standard.mean if standard else (0.0,)),
            ("std", standard.std if standard else (1.0,)),
        ):
            # Not of the weights: it is told with the facts.
            self.register_buffer(name, torch.tensor(values).view(per_channel), persistent=False)

    def prepared(self, inputs: Tensor) -> Tensor:
        return (inputs.float() / self.scale - self.mean) / self.std


def facts_of(dataset: Dataset) -> dict[str, Any]:
    """What a classifier of these examples has to be told beside its network and weights, as plain
    values: ``shape`` of one input, ``class_names``, ``columns`` of a table, ``preprocessing``."""
    info = dataset.info
    standard = info.standard
    names = info.class_names or tuple(str(c) for c in range(dataset.classes))
    return {
        "shape": list(dataset.shape),
        "class_names": list(names),
        "columns": list(info.feature_names) or None,
        "preprocessing": {
            "scale": standard.scale, "mean": list(standard.mean), "std": list(standard.std),
        } if standard else None,
    }  # fmt: skip
