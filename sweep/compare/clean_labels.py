"""How many clean labels each row of a sweep had, in a sentence that goes with every table."""

from sweep.compare.notation import listed
from sweep.compare.ranges import ranges
from sweep.compare.records import SweepRecord
from sweep.plan.clean_labels import NONE, UNEQUAL


def clean_labels_text(record: SweepRecord) -> str:
    """How many clean labels each row had, and for what; empty where that is not known."""
    had: dict[str, list[str]] = {}
    for method in record.methods:
        found = [record.clean.get(record.cell(c, method), "") for c in record.conditions]
        had.setdefault(ranges([text for text in found if text]), []).append(method)
    told = [f"{listed(methods)} {words}" for words, methods in had.items() if words]
    if not told:
        return ""
    return f"Clean labels: {'; '.join(told)}.{_only_learners(record)}"


def _only_learners(record: SweepRecord) -> str:
    """That the other rows had nothing of the clean labels, where it is so."""
    used = {method: set[str]() for method in record.methods}
    for condition in record.conditions:
        for method in record.methods:
            used[method].add(record.clean.get(record.cell(condition, method), NONE))
    others = [used[method] for method in record.methods if method not in record.learns_weights]
    learn = any(used[method] != {NONE} for method in record.learns_weights)
    return f" {UNEQUAL}" if learn and others and all(clean == {NONE} for clean in others) else ""
