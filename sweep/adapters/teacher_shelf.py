"""Trained teachers on disk, by content key: one safetensors file each, shared by all sweeps."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

Array = NDArray[np.float32]
LOGITS = "logits"


class TeacherShelf:
    """A directory of teachers: ``logits`` (N, C) on all examples, beside the parameters."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where the teacher of that key is kept."""
        return self._directory / f"{key}.safetensors"

    def put(self, key: str, logits: Array, parameters: Mapping[str, Array]) -> None:
        """Keep a teacher: written beside its place and renamed, so never seen half written."""
        tensors = {LOGITS: logits, **{f"parameter.{k}": p for k, p in parameters.items()}}
        beside = self._directory / f".{key}.{os.getpid()}"
        save_file({k: np.ascontiguousarray(t) for k, t in tensors.items()}, beside)
        os.replace(beside, self.path(key))

    def logits(self, keys: Iterable[str]) -> dict[str, Array]:
        """The logits of those teachers that are kept and can be read."""
        found = {}
        for key in keys:
            if self.path(key).exists():
                try:
                    with safe_open(self.path(key), framework="np") as file:
                        found[key] = file.get_tensor(LOGITS)
                except (SafetensorError, OSError):
                    continue
        return found
