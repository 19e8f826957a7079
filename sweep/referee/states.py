"""The states of a run, the same words everywhere."""

from typing import Literal

State = Literal["running", "interrupted", "complete", "pruned", "failed"]

# A run in one of these is over; the others are taken up again.
ENDED: tuple[State, ...] = ("complete", "pruned", "failed")
