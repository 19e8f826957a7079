"""A classifier by itself: raw inputs to logits, without lanes, sweep or data set.

B examples, C classes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainers.classification.data.dataset import Dataset
from trainers.data.standard import Standard
from trainers.task import StudentModule


class Classifier(StudentModule):
    """Raw inputs ``(B, *shape)``, of any type of number, to logits ``(B, C)``; one input alone,
    ``shape``, to ``(C,)``.

    Raw: pixels or numbers as their files have them; standardising them is the first thing done
    here. ``class_names``: the classes in the order of the logits.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, facts: Mapping[str, Any]) -> None:
        """``facts``: as `facts_of` has them."""
        super().__init__()
        self.shape = tuple(facts["shape"])
        self.class_names: tuple[str, ...] = tuple(facts["class_names"])
        self.columns = tuple(facts["columns"]) if facts["columns"] else None
        standard = Standard(**facts["preprocessing"]) if facts["preprocessing"] else None
        self.network = network
        self.scale = standard.scale if standard else 1.0
        per_channel = (-1, *[1] * (len(self.shape) - 1))
        for name, values in (
            ("mean", standard.mean if standard else (0.0,)),
            ("std", standard.std if standard else (1.0,)),
        ):
            # Not of the weights: it is told with the facts.
            self.register_buffer(name, torch.tensor(values).view(per_channel), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        alone = inputs.dim() == len(self.shape)
        batch = inputs.unsqueeze(0) if alone else inputs
        standardised = (batch.float() / self.scale - self.mean) / self.std
        logits: Tensor = self.network(standardised)
        return logits.squeeze(0) if alone else logits

    def table(self, outputs: Tensor) -> dict[str, NDArray[Any]]:
        """``prediction``, the name of the class with the largest logit; its ``probability``; the
        logits, ``logit_0`` and so on, in the order of ``class_names``."""
        probability, best = outputs.softmax(-1).max(-1)
        logits = {f"logit_{c}": column.numpy() for c, column in enumerate(outputs.unbind(-1))}
        prediction = np.array(self.class_names, dtype=object)[best.numpy()]
        return {"prediction": prediction, "probability": probability.numpy(), **logits}


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
