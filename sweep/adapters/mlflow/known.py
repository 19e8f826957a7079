"""What a writer has to know of a sweep that is in the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sweep.plan.content import Fingerprints
from sweep.plan.data_inputs import DataInput
from sweep.plan.search_end import SearchEnd
from sweep.referee.states import State

# The metric that tells how far a run's curves go.
EPOCHS = "epochs_trained"
# Logged once, when a run ends, beside what the names of curves begin with.
EXAMPLES, STEPS = "train_examples", "steps_per_epoch"

# A tag of a child run: when a process began to train it, in milliseconds since 1970. For MLflow a
# run begins when its cohort is handed out, which may then wait for a process.
TRAINED_FROM = "trained_from"

# A tag of the parent run: where a limit of time ended the searches.
SEARCH_END = "search_end"

STATUS: Mapping[State, str] = {
    "running": "RUNNING",
    "interrupted": "KILLED",
    "complete": "FINISHED",
    "pruned": "KILLED",
    "failed": "FAILED",
}


@dataclass(frozen=True)
class KnownRun:
    """A child run that is in the store: its id, state, the last epoch of its curves, and the best
    validation value of the objective, if it has one."""

    run_id: str
    state: State
    epochs: int
    best: float | None = None


@dataclass(frozen=True)
class SweepRuns:
    """A sweep in the store: its experiment, its parent run, the child runs it has, by key.

    ``fingerprints``: those in the keys of its teachers (`sweep.plan.content`); ``search_end``:
    where its searches were ended, if this launch keeps to that; ``data``: what it reads, by
    content key.
    """

    uri: str
    experiment_id: str
    parent_id: str
    children: Mapping[str, KnownRun] = field(default_factory=dict)
    fingerprints: Fingerprints = field(default_factory=dict)
    search_end: SearchEnd | None = None
    data: Mapping[str, DataInput] = field(default_factory=dict)
