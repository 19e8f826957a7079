"""Predictions of sweeps whose runs kept none."""

from pathlib import Path


class NothingKept:
    """`sweep.compare.predictions.KeptPredictions`."""

    def file(self, run_id: str) -> Path | None:
        return None


NOTHING_KEPT = NothingKept()
