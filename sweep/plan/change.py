"""Which changes to a spec go on with the same sweep, and which make it another one."""

import json
from typing import Any

from sweep.errors import BadInput
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
    differences = _between(before, now)
    differing = [
        f"{path}: {_shown(old)} before, {_shown(new)} now"
        for path, old, new in differences
        if not _is_allowed(path, old, new)
    ]
    if differing:
        raise BadInput(
            f"the sweep {now.name!r} was launched with another spec; these fields differ: "
            f"{'; '.join(differing)}. {ELSE}"
        )
    if any(path.startswith((*MAY_ADD, *RANGES)) for path, _, _ in differences):
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
    rows = {use.label: use for use in now.methods}
    changed = [use.label for use in before.methods if rows.get(use.label) != use]
    old, new = Plan(before), Plan(now)
    there = {cell.id: content_of(new, cell) for cell in new.cells}
    changed += [cell.id for cell in old.cells if there.get(cell.id) != content_of(old, cell)]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise BadInput(
            f"the sweep {now.name!r} was launched with rows and cells that this spec does not "
            f"have, or has otherwise: {', '.join(changed[:3])}{more}. Others may be added beside "
            f"them. {ELSE}"
        )
    if old.generation != new.generation:
        raise BadInput(
            f"the sweep {now.name!r} asks for trials in generations of {old.generation}; with what "
            f"was added it would be {new.generation}, and its searches others. {ELSE}"
        )


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


def differences(before: Any, now: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Where two specs differ as they are written: path, value of the one, of the other."""
    if isinstance(before, dict) and isinstance(now, dict):
        found = []
        for key in sorted({*before, *now}):
            below = f"{path}.{key}" if path else key
            found += differences(before.get(key), now.get(key), below)
        return found
    return [] if before == now else [(path, before, now)]


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)
