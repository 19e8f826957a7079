"""A refused change names what differs, and not the list that it stands in."""

from typing import Any

import pytest

from sweep.errors import BadInput
from sweep.plan.change import refuse_change
from sweep.plan.leaves import changed_leaves, lost_leaves
from tests.sweep.specs import small_spec

ROWS = [{"label": "a", "pin": {"alpha": 0.1}}, {"label": "b", "pin": {}}]


@pytest.mark.parametrize(
    ("old", "new", "changed", "lost"),
    [
        (1, 2, ["x: 1 before, 2 now"], ["x: 1 before, 2 now"]),
        (None, 2, ["x: nothing before, 2 now"], []),
        ([1, 2], [2, 3], ["x: [1, 2] before, [2, 3] now"], ["x: 1 before, not now"]),
        ([1], [1, 2], ["x: [1] before, [1, 2] now"], []),
        (ROWS, [*ROWS, {"label": "c"}], ["x.c: not there before"], []),
        (ROWS, ROWS[:1], ["x.b: there before, not now"], ["x.b: there before, not now"]),
        (
            ROWS,
            [ROWS[1], {"label": "a", "pin": {"alpha": 0.2}}],
            ["x.a.pin.alpha: 0.1 before, 0.2 now"],
            ["x.a.pin.alpha: 0.1 before, 0.2 now"],
        ),
        ([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 3}], ["x.1.n: 2 before, 3 now"],
         ["x.1.n: 2 before, 3 now"]),
    ],
)  # fmt: skip
def test_leaves(old: Any, new: Any, changed: list[str], lost: list[str]) -> None:
    assert changed_leaves("x", old, new) == changed
    assert lost_leaves("x", old, new) == lost


def test_of_rows_only_the_field_that_differs_is_shown() -> None:
    before = small_spec()
    now = small_spec({"methods.1.pin": {"alpha": 0.5}, "methods.0.pin.warmup_epochs": 2})
    with pytest.raises(BadInput) as caught:
        refuse_change(before, now)
    told = str(caught.value)
    assert "methods.alm_kd.pin.warmup_epochs: 1 before, 2 now" in told
    assert "methods.fixed_kd.pin.alpha: nothing before, 0.5 now" in told
    assert "cross_entropy" not in told.partition("Cells that change")[0]
    assert "[{" not in told
