"""How examples are cut into batches: no batch of one, unless there is no other.

A product with a single column takes another path through the linear algebra library, by the shape
of the whole stack, so that a lane would differ in its last bits from the same trial alone; and
normalisation over a batch of one has nothing to go by.
"""

import math


def batch_sizes(examples: int, size: int) -> list[int]:
    """Sizes of the batches: ``size`` each, and what is left; a single one joins the last."""
    full, left = divmod(examples, size)
    sizes = [size] * full
    if left == 1 and full:
        sizes[-1] += 1
    elif left:
        sizes.append(left)
    return sizes


def part_sizes(examples: int, parts: int) -> list[int]:
    """Sizes of the parts that a batch is computed in: so many at most, as equal as may be."""
    return batch_sizes(examples, math.ceil(examples / parts))
