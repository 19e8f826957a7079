"""What a hyperparameter of a method is: its legal range, its default and where that comes from."""

import sys
from dataclasses import dataclass
from typing import Literal

Value = float | int | str


@dataclass(frozen=True)
class Hyperparameter:
    """A named number or choice of a method.

    ``low`` and ``high`` bound what is legal, both included (``open_low``: low itself excluded);
    what is searched is a matter of the search space. ``choices`` replaces them for words.
    ``words`` are words a number may be given as instead (``"uniform"`` for a random start).
    """

    name: str
    kind: Literal["float", "int", "choice"]
    default: Value
    meaning: str
    source: str
    low: float = float("-inf")
    high: float = float("inf")
    open_low: bool = False
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def problem(self, value: object) -> str | None:
        """Why ``value`` is not legal, or None."""
        if self.kind == "choice":
            return None if value in self.choices else f"must be one of {', '.join(self.choices)}"
        if isinstance(value, str) and value in self.words:
            return None
        number = int if self.kind == "int" else (int, float)
        if isinstance(value, bool) or not isinstance(value, number):
            also = f" or one of {', '.join(self.words)}" if self.words else ""
            return f"must be {'an integer' if self.kind == 'int' else 'a number'}{also}"
        assert isinstance(value, int | float)
        # An integer may be too large for a float, and NaN is in no range though it is outside none.
        if not abs(value) <= sys.float_info.max:
            return "must be a finite number"
        if value < self.low or value > self.high or (self.open_low and value == self.low):
            return f"must be in {self.legal_range()}"
        return None

    def legal_range(self) -> str:
        """The legal range in words, e.g. ``(0, inf)``."""
        left = "(" if self.open_low or self.low == float("-inf") else "["
        right = ")" if self.high == float("inf") else "]"
        return f"{left}{self.low:g}, {self.high:g}{right}"


LR = Hyperparameter(
    "lr", "float", 0.1, "learning rate at the first epoch", "authors' code, CIFAR",
    low=0.0, open_low=True,
)  # fmt: skip
WEIGHT_DECAY = Hyperparameter(
    "weight_decay", "float", 5e-4, "L2 penalty in the gradient", "authors' code", low=0.0
)
TEMPERATURE = Hyperparameter(
    "temperature", "float", 4.0, "softening of teacher and student", "authors' code",
    low=0.0, open_low=True,
)  # fmt: skip
ALPHA = Hyperparameter(
    "alpha", "float", 0.9, "weight of the teacher; 1 - alpha is the label's",
    "Hinton et al. 2015; common default", low=0.0, high=1.0,
)  # fmt: skip
NET_LR = Hyperparameter(
    "net_lr", "float", 1e-3, "Adam's step size for the weighting net", "code of Meta-Weight-Net",
    low=0.0,
)  # fmt: skip
