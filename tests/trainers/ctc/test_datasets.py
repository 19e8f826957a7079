"""Rows of data sets: options, and what is known before anything is loaded."""

from typing import Any

import numpy as np
import pytest

from trainers.ctc.data.dataset import Utterances, output_frames, target_lengths
from trainers.ctc.data.datasets import DATASETS
from trainers.data.errors import DataError
from trainers.fields import FieldError, checked, resolved


def _options(name: str, **given: Any) -> dict[str, Any]:
    fields = DATASETS[name].fields
    return resolved(fields, checked(fields, given, name))


def test_digit_lines_are_as_the_row_says() -> None:
    entry, options = DATASETS["digit_lines"], _options("digit_lines", lines=60, max_digits=3)
    found = entry.load(**options)
    assert isinstance(found, Utterances)
    assert found.shape == entry.shape(**options)
    outputs = output_frames(found.shape[0]) * (len(found.symbols) + 1)
    assert entry.counts(**options) == (len(found), outputs)
    assert np.unique(target_lengths(found.labels)).tolist() == [2, 3]
    assert not entry.may_change(**options)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lines": 50}, r"data\.lines: 50 .*multiple of 20"),
        ({"min_digits": 3, "max_digits": 2}, r"data\.min_digits: 3 is more than .*lower it"),
    ],
)
def test_digit_lines_that_cannot_be_are_refused(given: dict[str, int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        DATASETS["digit_lines"].load(**_options("digit_lines", **given))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("digit_lines", {"lines": 20}),
        ("digit_lines", {"max_digits": 10}),
        ("digit_lines", {"blur": -0.1}),
        ("fillets_nl", {"max_seconds": 0}),
        ("speech", {"path": "a", "transcripts": "b", "sample_rate": 4000}),
        ("speech", {"path": "a", "transcripts": "b", "letters": "upper"}),
        ("speech", {"path": "a"}),
    ],
)
def test_options_out_of_range_are_refused(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        _options(name, **given)


@pytest.mark.parametrize("name", ["fillets_nl", "asterisk_en"])
def test_of_packages_counts_are_known_for_the_default_alone(name: str) -> None:
    entry = DATASETS[name]
    assert entry.counts(**_options(name)) is not None
    assert entry.counts(**_options(name, max_seconds=6.0)) is None
    assert entry.shape(**_options(name, max_seconds=6.0))[0] > 590  # type: ignore[index]
