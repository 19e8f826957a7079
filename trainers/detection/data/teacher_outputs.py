"""What teachers say of pictures that do not change: asked for once, and kept.

n pictures that a teacher was asked about, N of the data set, T places, C classes, A features of a
place, M teachers of a lane.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.task import KeptOutputs

# Rows of the data set (n,), outputs (n, T, C + 4), features (n, T, A), and the variance of all of
# these, (1,); n is 0 where a teacher is asked anew, and A is told all the same.
ROWS, LOGITS, FEATURES, VARIANCE = "rows", "logits", "features", "variance"
# Bytes of what is kept of one teacher at most; beyond them it is asked at every step.
MOST_BYTES = 2**30
UNKNOWN = -1
LEAST_VARIANCE = 1e-12


def is_kept(pictures: int, places: int, numbers: int) -> bool:
    """Whether so many outputs and features are."""
    return pictures * places * numbers * 4 <= MOST_BYTES


def kept(rows: NDArray[np.int64], logits: Tensor, features: Tensor, variance: float) -> KeptOutputs:
    """What is kept of one that was asked about these rows, which may be none; of features that are
    all alike as if they varied a little, so that they can be divided by that."""
    return {
        ROWS: rows,
        LOGITS: logits.detach().cpu().to(torch.float32).numpy(),
        FEATURES: features.detach().cpu().to(torch.float32).numpy(),
        VARIANCE: np.array([max(variance, LEAST_VARIANCE)], np.float64),
    }


class TeacherOutputs:
    """What is known of the teachers of a cohort, one after the other in tables."""

    def __init__(
        self,
        outputs: Mapping[str, KeptOutputs],
        taught_by: Sequence[tuple[str, ...]],
        pictures: int,
        device: torch.device,
    ) -> None:
        """``taught_by``: the names of every lane's M teachers; ``pictures``: of the data set."""
        self._outputs = outputs
        names = list(dict.fromkeys(name for of_lane in taught_by for name in of_lane))
        self._device = device
        self._tables: dict[tuple[str, str], Tensor] = {}
        where = np.full((len(names), pictures), UNKNOWN)
        for number, name in enumerate(names):
            rows = outputs[name][ROWS]
            where[number, rows] = np.arange(len(rows))
        self._where = torch.as_tensor(where, device=device)
        self._number = {name: number for number, name in enumerate(names)}

    def knows(self, name: str, rows: Tensor) -> bool:
        """Whether a teacher was asked about all of these rows."""
        return not bool((self._where[self._number[name], rows] == UNKNOWN).any())

    def width(self, name: str) -> int:
        """A of one."""
        return int(self._outputs[name][FEATURES].shape[2])

    def variance(self, name: str) -> float:
        """That of its features."""
        return float(self._outputs[name][VARIANCE][0])

    def at(self, what: str, taught_by: Sequence[str], rows: Tensor) -> Tensor:
        """``LOGITS`` or ``FEATURES`` of rows (L, B) by a teacher for each lane, (L, B, T, ...).

        ValueError where one was not asked about some of them.
        """
        parts = []
        for name, own in zip(taught_by, rows, strict=True):
            place = self._where[self._number[name], own]
            if bool((place == UNKNOWN).any()):
                raise ValueError(
                    "what a teacher says of all pictures takes too much to be kept, and this "
                    "method looks at it between steps; take fewer pictures, or smaller ones"
                )
            parts.append(self._table(what, name)[place])
        return torch.stack(parts)

    def _table(self, what: str, name: str) -> Tensor:
        """One of the arrays on the device, once it was asked for."""
        if (what, name) not in self._tables:
            array = self._outputs[name][what]
            dtype = torch.get_default_dtype()
            self._tables[what, name] = torch.as_tensor(array, device=self._device, dtype=dtype)
        return self._tables[what, name]
