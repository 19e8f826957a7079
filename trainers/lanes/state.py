"""The state of lanes: what training changes, as mappings by name.

L lanes.

The leaves of a state are tensors (L, ...), lanes first, and plain numbers that hold for all lanes;
so lanes can be picked out of a state without knowing what it is of.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

State = Mapping[str, Any]


def pick(state: State, lanes: Tensor, device: torch.device) -> dict[str, Any]:
    """The state of ``lanes`` (indices) alone, on ``device``."""
    return {
        name: pick(leaf, lanes, device)
        if isinstance(leaf, Mapping)
        else leaf[lanes].to(device)
        if isinstance(leaf, Tensor)
        else leaf
        for name, leaf in state.items()
    }


def merged(states: Sequence[State]) -> dict[str, Any]:
    """The states of several lanes, or stacks of them, as one; plain numbers are those of all."""
    first = states[0]
    if len(states) == 1:
        return dict(first)
    return {
        name: merged([state[name] for state in states])
        if isinstance(leaf, Mapping)
        else torch.cat([state[name] for state in states])
        if isinstance(leaf, Tensor)
        else leaf
        for name, leaf in first.items()
    }


def same_names(a: State, b: State) -> bool:
    """Whether two states are of the same things, down to the last mapping."""
    return a.keys() == b.keys() and all(
        same_names(a[name], b[name])
        for name in a
        if isinstance(a[name], Mapping) and isinstance(b[name], Mapping)
    )


def places(generators: Sequence[torch.Generator]) -> Tensor:
    """How far every lane's generator is in its stream: (L, bytes)."""
    return torch.stack([generator.get_state() for generator in generators])


def wind(generators: Sequence[torch.Generator], to: Tensor) -> None:
    """Put every lane's generator to where `places` found it."""
    for generator, place in zip(generators, to.cpu(), strict=True):
        # A copy: torch reads the storage from its start, whatever part of it the view is of.
        generator.set_state(place.clone())


def numbered(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    """A sequence of tensors (L, ...) as part of a state."""
    return {str(i): tensor for i, tensor in enumerate(tensors)}
