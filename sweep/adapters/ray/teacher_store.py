"""Trained teachers on disk, by content key: one safetensors file each, shared by all sweeps."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

Array = NDArray[Any]
Outputs = Mapping[str, Array]
PARAMETER = "parameter."
# In a file's own header: the digest of all of it; what the teacher reached.
DIGEST, MEASURED = "sha256", "measured"


class DamagedTeacher(Exception):
    """A file that is not what was written; the message says in what way."""


class TeacherStore:
    """A directory of teachers: what their task keeps of them, beside their weights."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where the teacher of that key is kept."""
        return self._directory / f"{key}.safetensors"

    def put(
        self,
        key: str,
        outputs: Outputs,
        parameters: Mapping[str, Array],
        measured: Mapping[str, float] | None = None,
    ) -> None:
        """Keep a teacher: written beside its place and renamed, so never seen half written.

        ``measured``: its metrics at the epoch that counts, for sweeps that find it here.
        """
        named = {**outputs, **{f"{PARAMETER}{k}": p for k, p in parameters.items()}}
        tensors = {k: np.ascontiguousarray(t) for k, t in named.items()}
        beside = self._directory / f".{key}.{os.getpid()}"
        told = json.dumps(dict(measured or {}))
        header = {DIGEST: _digest(tensors, told), MEASURED: told}
        save_file(tensors, beside, metadata=header)
        os.replace(beside, self.path(key))

    def outputs(self, keys: Iterable[str]) -> tuple[dict[str, Outputs], list[str]]:
        """What is kept of those teachers that are there, and a line on each damaged file.

        A damaged teacher counts as not kept: it is trained and put here again.
        """
        found: dict[str, Outputs] = {}
        damaged = []
        for key in keys:
            if self.path(key).exists():
                try:
                    tensors = _read(self.path(key))
                    found[key] = {
                        name: t for name, t in tensors.items() if not name.startswith(PARAMETER)
                    }
                except DamagedTeacher as error:
                    damaged.append(f"{self.path(key)}: {error}; this teacher is trained again")
        return found, damaged

    def measured(self, key: str) -> dict[str, float]:
        """The metrics of a teacher that is kept; nothing where an earlier version kept none."""
        with safe_open(self.path(key), framework="np") as file:
            found: dict[str, float] = json.loads((file.metadata() or {}).get(MEASURED, "{}"))
        return found

    def weights(self, key: str) -> dict[str, Array]:
        """Parameters and buffers of a teacher that is kept; DamagedTeacher if it cannot be read."""
        tensors = _read(self.path(key))
        return {k.removeprefix(PARAMETER): t for k, t in tensors.items() if k.startswith(PARAMETER)}


def _read(path: Path) -> dict[str, Array]:
    """All tensors of a file, checked against its digest."""
    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise DamagedTeacher(f"cannot be read ({error})") from None
    # Of earlier versions it is of the tensors alone.
    digests = _digest(tensors, header.get(MEASURED, "")), _digest(tensors, "")
    if header.get(DIGEST) not in digests:
        raise DamagedTeacher("does not hold what was written (its checksum differs)")
    return tensors


def _digest(tensors: Mapping[str, Array], measured: str) -> str:
    """A checksum over names, types, shapes and values, and over what the teacher reached."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    digest.update(measured.encode())
    return digest.hexdigest()
