"""What teachers say of responses that do not change: their logits, asked for once.

L lanes, N examples of a split, n of which a teacher was asked, R columns of responses, V tokens,
M teachers of a lane, T distinct teachers in the cohort.

What is kept of a teacher says of which rows of the data set it was asked, and with which responses:
those of another draw of the noise have other prefixes, and it is asked again.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.language.data.dataset import Ids
from trainers.task import KeptOutputs

ROWS, RESPONSES, STARTS, LOGITS = "rows", "responses", "starts", "logits"
# Bytes of logits that are kept of one teacher at most; beyond them it is asked at every step.
MOST_BYTES = 2**30
# Marks examples of which nothing is known.
UNKNOWN = -1


def is_kept(responses: Ids, vocabulary: int) -> bool:
    """Whether the logits for so many tokens are."""
    return int((responses != PADDING).sum()) * vocabulary * 4 <= MOST_BYTES


def kept(rows: NDArray[np.int64], responses: Ids, logits: Tensor) -> KeptOutputs:
    """What is kept of a teacher, from its logits (n, R, V) for examples at ``rows`` (n,): those of
    tokens alone, one after the other, and where each response ``starts`` (n,)."""
    there = responses != PADDING
    starts = np.concatenate([[0], there.sum(1).cumsum()[:-1]]).astype(np.int64)
    flat = logits.detach().cpu().to(torch.float32)[torch.as_tensor(there)]
    return {ROWS: rows, RESPONSES: responses, STARTS: starts, LOGITS: flat.numpy()}


def nothing_kept(columns: int, vocabulary: int) -> KeptOutputs:
    """Of a teacher that is asked anew."""
    none = np.zeros((0, columns), np.int32)
    return kept(np.zeros(0, np.int64), none, torch.zeros(0, columns, vocabulary))


class TeacherLogits:
    """One table of logits, and where in it each example begins."""

    def __init__(self, outputs: Mapping[str, KeptOutputs], examples: int, like: Tensor) -> None:
        """``outputs``: of T teachers by name; ``examples``: of the data set; ``like``: an empty
        table (0, V)."""
        self._tables = [like]
        self._size = 0
        self._known: dict[str, tuple[NDArray[np.int64], Ids, NDArray[np.int64]]] = {}
        for name, arrays in outputs.items():
            place = np.full(examples, UNKNOWN)
            place[arrays[ROWS]] = np.arange(len(arrays[ROWS]))
            starts = self._size + np.asarray(arrays[STARTS])
            self._known[name] = (place, np.asarray(arrays[RESPONSES]), starts)
            self.add(torch.as_tensor(arrays[LOGITS], device=like.device).to(like))

    def add(self, logits: Tensor) -> int:
        """Take more logits (n, V) in; where they start."""
        start = self._size
        if len(logits):
            self._tables.append(logits)
            self._size += len(logits)
        return start

    def starts(self, teacher: str, rows: NDArray[np.int64], responses: Ids) -> NDArray[np.int64]:
        """Where the logits for examples (N,) with these responses begin; `UNKNOWN` where the
        teacher was not asked about them."""
        place, known, starts = self._known[teacher]
        found = np.full(len(rows), UNKNOWN)
        if not len(known):
            return found
        at = place[rows]
        same = (at != UNKNOWN) & (known[at] == responses).all(1)
        found[same] = starts[at[same]]
        return found

    def at(self, starts: Tensor, tokens: Tensor) -> Tensor:
        """Logits (L, M, B, R, V) for responses (L, B, R) that start at (L, M, B); behind the end of
        a response they are of some token."""
        if not starts.shape[1]:
            lanes, _, examples = starts.shape
            return self._table.new_zeros(lanes, 0, examples, tokens.shape[2], self._table.shape[1])
        column = torch.arange(tokens.shape[2], device=starts.device)
        last = (tokens != PADDING).sum(2, keepdim=True).clamp(min=1) - 1
        places = starts.unsqueeze(3) + torch.minimum(column, last).unsqueeze(1)
        flat = self._table.index_select(0, places.flatten())
        return flat.view(*places.shape, -1)

    @property
    def _table(self) -> Tensor:
        if len(self._tables) > 1:
            self._tables = [torch.cat(self._tables)]
        return self._tables[0]
