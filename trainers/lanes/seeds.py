"""Random numbers as arguments: one seed per lane, one independent stream per purpose.

A seed *s* names a split, its corrupted labels, the first student and the order of its batches.
Each of these draws from a stream of its own, so that a method that draws more numbers for one
purpose (ALM-KD starts its weights at random) leaves all others as they are for every method.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def stream(seed: int, *purpose: str | float) -> int:
    """A 63-bit seed that depends on nothing but ``seed`` and the words of ``purpose``."""
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, *purpose: str | float) -> "torch.Generator":
    """A CPU generator on that stream; draws on the CPU are the same whatever trains."""
    # Here and not above: whoever plans a sweep needs seeds, but not two seconds of loading torch.
    import torch

    return torch.Generator().manual_seed(stream(seed, *purpose))


def numpy_generator(seed: int, *purpose: str | float) -> np.random.Generator:
    """The same for numpy."""
    return np.random.default_rng(stream(seed, *purpose))
