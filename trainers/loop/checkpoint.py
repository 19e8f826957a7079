"""What a cohort keeps while it trains, as bytes and back.

What is kept is a state as `trainers.lanes.state` has it, and plain values beside it.
"""

import io
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


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


def _on_cpu(content: Any) -> Any:
    """With tensors as they are now, each with a storage of its own: views would save all of it."""
    if isinstance(content, Tensor):
        return content.detach().cpu().clone()
    if isinstance(content, Mapping):
        return {name: _on_cpu(leaf) for name, leaf in content.items()}
    return content
