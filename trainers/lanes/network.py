"""What every student and teacher is: a network over lanes.

L lanes, B examples, H features of the last layer, C outputs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from trainers.lanes.state import State


class Output(NamedTuple):
    """What a network shows of a batch: ``logits`` (L, B, C), and the ``features`` (L, B, H) that
    its last layer, a linear map, made them of; None where it does not end in one.

    Where that layer is applied in several places of an example, the rows T stand before the last
    dimension: (L, B, T, C) and (L, B, T, H).
    """

    features: Tensor | None
    logits: Tensor

    def each(self, change: Callable[[Tensor], Tensor]) -> "Output":
        """The same with every tensor changed."""
        return Output(None if self.features is None else change(self.features), change(self.logits))


class LaneNetwork(nn.Module, ABC):
    """A network over lanes.

    ``widest``: elements of one example in the widest layer, which bounds how many examples fit in
    memory at once. ``last_layer_has_bias``: where it ends in a linear layer.
    """

    widest: int
    last_layer_has_bias: bool = True

    @abstractmethod
    def forward(self, x: Any) -> Output:
        """What a task shows its students, lanes and examples first, to features and logits."""

    def own_state(self) -> dict[str, Any]:
        """What training changes beside parameters and buffers, as `trainers.lanes.state` has it."""
        return {}

    def load_own_state(self, state: State) -> None:
        """Put back what `own_state` gave, for the lanes that are left."""

    def __call__(self, x: Any) -> Output:
        output: Output = super().__call__(x)
        return output
