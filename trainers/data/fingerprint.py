"""A digest of what a data set holds, whatever task it is of."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from trainers.data.dataset import Dataset, DatasetInfo

# In bytes.
SIZE = 16


def fingerprint(dataset: Dataset) -> str:
    """Equal for data sets that hold the same, however their files are packed; 32 hex digits.

    What counts is the fields of a dataclass, else the attributes: arrays (type, shape and values),
    plain values, and lists, mappings and dataclasses of them. Any other object counts by its class
    alone, since nothing says whether it is the same in another process.
    """
    digest = hashlib.blake2b(digest_size=SIZE)
    _add(_parts(dataset), digest)
    return digest.hexdigest()


def _parts(of: Any) -> Mapping[str, Any]:
    """By name, without those that are None: a class may get another such field later. What is told
    of the data is no part of them."""
    names = [field.name for field in fields(of)] if is_dataclass(of) else vars(of)
    parts = {name: getattr(of, name) for name in names}
    return {
        name: part
        for name, part in parts.items()
        if part is not None and not isinstance(part, DatasetInfo)
    }


def _add(value: Any, digest: "hashlib.blake2b") -> None:
    """Every part with its kind and length, so that no two values give the same bytes."""
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        _add_array(np.asarray(value), digest)
    elif value is None or isinstance(value, bool | int | float | str | bytes):
        _say(digest, type(value).__name__, repr(value))
    elif isinstance(value, Mapping):
        _say(digest, "mapping", str(len(value)))
        for key in sorted(value, key=repr):
            _add(key, digest)
            _add(value[key], digest)
    elif isinstance(value, list | tuple):
        _say(digest, "list", str(len(value)))
        for part in value:
            _add(part, digest)
    elif is_dataclass(value) and not isinstance(value, type):
        _add(_parts(value), digest)
    else:
        _say(digest, "object", type(value).__qualname__)


def _add_array(array: np.ndarray[Any, Any], digest: "hashlib.blake2b") -> None:
    if array.dtype.hasobject:
        _add(array.tolist(), digest)
        return
    _say(digest, array.dtype.str, str(array.shape))
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _say(digest: "hashlib.blake2b", kind: str, text: str) -> None:
    encoded = f"{kind} {text}".encode("utf-8", "surrogatepass")
    digest.update(f"{len(encoded)} ".encode())
    digest.update(encoded)
