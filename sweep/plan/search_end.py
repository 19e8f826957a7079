"""Where searches were ended by a limit of time before their trials were over."""

import json
from dataclasses import asdict, dataclass

from sweep.plan.plan import Cell, Plan
from sweep.spec.spec import SweepSpec

# What sets a limit: the field of the spec, and the option of a launch.
FIELD, OPTION = "search.timeout", "--stop-after"


@dataclass(frozen=True)
class SearchEnd:
    """``trials``: those of each search, of ``planned``; ``limit``: what ended them, `FIELD` or
    `OPTION`; ``seconds``: what it allowed."""

    trials: int
    planned: int
    limit: str
    seconds: float

    @property
    def is_of_option(self) -> bool:
        """Whether a launch was told so, and not the spec."""
        return self.limit == OPTION

    def holds_for(self, spec: SweepSpec) -> bool:
        """Whether a launch of ``spec`` keeps to it: it asks for as much, within the same time."""
        same_time = self.is_of_option or self.seconds == spec.search.timeout
        return same_time and self.planned == spec.search.trials

    def __str__(self) -> str:
        return (
            f"The searches were ended by {self.limit} ({self.seconds:g} s): each has {self.trials} "
            f"of {self.planned} planned trials, {self.planned - self.trials} were left out."
        )

    def as_text(self) -> str:
        """For a store; `from_text` reads it."""
        return json.dumps(asdict(self))


def from_text(text: str) -> SearchEnd:
    """What `SearchEnd.as_text` wrote."""
    return SearchEnd(**json.loads(text))


def how_to_go_on(end: SearchEnd) -> str:
    """What has a later launch search on."""
    if end.is_of_option:
        return "The next launch goes on with them."
    return f"With another {end.limit}, or none, a launch goes on with them."


def trials_wanted(plan: Plan, cell: Cell, end: SearchEnd | None) -> int:
    """How many trials a search of ``cell`` comes to."""
    planned = plan.trials_of(cell)
    return min(planned, end.trials) if end else planned
