"""Groups of items by how often they were taken.

I items with n_i interactions each, K groups.

With c_i the interactions of all items that come before i, the most popular first, i is in group
floor(K c_i / sum n): at most K groups, each with its share of the interactions to within the
largest n_i.

Source: after UnKD's authors' code, whose groups are cut one by one and may be one more or less.
"""

import numpy as np
from numpy.typing import NDArray

# The group of items that nobody took.
NONE = -1


def popularity_groups(counts: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """The group of each item (I,), 0 the most popular; ties by the number of the item."""
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    found = np.full(len(counts), NONE)
    found[order] = groups * before // max(int(counts.sum()), 1)
    found[counts == 0] = NONE
    return found
