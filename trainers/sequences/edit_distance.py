"""How many edits make one sequence another.

n pairs; numbers in (n, U), whatever is none behind their ends; lengths (n,).
"""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Lengths = NDArray[np.int64]


def edit_distances(a: Ids, of_a: Lengths, b: Ids, of_b: Lengths) -> NDArray[np.int64]:
    """Levenshtein's distance of each pair (n,): the fewest tokens to put in, take out or replace.

    Wagner and Fischer 1974, over all pairs at once.
    """
    n, most_a, most_b = len(a), int(of_a.max(initial=0)), int(of_b.max(initial=0))
    before = np.broadcast_to(np.arange(most_b + 1), (n, most_b + 1)).copy()
    found = before[np.arange(n), of_b].copy()
    for i in range(1, most_a + 1):
        now = np.empty_like(before)
        now[:, 0] = i
        replaced = before[:, :-1] + (a[:, i - 1 : i] != b[:, :most_b])
        taken_out = before[:, 1:] + 1
        cheapest = np.minimum(replaced, taken_out)
        for j in range(1, most_b + 1):
            now[:, j] = np.minimum(cheapest[:, j - 1], now[:, j - 1] + 1)
        ended = of_a == i
        found[ended] = now[ended, of_b[ended]]
        before = now
    return found
