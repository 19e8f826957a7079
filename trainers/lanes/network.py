"""What every student and teacher is: a network over lanes.

L lanes, B examples, H features of the last layer, C outputs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, cast

from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

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
    memory at once. ``last_layer_has_bias``: where it ends in a linear layer. ``inside``: what the
    names of its parameters begin with where those of `single` do not. ``of_data``: buffers that say
    on what a lane trains; weights that are put in leave them as they are.
    """

    widest: int
    last_layer_has_bias: bool = True
    inside: str = ""
    of_data: frozenset[str] = frozenset()

    @abstractmethod
    def forward(self, x: Any) -> Output:
        """What a task shows its students, lanes and examples first, to features and logits."""

    @property
    def last_layer(self) -> tuple[Tensor, ...]:
        """The weight (L, C, H) and, where there is one, the bias (L, C) of the linear layer that it
        ends in, here its ``head``; ValueError where it has none of that name."""
        head = getattr(self, "head", None)
        if not isinstance(head, nn.Module):
            raise ValueError(f"{type(self).__name__}: has no last layer called head; call it so")
        bias = self.last_bias
        weight = cast(Tensor, head.weight)
        return (weight,) if bias is None else (weight, bias)

    @property
    def last_bias(self) -> nn.Parameter | None:
        """The bias (L, C) of the linear layer that it ends in, as a parameter of its own; None
        where there is none, or it does not say."""
        return None

    def begin_epoch(self, share: float) -> None:
        """Called before each epoch of training with the share of it, or of its phase, that is
        over."""

    def beside(self) -> tuple[float, Output] | None:
        """In training: the output of another head for the batch that was seen last, with the weight
        of the label's loss at it, which is added to what a method loses. None: it has none."""
        return None

    def held(self) -> dict[str, Tensor]:
        """Parameters and buffers (L, ...) by name, as far as they are its own: what is kept of it;
        not what networks of a process share."""
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def own_state(self) -> dict[str, Any]:
        """What training changes beside parameters and buffers, as `trainers.lanes.state` has it."""
        return {}

    def load_own_state(self, state: State) -> None:
        """Put back what `own_state` gave, for the lanes that are left."""

    def alone(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What a student by itself has in place of the weights of a lane, where that is of another
        form: without what all lanes share, say."""
        return weights

    def fit(self, names: Collection[str]) -> None:
        """Be of the form whose weights have these names, before they are put in: that of a student
        by itself, say."""

    def single(self) -> nn.Module:
        """The only lane of this network, which is used up, as a plain module: parameters and
        buffers have no dimension of lanes, examples (B, ...) give logits (B, ..., C)."""
        return SingleLane(self)

    def __call__(self, x: Any) -> Output:
        output: Output = super().__call__(x)
        return output


class SingleLane(nn.Module):
    """A network over one lane that takes examples without it: ``(B, ...) -> (B, ..., C)``.

    It has the layers of that network by their names, with the dimension of lanes gone from all that
    they hold.
    """

    def __init__(self, network: LaneNetwork) -> None:
        super().__init__()
        for tensor in [*network.parameters(), *network.buffers()]:
            tensor.data = tensor.data.squeeze(0)
        for name, layer in network.named_children():
            self.add_module(name, layer)
        for name, parameter in network.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, buffer in network.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        # Not a layer of this module: its layers are, under names that do not show it.
        self._over_lanes = (network,)

    def forward(self, x: Any) -> Tensor:
        (network,) = self._over_lanes
        held = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        stacked = {name: tensor.unsqueeze(0) for name, tensor in held.items()}
        output: Output = functional_call(network, stacked, (tree_map(lambda t: t.unsqueeze(0), x),))
        return output.logits.squeeze(0)

    def train(self, mode: bool = True) -> "SingleLane":
        for network in self._over_lanes:
            network.train(mode)
        return super().train(mode)
