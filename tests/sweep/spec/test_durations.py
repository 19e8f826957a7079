"""Spans of time as users write them."""

import pytest

from sweep.errors import BadInput
from sweep.plan.plan import spec_hash
from sweep.spec.durations import seconds_in
from tests.sweep.specs import small_spec


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("2h", 7200), ("30m", 1800), ("1h30m", 5400), ("90s", 90), ("90", 90), ("1.5h", 5400),
     ("1d", 86400), (" 2H ", 7200)],
)  # fmt: skip
def test_words_are_seconds(words: str, seconds: float) -> None:
    assert seconds_in(words) == seconds
    assert small_spec({"search.timeout": words}).search.timeout == seconds


@pytest.mark.parametrize("words", ["", "2 hours", "h", "-2h", "2h30", "nan", "inf", "0", "0m"])
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(BadInput, match=r"search\.timeout: .*(no span of time|no time at all)"):
        small_spec({"search.timeout": words})


@pytest.mark.parametrize("value", [0, -1, True, [2]])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(BadInput, match=r"resources\.trial_timeout_s"):
        small_spec({"resources.trial_timeout_s": value})


def test_limits_that_are_not_set_leave_a_spec_its_hash() -> None:
    assert spec_hash(small_spec()) == "151d2448bb40"
    assert spec_hash(small_spec({"search.timeout": 60})) != spec_hash(small_spec())
