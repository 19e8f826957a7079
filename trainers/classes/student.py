"""What students by themselves share whose outputs are logits of classes.

B examples, C classes.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainers.task import StudentModule


class ClassStudent(StudentModule):
    """Raw inputs ``(B, *shape)`` to logits ``(B, C)``; one input alone, ``shape``, to ``(C,)``.

    ``class_names``: the classes in the order of the logits.
    """

    def __init__(self, network: nn.Module, facts: Mapping[str, Any]) -> None:
        """``facts``: ``shape`` of one input, ``class_names``, ``columns`` of a table or None."""
        super().__init__()
        self.shape = tuple(facts["shape"])
        self.class_names: tuple[str, ...] = tuple(facts["class_names"])
        self.columns = tuple(facts["columns"]) if facts["columns"] else None
        self.network = network

    @abstractmethod
    def prepared(self, inputs: Tensor) -> Tensor:
        """What the network takes, of raw inputs (B, *shape)."""

    def forward(self, inputs: Tensor) -> Tensor:
        alone = inputs.dim() == len(self.shape)
        batch = inputs.unsqueeze(0) if alone else inputs
        logits: Tensor = self.network(self.prepared(batch))
        return logits.squeeze(0) if alone else logits

    def table(self, outputs: Tensor) -> dict[str, NDArray[Any]]:
        """``prediction``, the name of the class with the largest logit; its ``probability``; the
        logits, ``logit_0`` and so on, in the order of ``class_names``."""
        probability, best = outputs.softmax(-1).max(-1)
        logits = {f"logit_{c}": column.numpy() for c, column in enumerate(outputs.unbind(-1))}
        prediction = np.array(self.class_names, dtype=object)[best.numpy()]
        return {"prediction": prediction, "probability": probability.numpy(), **logits}
