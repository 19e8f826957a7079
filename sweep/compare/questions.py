"""Which differences of a sweep are declared, hence tested, and which are there to look at."""

from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

Pair = tuple[str, str]  # row, what it is compared with
DECLARED, EXPLORATORY = "declared", "exploratory"


def pairs(record: SweepRecord) -> tuple[Pair, ...]:
    """The differences that are shown, in every condition: of each row that is no baseline to every
    baseline, and what is declared beside, in the order of the rows; none both ways round."""
    declared = {(record.shown[a][1], record.shown[b][1]) for a, b in record.declared or ()}
    usual = {
        (row, other)
        for row in record.challengers
        for other in record.baselines
        if (other, row) not in declared
    }
    others = [*record.baselines, *record.challengers]
    order = [(row, other) for row in record.methods for other in others]
    return tuple(pair for pair in order if pair in usual | declared)


def against(record: SweepRecord, row: str) -> tuple[str, ...]:
    """What a row is compared with; an empty name alone where it is with nothing."""
    return tuple(other for method, other in pairs(record) if method == row) or ("",)


def is_declared(record: SweepRecord, condition: Condition, pair: Pair) -> bool:
    """Whether a difference is tested in a condition.

    Two cells that are shown in several conditions are one comparison, declared in all or in none.
    """
    cells = _cells(record, condition, pair)
    if record.exploratory or record.absent.intersection(cells):
        return False
    return record.declared is None or cells in record.declared


def questions(record: SweepRecord) -> dict[Pair, tuple[Condition, ...]]:
    """What is declared: the pairs, each with the conditions in which it is."""
    found = {
        pair: tuple(c for c in record.conditions if is_declared(record, c, pair))
        for pair in pairs(record)
    }
    return {pair: conditions for pair, conditions in found.items() if conditions}


def comparison_count(record: SweepRecord) -> int:
    """Comparisons that are declared, over which Holm's adjustment runs."""
    declared = questions(record).items()
    return len({_cells(record, c, pair) for pair, conditions in declared for c in conditions})


def exploratory_count(record: SweepRecord) -> int:
    """Differences of two cells that are shown and not declared."""
    shown = {
        _cells(record, condition, pair)
        for pair in pairs(record)
        for condition in record.conditions
        if not is_declared(record, condition, pair)
    }
    return len([cells for cells in shown if not record.absent.intersection(cells)])


def _cells(record: SweepRecord, condition: Condition, pair: Pair) -> tuple[str, str]:
    row, other = pair
    return record.cell(condition, row), record.cell(condition, other)
