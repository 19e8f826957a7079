"""The hyperparameters of a cohort, stacked over lanes.

L lanes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trainers.fields import Field, Value

TEMPERATURE = "temperature"


@dataclass(frozen=True)
class LaneValues:
    """The hyperparameters of every lane: numbers as tensors (L,), words as lists."""

    numbers: Mapping[str, Tensor]
    words: Mapping[str, tuple[Value, ...]]

    def keep(self, lanes: Tensor) -> "LaneValues":
        """The same for ``lanes`` (indices) alone."""
        chosen = lanes.tolist()
        return LaneValues(
            {name: t[lanes] for name, t in self.numbers.items()},
            {name: tuple(w[i] for i in chosen) for name, w in self.words.items()},
        )

    def at_temperature(self, tau: float) -> "LaneValues":
        """The same with another temperature in every lane; without one if there was none."""
        if TEMPERATURE not in self.numbers:
            return self
        changed = {TEMPERATURE: torch.full_like(self.numbers[TEMPERATURE], tau)}
        return replace(self, numbers={**self.numbers, **changed})


def stack_values(
    hyperparameters: Sequence[Field],
    lanes: Sequence[Mapping[str, Value]],
    device: torch.device,
) -> LaneValues:
    """Each lane's values, the default where a lane names none."""
    numbers, words = {}, {}
    for h in hyperparameters:
        values = tuple(lane.get(h.name, h.default) for lane in lanes)
        if h.kind == "choice" or h.words:
            words[h.name] = values
        else:
            numbers[h.name] = torch.tensor([float(v) for v in values], device=device)
    return LaneValues(numbers, words)
