"""Domains: what one hyperparameter may be in a search. Plain data, checked when made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]; ``log``: searched on a logarithmic scale, low above zero."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}]{' log' if self.log else ''}"


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high], both ends included."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}]{' log' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """One of a few values, without an order."""

    choices: tuple[str | int | float, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError("the list of choices is empty; name at least one")
        if len(set(self.choices)) != len(self.choices):
            raise ValueError(f"{list(self.choices)} names a choice twice; name each once")

    def __str__(self) -> str:
        return "{" + ", ".join(str(choice) for choice in self.choices) + "}"


Domain = Float | Int | Choice


def _check_range(low: float, high: float, log: bool) -> None:
    if not float("-inf") < low <= high < float("inf"):
        order = "low is above high" if low > high else "both ends must be finite numbers"
        raise ValueError(f"[{low:g}, {high:g}] is no range: {order}")
    if log and low <= 0:
        raise ValueError(f"a log range must lie above zero, but low is {low:g}; raise low")
