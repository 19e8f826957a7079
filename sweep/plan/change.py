"""Which changes to a spec go on with the same sweep, and which make it another one."""

import json
from collections.abc import Collection
from typing import Any

from sweep.errors import BadInput
from sweep.plan.leaves import changed_leaves, differences, lost_leaves
from sweep.plan.plan import Cell, Plan
from sweep.spec.spec import SweepSpec

# Larger is an extension: what is there is kept, and more of the same is run.
MAY_GROW = (
    "search.trials", "search.shortlist.configurations", "search.shortlist.seeds", "confirm.seeds",
)  # fmt: skip
# In place of none, an extension too.
SHORTLIST = "search.shortlist"
# More conditions and rows are an extension too, if the cells that are there stay what they are.
MAY_ADD = (
    "conditions.noise_kind", "conditions.noise_rate", "conditions.teacher_labels",
    "conditions.vary.", "methods",
)  # fmt: skip
# Where a range may be added; for a cell that is there it would be another space.
RANGES = ("search.own.", "search.shared.")
QUESTIONS = "compare.questions"
# Another one has searches go on that the one before ended.
TIMEOUT = "search.timeout"
# Says nothing about what is trained.
MAY_CHANGE = ("description", "resources.", "confirm.keep_students", TIMEOUT, QUESTIONS)
ELSE = "Undo that, or give the new one its own name with --fork NAME"


def refuse_change(before: SweepSpec, now: SweepSpec) -> None:
    """BadInput where ``now`` is neither the spec that was launched nor an extension of it."""
    found = _between(before, now)
    differing = [
        leaf
        for path, old, new in found
        if not _is_allowed(path, old, new)
        for leaf in changed_leaves(path, old, new)
    ]
    if differing:
        raise BadInput(f"{_launched(now)}{'; '.join(differing)}. {ELSE}")
    if any(path.startswith((*MAY_ADD, *RANGES)) for path, _, _ in found):
        _refuse_other_cells(before, now)


def grows(before: SweepSpec, now: SweepSpec) -> bool:
    """Whether ``now`` asks for more than ``before``."""
    grown = (*MAY_GROW, *MAY_ADD, SHORTLIST)
    return any(path.startswith(grown) for path, _, _ in _between(before, now))


def asks_otherwise(before: SweepSpec, now: SweepSpec) -> bool:
    """Whether ``now`` declares other questions about the same results."""
    return any(path.startswith(QUESTIONS) for path, _, _ in _between(before, now))


def _refuse_other_cells(before: SweepSpec, now: SweepSpec) -> None:
    """BadInput where a row or a cell that was launched is not there any more, or is another."""
    found = _between(before, now)
    lost = [leaf for difference in found for leaf in lost_leaves(*difference)]
    old, new = Plan(before), Plan(now)
    there = {cell.id: content_of(new, cell) for cell in new.cells}
    changed = [cell for cell in old.cells if there.get(cell.id) != content_of(old, cell)]
    lost += [
        leaf
        for path, was, is_now in found
        if path.startswith(RANGES) and any(_reads_range(cell, path) for cell in changed)
        for leaf in changed_leaves(path, was, is_now)
    ]
    fewer = [cell for cell in old.cells if _has_fewer(new, there, old, cell)]
    if fewer and not changed:
        raise BadInput(
            f"the sweep {now.name!r} has searched {fewer[0].id} for {old.trials_of(fewer[0])} "
            f"trials; with what was added its budget of compute would be smaller. {ELSE}"
        )
    rows = {use.label: use for use in now.methods}
    if changed or any(rows.get(use.label) != use for use in before.methods):
        others = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
        which = f" Cells that change: {', '.join(c.id for c in changed[:3])}{others}."
        raise BadInput(
            f"{_launched(now)}{'; '.join(lost) or 'the names of cells'}."
            f"{which if changed else ''} Rows and conditions may be added beside those that are "
            f"there. {ELSE}"
        )
    if old.generation != new.generation:
        raise BadInput(
            f"the sweep {now.name!r} asks for trials in generations of {old.generation}; with what "
            f"was added it would be {new.generation}, and its searches others. {ELSE}"
        )


def _has_fewer(new: Plan, there: Collection[str], old: Plan, cell: Cell) -> bool:
    """Whether a search that is there would have fewer trials."""
    return cell.id in there and new.trials_of(new.cell(cell.id)) < old.trials_of(cell)


def _launched(now: SweepSpec) -> str:
    return f"the sweep {now.name!r} was launched with another spec; these fields differ: "


def _reads_range(cell: Cell, path: str) -> bool:
    """Whether a cell has what is named by ``search.own.LABEL…`` or ``search.shared.NAME…``."""
    _, part, name, *_ = path.split(".")
    return name == cell.use.label if part == "own" else cell.entry.has(name)


def content_of(plan: Plan, cell: Cell) -> str:
    """All that decides what a cell trains, its budget aside."""
    read = cell.spec.read_by(cell.spec.methods[0]) if cell.spec is not plan.spec else ""
    space = {name: str(domain) for name, domain in cell.space.items()}
    return json.dumps([read, space])


def _between(before: SweepSpec, now: SweepSpec) -> list[tuple[str, Any, Any]]:
    # A part that one of them does not have is one that says nothing.
    old, new = ({"compare": {}, **spec.model_dump(mode="json")} for spec in (before, now))
    return differences(old, new)


def _is_allowed(path: str, old: Any, new: Any) -> bool:
    if path.startswith(RANGES):
        return old is None
    if path == SHORTLIST:
        return bool(old == "none")
    return path.startswith((*MAY_CHANGE, *MAY_ADD)) or (path in MAY_GROW and bool(new >= old))
