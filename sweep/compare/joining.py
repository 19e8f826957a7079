"""Several sweeps as one record: the rows and conditions of all, each cell once.

A cell that no sweep has stays in the tables, without values. One that several have has to be the
same training with the same results, and is taken from the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from sweep.compare.records import TEACHER, WHOLE, HeardTeacher, SweepRecord, of_plan
from sweep.errors import BadInput
from sweep.plan.agreement import ELSE, joined
from sweep.plan.change import content_of
from sweep.plan.compute import Allotted
from sweep.plan.plan import Plan
from sweep.spec.spec import SweepSpec

BETWEEN = "+"  # names of sweeps in the name of their table; no name of a sweep has it


@dataclass(frozen=True, eq=False)
class Joined:
    """One table's record, and a spec that has the rows and conditions of all its sweeps."""

    spec: SweepSpec
    record: SweepRecord


def join(specs: Sequence[SweepSpec], records: Sequence[SweepRecord]) -> Joined:
    """Sweeps as one record; BadInput, with the reason, where they cannot stand in one table."""
    names = [spec.name for spec in specs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"{twice[0]}: is named twice; name each sweep once")
    spec = joined(specs)
    plan, plans = Plan(spec), [Plan(one) for one in specs]
    renamed = [_renamed(plan, one) for one in plans]
    trials = _trials(renamed, records)
    there = {cell for mapping in renamed for cell in mapping.values()}
    known = {condition for one in plans for condition in one.conditions}
    conditions = tuple(condition for condition in plan.conditions if condition in known)
    labels = [use.label for use in spec.methods]
    cells = {(c, label): plan.shown(c, label).id for c in conditions for label in labels}
    declared = frozenset(
        (mapping[a], mapping[b])
        for one, mapping in zip(plans, renamed, strict=True)
        for a, b in one.declared
    )
    own = {name: x for name, x in of_plan(plan).items() if name != "allotted"}
    for told in ("clean", "calls"):
        own[told] = {cell: text for cell, text in own[told].items() if cell in there}
    record = replace(
        records[0],
        **own,
        name=BETWEEN.join(names),
        conditions=conditions,
        trials=trials,
        curve_metrics=tuple(sorted({m for record in records for m in record.curve_metrics})),
        others=tuple(m for m in records[0].others if all(m in r.others for r in records)),
        cells=cells,
        allotted=_allotted(renamed, records),
        teachers=_teachers(renamed, records),
        declared=None if specs[0].questions is None else declared,
        search_ends={name: end for r in records for name, end in r.search_ends.items()},
        absent=frozenset(cells.values()) - there,
        notices=tuple(line for record in records for line in record.notices),
    )
    return Joined(spec, record)


def _teachers(
    renamed: Sequence[Mapping[str, str]], records: Sequence[SweepRecord]
) -> dict[str, tuple[HeardTeacher, ...]]:
    """Those of every cell, of the first sweep that has it."""
    found: dict[str, tuple[HeardTeacher, ...]] = {}
    for names, record in zip(renamed, records, strict=True):
        for cell, teachers in record.teachers.items():
            found.setdefault(names[cell], teachers)
    return found


def _allotted(
    renamed: Sequence[Mapping[str, str]], records: Sequence[SweepRecord]
) -> dict[str, Allotted]:
    """What every cell was given, by the first sweep that has it."""
    found: dict[str, Allotted] = {}
    for names, record in zip(renamed, records, strict=True):
        for cell, given in record.allotted.items():
            found.setdefault(names[cell], given)
    return found


def _renamed(plan: Plan, one: Plan) -> dict[str, str]:
    """The cells of a sweep, as they are called in the table; BadInput where one is another."""
    names: dict[str, str] = {}
    for condition in one.conditions:
        for use in one.spec.methods:
            cell, same = one.shown(condition, use.label), plan.shown(condition, use.label)
            names[cell.id] = same.id
            if content_of(one, cell) != content_of(plan, same):
                raise BadInput(
                    f"{cell.id}: searches other ranges, or trains otherwise, in {one.spec.name} "
                    f"than in another of these sweeps. {ELSE}"
                )
    return names


def _trials(renamed: Sequence[Mapping[str, str]], records: Sequence[SweepRecord]) -> pd.DataFrame:
    """The trials of all, of each cell those of the first sweep that has it."""
    first: dict[str, int] = {}
    frames = []
    for number, (names, record) in enumerate(zip(renamed, records, strict=True)):
        for old, new in names.items():
            holder = first.setdefault(new, number)
            if holder != number:
                _refuse_other_results(new, records[holder], (record, old), renamed[holder])
        cells = record.trials["cell"].map(lambda cell, names=names: names.get(cell, cell))
        own = cells.map(lambda cell, number=number: first.get(cell, number) == number)
        mine = own | (record.trials["stage"] == TEACHER)
        # Cohorts of two sweeps may bear one name.
        cohorts = f"{record.name}/" + record.trials["cohort"]
        frames.append(record.trials.assign(cell=cells, cohort=cohorts)[mine])
    return pd.concat(frames, ignore_index=True).astype(WHOLE)


def _refuse_other_results(
    cell: str,
    holder: SweepRecord,
    other: tuple[SweepRecord, str],
    names: Mapping[str, str],
) -> None:
    """BadInput where a cell that two sweeps have did not come out the same in both."""
    record, old = other
    before = next(name for name, new in names.items() if new == cell)
    a, b = holder.scores_by_cell.get(before, {}), record.scores_by_cell.get(old, {})
    for seed in record.confirm_seeds:
        if a.get(seed) != b.get(seed):
            raise BadInput(
                f"{cell}: {record.test_column} under seed {seed} is {a.get(seed, 'missing')} in "
                f"{holder.name} and {b.get(seed, 'missing')} in {record.name}, which have it both; "
                f"in one table it would stand once. {ELSE}"
            )
