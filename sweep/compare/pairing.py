"""Over what differences are paired, where that is not over fresh draws of the splits."""

from collections.abc import Mapping

from sweep.compare.notation import counted
from sweep.compare.records import Splits, SweepRecord

ONE_SPLIT = (
    "All seeds have the same splits, which the user gave: differences are paired over noise, first "
    "weights and batches alone, and intervals and p say nothing of other splits of the data."
)
FOLDS = (
    "Warning: differences are paired over the folds of a cross-validation, whose training sets "
    "overlap, so they depend on each other, while the sign-flip test and the interval take them to "
    "be independent: p may be too small and intervals too narrow (Nadeau & Bengio 2003), and by "
    "how much, these folds cannot tell: the variance of k-fold cross-validation has no unbiased "
    "estimator (Bengio & Grandvalet 2004)."
)
_TOLD: Mapping[Splits, str] = {"drawn": "", "given": ONE_SPLIT, "folds": FOLDS}


def pairing_text(record: SweepRecord) -> str:
    """What intervals and p do not tell, for how the data was split; empty where that is usual."""
    return _TOLD[record.splits]


def paired_over(record: SweepRecord) -> str:
    """ "10 seeds", "5 folds"."""
    what = "fold" if record.splits == "folds" else "seed"
    return counted(len(record.confirm_seeds), what)
