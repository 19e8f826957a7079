"""Over what differences are paired, where that is not over fresh draws of the splits."""

from sweep.compare.records import SweepRecord

ONE_SPLIT = (
    "All seeds have the same splits, which the user gave: differences are paired over noise, first "
    "weights and batches alone, and intervals and p say nothing of other splits of the data."
)


def pairing_text(record: SweepRecord) -> str:
    """What intervals and p do not tell, for how the data was split; empty where that is usual."""
    return {"drawn": "", "given": ONE_SPLIT}[record.splits]
