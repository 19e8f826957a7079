"""Which runs of one sweep another one would train the very same: those of equal searches."""

from collections.abc import Mapping
from typing import Any

from sweep.plan.plan import Cell, CellSearch, Plan
from sweep.plan.tasks import NO_TRIAL


def equal_searches(old: Plan, new: Plan) -> dict[str, CellSearch]:
    """The searches of ``new``, by name, that ``old`` has too, with all that decides what they try
    and confirm: what the cell reads, its space, its seed, and how it is searched."""
    if _settings(old) != _settings(new):
        return {}
    theirs = {search.id: search for search in old.searches}
    return {
        search.id: search
        for search in new.searches
        if (other := theirs.get(search.id)) is not None and _is_equal(old, other, new, search)
    }


def trials_taken(new: Plan, search: CellSearch, ended: int) -> int:
    """How many of the first ``ended`` trials of a search ``new`` would ask for the same: whole
    generations, or all that it plans."""
    planned = new.trials_of(search.cell)
    return planned if ended == planned else min(ended, planned) // new.generation * new.generation


def is_taken(run: Mapping[str, str], trials: int, new: Plan) -> bool:
    """Whether a run of such a search, by its tags, belongs to its first ``trials`` and to seeds
    that ``new`` plans."""
    if run["stage"] == "confirm":
        parts = run["key"].split("/confirm/")[-1].split("/")
        chosen = int(parts[0]) if len(parts) > 1 else NO_TRIAL
        return chosen < trials and int(run["seed"]) in new.confirm_seeds
    return int(run["trial"]) < trials


def _is_equal(old: Plan, search: CellSearch, new: Plan, other: CellSearch) -> bool:
    a, b = search.cell, other.cell
    return (
        search.seed == other.seed
        and a.tried_first == b.tried_first
        and a.use.model_dump(exclude={"baseline"}) == b.use.model_dump(exclude={"baseline"})
        and a.space == b.space
        and _read_by(old, a) == _read_by(new, b)
        and a.spec.data_settings() == b.spec.data_settings()
        and old.teachers_of(a, search.seed) == new.teachers_of(b, other.seed)
        and old.start_of(a, search.seed) == new.start_of(b, other.seed)
    )


def _read_by(plan: Plan, cell: Cell) -> str:
    """What of data, teachers and student a cell reads."""
    return cell.spec.read_by(cell.use if cell.spec is plan.spec else cell.spec.methods[0])


def _settings(plan: Plan) -> dict[str, Any]:
    """How all cells of a sweep are searched, but for how much."""
    spec = plan.spec
    return {
        "seed": spec.seed,
        "task": spec.task_entry.name,
        "generation": plan.generation,
        "per_seed": spec.search.per_seed,
        "sampler": spec.search.sampler.model_dump(),
        "pruner": spec.search.pruner.model_dump(),
        "objective": spec.objective.metric,
        "selection": spec.selection().epoch,
    }
