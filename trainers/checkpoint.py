"""What a cohort keeps while it trains, as bytes and back.

L lanes.

A state is a mapping by name. Its leaves are tensors (L, ...), lanes first, and plain numbers that
hold for all lanes; so lanes can be picked out of a state without knowing what it is of.
"""

import io
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

State = Mapping[str, Any]


class UnusableCheckpoint(Exception):
    """Bytes that hold no state; the message says in what way."""


def to_bytes(content: Mapping[str, Any]) -> bytes:
    """Tensors, numbers, texts, lists and mappings of these, as `from_bytes` reads them."""
    buffer = io.BytesIO()
    torch.save(_on_cpu(content), buffer)
    return buffer.getvalue()


def from_bytes(data: bytes) -> dict[str, Any]:
    """What `to_bytes` was given, on the CPU; UnusableCheckpoint if it cannot be read.

    Nothing but tensors and plain values is read, whatever the bytes hold.
    """
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise UnusableCheckpoint(f"cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise UnusableCheckpoint(f"holds a {type(content).__name__} and no state")
    return content


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


def _on_cpu(content: Any) -> Any:
    """With tensors as they are now, each with a storage of its own: views would save all of it."""
    if isinstance(content, Tensor):
        return content.detach().cpu().clone()
    if isinstance(content, Mapping):
        return {name: _on_cpu(leaf) for name, leaf in content.items()}
    return content
