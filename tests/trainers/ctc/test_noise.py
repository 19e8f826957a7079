"""Noise on targets: how many, of what kind, and never so that none can be said."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import chisquare

from tests.trainers.cases import Trial
from tests.trainers.ctc.cases import lanes, lines
from trainers.ctc.data.dataset import feasible, target_lengths
from trainers.ctc.data.noise import NOISE_KINDS, Transcripts, corrupted_labels
from trainers.data.tokenizer import PADDING

SYMBOLS, LONGEST = 6, 5
EVERY = pytest.mark.parametrize("kind", NOISE_KINDS)
EDITS = pytest.mark.parametrize("kind", [kind for kind in NOISE_KINDS if kind != "swap"])


def _transcripts(n: int = 400, frames: int = 40, seed: int = 0) -> Transcripts:
    """Of two labels at least, so that one can be left out."""
    rng = np.random.default_rng(seed)
    labels = np.full((n, 2 * LONGEST), PADDING)
    for row, length in enumerate(rng.integers(2, LONGEST + 1, n)):
        labels[row, :length] = rng.integers(1, SYMBOLS + 1, length)
    return Transcripts(labels, np.full(n, frames), SYMBOLS)


def _given(kind: str, rate: float, of: Transcripts, seed: int = 1) -> NDArray[np.int64]:
    return corrupted_labels(of, kind, rate, np.random.default_rng(seed))


def _wrong(given: NDArray[np.int64], of: Transcripts) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (given != of.labels).any(1)
    return found


def _assert_targets(given: NDArray[np.int64]) -> None:
    """Labels stand together at the beginning of their row, and there are some."""
    there = given != PADDING
    assert there[:, 0].all()
    assert (np.diff(there, axis=1).sum(1) <= 1).all()
    assert given[there].min() >= 1
    assert given[there].max() <= SYMBOLS


@EVERY
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.35, 1.0])
def test_the_rate_is_that_of_utterances(kind: str, rate: float) -> None:
    of = _transcripts()
    given = _given(kind, rate, of)
    _assert_targets(given)
    assert _wrong(given, of).sum() == round(rate * len(given))
    assert (of.labels == _transcripts().labels).all()


@pytest.mark.parametrize("kind", ["substitute", "insert"])
def test_so_it_is_of_targets_of_one_label(kind: str) -> None:
    """Of which half of the draws change nothing."""
    labels = np.full((5000, 2 * LONGEST), PADDING)
    labels[:, 0] = 1
    of = Transcripts(labels, np.full(5000, 9), SYMBOLS)
    assert _wrong(_given(kind, 1.0, of), of).all()


@EVERY
def test_it_is_the_same_by_the_same_draw_and_another_by_another(kind: str) -> None:
    of = _transcripts()
    assert np.array_equal(_given(kind, 0.3, of), _given(kind, 0.3, of))
    assert not np.array_equal(
        _wrong(_given(kind, 0.3, of), of), _wrong(_given(kind, 0.3, of, 2), of)
    )


@EVERY
def test_every_target_can_be_said_where_frames_are_few(kind: str) -> None:
    """Utterances of as many frames as their target takes, and of one or two more."""
    of = _transcripts(300)
    repeats = (of.labels[:, 1:] == of.labels[:, :-1]) & (of.labels[:, 1:] != PADDING)
    needed = target_lengths(of.labels) + repeats.sum(1)
    tight = of._replace(lengths=2 * needed - 1 + np.arange(300) % 4)
    for seed in range(3):
        given = _given(kind, 0.8, tight, seed)
        _assert_targets(given)
        assert feasible(tight.lengths, given).all()
        wrong = _wrong(given, tight).sum()
        assert 0 < wrong <= 240
        if kind in ("substitute", "delete"):
            assert wrong == 240


def test_where_nothing_can_be_said_but_the_target_it_stays() -> None:
    of = Transcripts(np.full((4, 2), PADDING), np.full(4, 1), SYMBOLS)
    of.labels[:, 0] = 3
    assert not _wrong(_given("insert", 1.0, of), of).any()
    assert not _wrong(_given("delete", 1.0, of), of).any()
    assert not _wrong(_given("swap", 1.0, of), of).any()
    assert _wrong(_given("substitute", 1.0, of), of).all()
    lonely = of._replace(labels=np.where(of.labels == PADDING, PADDING, 1), symbols=1)
    assert not _wrong(_given("substitute", 1.0, lonely), lonely).any()


def test_substituted_labels_are_any_others_and_as_many() -> None:
    of = _transcripts(3000)
    given = _given("substitute", 1.0, of)
    assert np.array_equal(target_lengths(given), target_lengths(of.labels))
    changed = given != of.labels
    steps = (given[changed] - of.labels[changed]) % SYMBOLS
    counts = np.bincount(steps, minlength=SYMBOLS)
    assert counts[0] == 0
    assert chisquare(counts[1:]).pvalue > 0.001
    # Half of the labels where one at least is changed: 1 / 2 over 1 - 2^-U.
    for length in range(2, LONGEST + 1):
        own = target_lengths(of.labels) == length
        share = changed[own].sum() / (length * own.sum())
        assert share == pytest.approx(0.5 / (1 - 0.5**length), abs=0.03)


def test_left_out_labels_leave_the_others_in_their_order() -> None:
    of = _transcripts()
    given = _given("delete", 0.5, of)
    wrong = _wrong(given, of)
    assert (target_lengths(given)[wrong] < target_lengths(of.labels)[wrong]).all()
    for row in np.flatnonzero(wrong):
        assert _is_within(_said(given[row]), _said(of.labels[row]))


def test_labels_that_are_put_in_leave_the_others_in_their_order() -> None:
    of = _transcripts()
    given = _given("insert", 0.5, of)
    wrong = _wrong(given, of)
    assert given.shape == of.labels.shape
    assert (target_lengths(given)[wrong] > target_lengths(of.labels)[wrong]).all()
    for row in np.flatnonzero(wrong):
        said, true = _said(given[row]), _said(of.labels[row])
        assert said[0] == true[0]
        assert _is_within(true, said)


def test_swapped_targets_are_those_of_others() -> None:
    of = _transcripts()
    given = _given("swap", 0.4, of)
    assert sorted(map(tuple, given)) == sorted(map(tuple, of.labels))
    assert _wrong(given, of).sum() == 160


def _said(labels: NDArray[np.int64]) -> list[int]:
    return [int(label) for label in labels if label != PADDING]


def _is_within(some: list[int], others: list[int]) -> bool:
    """Whether ``some`` are left of ``others`` when labels are taken out."""
    left = iter(others)
    return all(label in left for label in some)


@EDITS
def test_in_training_the_noise_is_the_seeds_alone(kind: str) -> None:
    """Whatever teachers and rates are beside, and what is done with the meta split."""
    noisy = Trial("a", 3, 0.5, ())
    beside = lanes([noisy, Trial("b", 4, 0.2, ())], kind=kind)
    alone, clean = lanes([noisy], kind=kind), lanes([noisy], clean="train", kind=kind)
    assert torch.equal(beside.targets["train"][0], alone.targets["train"][0])
    n = alone.size("train")
    assert torch.equal(clean.targets["train"][0, :n], alone.targets["train"][0])
    assert not clean.corrupted[0, n:].any()
    # One label alone cannot be left out.
    wanted = round(0.5 * n)
    found = int(alone.corrupted.sum())
    assert found == wanted if kind != "delete" else 0 < found <= wanted
    for split in ("meta", "validation", "test"):
        rows = alone.rows[split][0].numpy()
        true = torch.as_tensor(lines().labels[rows])
        assert torch.equal(alone.targets[split][0, :, : true.shape[1]], true)
        assert (alone.targets[split][0, :, true.shape[1] :] == PADDING).all()
