"""How many clean labels a cell reads, and for what. Pure."""

from dataclasses import dataclass

from sweep.plan.plan import Cell, Plan
from trainers.data.splits import share_of
from trainers.loading import counts

# What is said of a row that reads no clean label.
NONE = "none"
UNEQUAL = (
    "They are information that no other row may use: rows with clean: train would show what the"
    " same labels are worth without learning weights."
)
# A column of tables, and a parameter of runs.
CLEAN_LABELS = "clean_labels"


@dataclass(frozen=True)
class CleanLabels:
    """Clean labels by what they are for; the same may be for both. Counts of examples where they
    are known before any file is read, else shares: of the data set, or what ``of`` says."""

    held_out: float
    trained: float
    counted: bool
    of: str = "the data"

    def __str__(self) -> str:
        """ "none", "179 held out", "90 held out, 89 trained on", "179 held out and trained on"."""
        if not self.held_out and not self.trained:
            return NONE
        if self.held_out == self.trained:
            return f"{self._text(self.held_out)} held out and trained on"
        uses = ((self.held_out, "held out"), (self.trained, "trained on"))
        return ", ".join(f"{self._text(number)} {use}" for number, use in uses if number)

    def _text(self, number: float) -> str:
        return f"{number:.0f}" if self.counted else f"{100 * number:g} % of {self.of}"


def unequal_note(plan: Plan) -> str:
    """A sentence where rows that learn weights alone read the clean labels; else empty."""
    used = {True: False, False: False}
    for cell in plan.cells:
        used[cell.entry.uses_meta] |= str(clean_labels(cell)) != NONE
    others = any(not cell.entry.uses_meta for cell in plan.cells)
    if not (used[True] and others) or used[False]:
        return ""
    learners = dict.fromkeys(c.use.label for c in plan.cells if c.entry.uses_meta)
    return f"Clean labels are read by {', '.join(learners)} alone. {UNEQUAL}"


def clean_labels(cell: Cell) -> CleanLabels:
    """What a cell's students read of the meta split, where no noise falls on it."""
    data, use = cell.spec.data_settings(), cell.use.clean_use
    share, of = data.fractions.clean or data.fractions.meta, "the data"
    if not share:
        # How many there are, only the user's own splits tell.
        share, of = 1.0, "the meta split"
    # A task that deals rows to splits in its own way has about so many.
    own = cell.spec.task_entry.split_rows is not None
    found = counts(data) if of == "the data" and not own else None
    # How many of them are an official test part, only the files tell.
    pool = found[0] if found and data.fractions.test is not None else None
    whole = share if pool is None else float(share_of(share, pool))
    # Of an odd number one more is held out.
    half = whole / 2 if pool is None else float(whole // 2)
    if "meta" in data.noise.splits:
        return CleanLabels(0.0, 0.0, counted=True)
    held_out = 0.0
    if cell.entry.uses_meta:
        held_out = whole - half if use == "split" else whole
    trained = {"withhold": 0.0, "train": whole, "split": half}[use]
    return CleanLabels(held_out, trained, pool is not None, of)
