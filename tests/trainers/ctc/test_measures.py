"""What is measured of transcripts, by hand and against plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from trainers.ctc.measures import Transcribed, alignment, even_alignment
from trainers.data.tokenizer import PADDING

LABELS = st.lists(st.integers(1, 3), max_size=6)
PAIRS = st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=5)
SPACE = 9


def _padded(rows: list[list[int]], columns: int = 12) -> np.ndarray:
    return np.array([[*row, *[PADDING] * (columns - len(row))] for row in rows])


@given(PAIRS)
def test_the_character_error_rate_is_all_edits_over_all_labels(
    pairs: list[tuple[list[int], list[int]]],
) -> None:
    said, references = ([[*row] for row in rows] for rows in zip(*pairs, strict=True))
    edits = sum(Levenshtein.distance([*a], [*b]) for a, b in pairs)
    wanted = 100 * edits / max(sum(map(len, references)), 1)
    found = Transcribed(_padded(said), _padded(references))
    assert found.error_rate == pytest.approx(wanted)
    assert math.isnan(found.word_error_rate)


def test_it_is_no_mean_over_utterances_and_has_no_upper_end() -> None:
    # One edit of ten labels, and one of one.
    found = Transcribed(_padded([[1] * 9 + [2], [2]]), _padded([[1] * 10, [1]]))
    assert found.error_rate == pytest.approx(100 * 2 / 11)
    assert Transcribed(_padded([[1, 2, 3, 1]]), _padded([[2]])).error_rate == 300.0
    assert Transcribed(_padded([[]]), _padded([[2, 2]])).error_rate == 100.0
    assert Transcribed(_padded([[2, 2]]), _padded([[2, 2]])).error_rate == 0.0


def test_words_are_what_stands_between_spaces() -> None:
    def rate(said: list[int], reference: list[int]) -> float:
        return Transcribed(_padded([said]), _padded([reference]), SPACE).word_error_rate

    # "ab c" for "ab d", for "abd" and for "ab".
    assert rate([1, 2, SPACE, 3], [1, 2, SPACE, 4]) == 50.0
    assert rate([1, 2, SPACE, 3], [1, 2, 4]) == 200.0
    assert rate([1, 2, SPACE, 3], [1, 2]) == 100.0
    # Spaces alone are no words, at the ends and in a row.
    assert rate([SPACE, 1, 2, SPACE, SPACE, 3, SPACE], [1, 2, SPACE, 3]) == 0.0
    assert rate([SPACE], [1]) == 100.0
    assert rate([], [1]) == 100.0
    both = Transcribed(
        _padded([[1, SPACE, 2], [3]]), _padded([[1, SPACE, 4, SPACE, 2], [4]]), SPACE
    )
    assert both.word_error_rate == pytest.approx(100 * 2 / 4)


def _spans(*each: list[tuple[int, int]]) -> np.ndarray:
    columns = max(map(len, each))
    return np.array([[*own, *[(0, 0)] * (columns - len(own))] for own in each])


def test_a_spike_is_aligned_in_the_time_of_a_label_of_its_symbol() -> None:
    labels = np.array([[1, 2, 1], [3, PADDING, PADDING]])
    spans = _spans([(0, 4), (4, 8), (8, 12)], [(2, 6)])

    def share(*paths: list[int]) -> float:
        return alignment(np.array(paths), labels, spans)

    # A frame of output is every second one: 0 and 1 are of the first label, 2 and 3 of the second.
    assert share([1, 1, 2, 0, 1, 0], [0, 3, 3, 0, 0, 0]) == 100.0
    # The second symbol comes too early, and the last is none of those that are said.
    assert share([1, 2, 0, 0, 1, 3], [0, 0, 0, 0, 0, 0]) == 50.0
    # It counts when a symbol is first said, and here it begins before its time.
    assert share([0, 0, 0, 0, 0, 0], [3, 3, 3, 0, 0, 0]) == 0.0
    # Said again after a blank it is another spike.
    assert share([0, 0, 0, 0, 0, 0], [0, 3, 0, 3, 0, 0]) == 50.0
    assert math.isnan(share([0] * 6, [0] * 6))


def test_even_spikes_are_placed_by_hand() -> None:
    labels = np.array([[1, 2], [3, PADDING]])
    # At frames 2 and 6 of 8, and at 5 of 10.
    lengths = np.array([8, 10])
    assert even_alignment(labels, lengths, _spans([(0, 4), (4, 8)], [(4, 6)])) == 100.0
    found = even_alignment(labels, lengths, _spans([(2, 3), (0, 6)], [(6, 9)]))
    assert found == pytest.approx(100 / 3)
