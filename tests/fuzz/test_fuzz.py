"""A small fuzz of every kind of file; and that a fuzz notices what it is there for."""

from collections import Counter
from functools import partial

from tests.fuzz import planted
from tests.fuzz.__main__ import drawn
from tests.fuzz.kinds.table import FORMATS, targets
from tests.fuzz.pool import Limits, run
from tests.fuzz.table import RIGHT, WRONG, Counts, as_text
from tests.fuzz.worker import MIB, Case

OF_EACH = 10
# Far from what a case takes here, on a slow machine too; and little for one that hangs, in time on
# a processor.
PATIENT, IMPATIENT = Limits(seconds=300.0), Limits(seconds=3.0, memory=100 * MIB)
OUTCOMES = {
    "refused": "refused",
    "put aside": "refused",
    "read": "read",
    "raises": "traceback",
    "panics": "traceback",
    "says nothing": "wrong",
    "refuses the same": "wrong",
    "reads something else": "wrong",
    "taken for another": "wrong",
    "cannot be right": "wrong",
    "lacks memory": "memory",
    "takes memory": "memory",
    "hangs": "hang",
    "dies": "traceback",
    "writes outside": "outside",
    "runs a program": "outside",
}


def test_changed_files_of_every_kind_are_refused_in_words_or_read_rightly() -> None:
    counts = Counts(FORMATS)
    cases = list(drawn(0, range(OF_EACH * len(FORMATS))))
    wrong = []
    for found in run(cases, partial(targets, FORMATS), PATIENT):
        counts.add(found)
        if found.outcome in WRONG:
            wrong.append(found)
    assert not wrong, as_text(counts)
    rows = {row[0]: [int(cell) for cell in row[1:]] for row in counts.rows()}
    assert rows["all"][0] == len(cases)
    # Of every kind some reach what looks at the content, of all together about half.
    assert all(rows[name][1] and rows[name][2] for name in FORMATS), rows
    assert rows["all"][1] > len(cases) // 3
    assert rows["all"][2] > len(cases) // 3


def test_each_thing_that_can_go_wrong_is_noticed_and_the_next_case_goes_on() -> None:
    cases = [Case(0, n, name, 0, by_bytes=False) for n, name in enumerate(OUTCOMES)]
    found = list(run([*cases, *cases[:3]], planted.targets, IMPATIENT))
    assert {one.case.format: one.outcome for one in found} == OUTCOMES
    assert Counter(one.outcome for one in found)["read"] == 2
    grown = {one.case.format: one.grown for one in found}
    assert grown["takes memory"] > IMPATIENT.memory
    assert grown["read"] < 10 * MIB


def test_a_case_is_the_same_whatever_comes_before_it() -> None:
    chosen = [case for case in drawn(3, range(60)) if case.format == FORMATS[0]]
    found = list(run([*chosen, *chosen[::-1]], partial(targets, (FORMATS[0],)), PATIENT))
    told = [(one.case, one.outcome, one.change, one.whole) for one in found]
    assert len(chosen) > 3
    assert told[: len(chosen)] == told[len(chosen) :][::-1]


def test_the_table_counts_each_case_once() -> None:
    assert {*OUTCOMES.values()} == {*RIGHT, *WRONG}
