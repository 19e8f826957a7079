"""Batches of which teachers may be asked about some examples alone: these come first in each.

L lanes, N examples of the training split, A of them asked about, E examples of an epoch.

All lanes have as many of them in the same batch, so that a method is given a part of the batch with
(L, A_b) examples and knows of no other; the rest of the batch has the label's loss.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor


def asked_counts(sizes: Sequence[int], asked: int, examples: int) -> list[int]:
    """How many of each batch are asked about, in proportion: A of every N.

    Never one alone, as `trainers.lanes.batches` has no batch of one: it waits for the next, or, if
    there is none, goes into an earlier batch that has some and room, or is left over.
    """
    counts: list[int] = []
    taken = 0
    for seen in accumulate(sizes):
        due = seen * asked // examples - taken
        counts.append(0 if due == 1 else due)
        taken += counts[-1]
    if sum(sizes) * asked // examples > taken:
        for place in reversed(range(len(sizes))):
            if 0 < counts[place] < sizes[place]:
                counts[place] += 1
                break
    return counts


def asked_first(
    order: Tensor, asked: Tensor, sizes: Sequence[int], counts: Sequence[int]
) -> Tensor:
    """Places (L, E) for batches of these sizes, each beginning with so many that are asked about.

    ``order``: whole passes over the N places, (L, P N), enough for both kinds, which keep the order
    that they have there. ``asked`` (L, N): as many in every lane.
    """
    may_ask = asked.gather(1, order)
    some, others = order[may_ask].view(len(order), -1), order[~may_ask].view(len(order), -1)
    parts, used, left = [], 0, 0
    for size, count in zip(sizes, counts, strict=True):
        parts += [some[:, used : used + count], others[:, left : left + size - count]]
        used, left = used + count, left + size - count
    return torch.cat(parts, dim=1)
