"""Where a sweep's results come from, as the report tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from sweep.spec.spec import SweepSpec

# Without it a browser that is new to the dashboard is shown its pages on prompts and traces.
FOR_TRAINING = "workflowType=machine_learning"


@dataclass(frozen=True)
class Origin:
    """Where a sweep's results come from."""

    spec: SweepSpec
    state: str
    started: pd.Timestamp
    versions: Mapping[str, str]  # of what ran it, by name
    dashboard: str  # address of the sweep's experiment in MLflow
    parent_id: str
    is_served: bool  # by a server, rather than by whoever runs `almkd ui`
    questions_changed: str = ""  # the day on which other questions were declared about results
    taken_over: str = ""  # from which sweep how many runs were, in words
    extended: str = ""  # the day on which comparisons were added to results that were there
    comparisons_before: int = 0  # how many there were till then
    several: "tuple[Origin, ...]" = ()  # of a table over several sweeps, theirs

    @property
    def sweeps(self) -> "tuple[Origin, ...]":
        """Of each sweep whose results these are."""
        return self.several or (self,)

    @property
    def runs_page(self) -> str:
        """The address of the list of its runs."""
        return f"{self.dashboard}/runs?{FOR_TRAINING}"

    @property
    def parent_page(self) -> str:
        """The address of its parent run."""
        return f"{self.dashboard}/runs/{self.parent_id}?{FOR_TRAINING}"


def origin_of_several(spec: SweepSpec, origins: Sequence[Origin]) -> Origin:
    """Where the results of one table over several sweeps come from; ``spec``: of all of them."""
    states = dict.fromkeys(origin.state for origin in origins)
    unfinished = [state for state in states if state != "complete"]
    return replace(
        origins[0],
        spec=spec,
        state=unfinished[0] if unfinished else "complete",
        several=tuple(origins),
    )
