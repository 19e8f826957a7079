"""How many outputs of teachers a student of each row reads, in a sentence that goes with every
table."""

from sweep.compare.notation import listed
from sweep.compare.ranges import ranges
from sweep.compare.records import SweepRecord


def teacher_calls_text(record: SweepRecord) -> str:
    """How many outputs a student of each row read; empty where nothing limits them."""
    read: dict[str, list[str]] = {}
    for method in record.methods:
        found = [record.calls.get(record.cell(c, method), "") for c in record.conditions]
        read.setdefault(ranges([text for text in found if text]), []).append(method)
    told = [f"{listed(methods)} {words}" for words, methods in read.items() if words]
    if not told:
        return ""
    return f"Teacher calls, of training examples alone: {'; '.join(told)}."
