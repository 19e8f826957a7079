"""What teachers say of sequences that do not change: their logits, asked for once.

L lanes, N examples of a split, n of which a teacher was asked, U columns of what it was shown, R
rows of logits of the longest example, V outputs, M teachers of a lane.

What is kept of a teacher says of which rows of the data set it was asked, and what it was shown of
their targets: where that is another draw of the noise, it is asked again.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.task import KeptOutputs

ROWS, SHOWN, STARTS, LOGITS = "rows", "responses", "starts", "logits"
# Bytes of logits that are kept of one teacher at most; beyond them it is asked at every step.
MOST_BYTES = 2**30
# Marks examples of which nothing is known.
UNKNOWN = -1


def is_kept(rows: int, outputs: int) -> bool:
    """Whether so many rows of logits are."""
    return rows * outputs * 4 <= MOST_BYTES


def kept(
    rows: NDArray[np.int64], shown: NDArray[Any], lengths: NDArray[np.int64], logits: Tensor
) -> KeptOutputs:
    """What is kept of a teacher, from its logits (n, R, V) for examples at ``rows`` (n,): those of
    the first ``lengths`` (n,) rows alone, one after the other, and where each example ``starts``.

    ``shown`` (n, U): what it saw of their targets; U is 0 where it sees nothing of them.
    """
    there = np.arange(logits.shape[1]) < lengths[:, None]
    starts = np.concatenate([[0], lengths.cumsum()[:-1]]).astype(np.int64)
    flat = logits.detach().cpu().to(torch.float32)[torch.as_tensor(there)]
    return {ROWS: rows, SHOWN: shown, STARTS: starts, LOGITS: flat.numpy()}


def nothing_kept(shown: NDArray[Any], outputs: int) -> KeptOutputs:
    """Of a teacher that is asked anew; ``shown``: the first of what it sees, or more."""
    none = np.zeros(0, np.int64)
    return kept(none, shown[:0], none, torch.zeros(0, 0, outputs))


class TeacherLogits:
    """One table of logits, and where in it each example begins."""

    def __init__(self, outputs: Mapping[str, KeptOutputs], examples: int, like: Tensor) -> None:
        """``outputs``: of teachers by name; ``examples``: of the data set; ``like``: an empty table
        (0, V)."""
        self._tables = [like]
        self._size = 0
        self._known: dict[str, tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]] = {}
        for name, arrays in outputs.items():
            place = np.full(examples, UNKNOWN)
            place[arrays[ROWS]] = np.arange(len(arrays[ROWS]))
            starts = self._size + np.asarray(arrays[STARTS])
            self._known[name] = (place, np.asarray(arrays[SHOWN]), starts)
            self.add(torch.as_tensor(arrays[LOGITS], device=like.device).to(like))

    def add(self, logits: Tensor) -> int:
        """Take more logits (n, V) in; where they start."""
        start = self._size
        if len(logits):
            self._tables.append(logits)
            self._size += len(logits)
        return start

    def starts(
        self, teacher: str, rows: NDArray[np.int64], targets: NDArray[Any]
    ) -> NDArray[np.int64]:
        """Where the logits for examples (N,) with these targets (N, U) begin; `UNKNOWN` where the
        teacher was not asked about them."""
        place, known, starts = self._known[teacher]
        found = np.full(len(rows), UNKNOWN)
        if not len(known):
            return found
        at = place[rows]
        same = at != UNKNOWN
        if known.shape[1]:
            same &= (known[at] == targets).all(1)
        found[same] = starts[at[same]]
        return found

    def at(self, starts: Tensor, lengths: Tensor, columns: int) -> Tensor:
        """Logits (L, M, B, R, V) of ``columns`` rows R for examples that start at (L, M, B) and
        have so many (L, B); behind their end they are of some row."""
        if not starts.shape[1]:
            lanes, _, examples = starts.shape
            return self._table.new_zeros(lanes, 0, examples, columns, self._table.shape[1])
        column = torch.arange(columns, device=starts.device)
        last = lengths.unsqueeze(-1).clamp(min=1) - 1
        places = starts.unsqueeze(3) + torch.minimum(column, last).unsqueeze(1)
        flat = self._table.index_select(0, places.flatten())
        return flat.view(*places.shape, -1)

    @property
    def _table(self) -> Tensor:
        if len(self._tables) > 1:
            self._tables = [torch.cat(self._tables)]
        return self._tables[0]
