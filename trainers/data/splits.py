"""Train / meta / validation / test, disjoint and with the classes' shares kept."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import Dataset
from trainers.data.given_splits import GivenSplits
from trainers.settings import CleanUse, Fold, LaneSource, SplitFractions

Rows = NDArray[np.int64]
Stream = Callable[[int, str], np.random.Generator]
# The purpose of the random stream, of a seed, that splits are drawn from.
STREAM = "split"
# That of a seed by which examples are chosen that teachers may be asked about.
CALLS = "teacher_calls"
# That of the seed that deals the folds of a cross-validation.
FOLDS = "folds"


def split_rows(
    labels: NDArray[np.int64],
    fractions: SplitFractions,
    rng: np.random.Generator,
    official_test: int = 0,
    given: GivenSplits | None = None,
    tested: Rows | None = None,
) -> dict[str, Rows]:
    """Row numbers of each split; sizes depend on ``len(labels)`` alone, never on the draw.

    ``official_test``: how many rows, the last ones, are the official test part. Where it is not the
    test split by itself, it is dealt out with all others. ``given``: the user's own, which are
    the same for every draw. ``tested``: the test split, where it is not of this draw.
    """
    if (given is None) != (fractions.given is None):
        raise ValueError(f"splits given by {fractions.given}, and there are {given}")
    if given is not None:
        return _first_clean(dict(given), fractions, len(labels))
    drawn = len(labels) - (official_test if fractions.test is None else 0)
    if tested is None:
        dealt = deal(labels[:drawn], rng)
    else:
        others = np.setdiff1d(np.arange(drawn), tested)
        dealt = others[deal(labels[others], rng)]
    rows, start = {}, 0
    for name, fraction in fractions.drawn().items():
        if name == "test" and tested is not None:
            rows[name] = tested
            continue
        stop = start + share_of(fraction, drawn)
        rows[name] = dealt[start:stop]
        start = stop
    if fractions.test is None:
        rows["test"] = np.arange(drawn, len(labels), dtype=np.int64)
    return _first_clean(rows, fractions, drawn)


def rows_of_lane(
    dataset: Dataset, fractions: SplitFractions, source: LaneSource, stream: Stream
) -> dict[str, Rows]:
    """The rows of every split of a lane, that of teachers among them where there is one.

    ``stream``: from a seed and a purpose to a draw.
    """
    rng, tested = stream(source.seed, STREAM), None
    if source.fold is not None:
        tested = rows_of_fold(dataset.strata, source.fold, stream(source.fold.seed, FOLDS))
    tests, given = dataset.official_test, dataset.given_splits
    return split_rows(dataset.strata, fractions, rng, tests, given, tested)


def _first_clean(
    rows: dict[str, Rows], fractions: SplitFractions, examples: int
) -> dict[str, Rows]:
    """No more of the meta split than is asked for, as a share of so many examples."""
    if fractions.clean is not None:
        rows["meta"] = rows["meta"][: share_of(fractions.clean, examples)]
    return rows


def rows_of_fold(labels: NDArray[np.int64], fold: Fold, rng: np.random.Generator) -> Rows:
    """The test split of a fold; ``rng`` is the same for all of them.

    They are of one size, as lanes side by side have to be: of N examples fewer than ``folds`` are
    in none.
    """
    size = len(labels) // fold.folds
    return deal(labels, rng)[fold.number * size : (fold.number + 1) * size]


def share_of(fraction: float, examples: int) -> int:
    """How many examples a share of them is, rounded down."""
    return int(fraction * examples + 1e-9)


def use_clean(rows: dict[str, Rows], clean: CleanUse, rng: np.random.Generator) -> int:
    """Put the clean rows of the meta split where ``clean`` wants them; how many are trained on.

    They come last in the training split. ``split``: half of them, drawn, is trained on and held out
    no more; of an odd number one more is held out.
    """
    if clean == "withhold":
        return 0
    added = rows["meta"]
    if clean == "split":
        half = len(added) // 2
        order = rng.permutation(len(added))
        added, rows["meta"] = added[np.sort(order[:half])], added[np.sort(order[half:])]
    rows["train"] = np.concatenate([rows["train"], added])
    return len(added)


def asked_of(labels: NDArray[np.int64], share: float, rng: np.random.Generator) -> Rows:
    """Which of the training examples with these true labels (N,) teachers may be asked about: their
    places, in ascending order.

    Classes keep their shares, and a larger share holds a smaller one of the same draw.
    """
    return np.sort(deal(labels, rng)[: share_of(share, len(labels))])


def deal(labels: NDArray[np.int64], rng: np.random.Generator) -> Rows:
    """All row numbers in an order any run of which holds the classes in their proportion.

    Rows are dealt out class by class, interleaved.
    """
    order = rng.permutation(len(labels))
    given = labels[order]
    place = np.empty(len(labels))
    for c in np.unique(labels):
        of_class = np.flatnonzero(given == c)
        place[of_class] = (np.arange(len(of_class)) + rng.random()) / len(of_class)
    return order[np.argsort(place, kind="stable")].astype(np.int64)
