"""What lanes have in common, in memory once.

L lanes.
"""

from torch import Tensor


def once(x: Tensor) -> Tensor:
    """x (L, ...), its one row in memory once where all lanes have the same."""
    return x[:1].expand_as(x) if bool((x == x[:1]).all()) else x


def is_once(x: Tensor) -> bool:
    """Whether all lanes of x (L, ...) share the memory of one row."""
    return len(x) > 1 and x.stride(0) == 0
