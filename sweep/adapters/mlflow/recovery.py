"""A search run that only its study knows any more, as records that write it again."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from sweep.adapters.mlflow.known import EPOCHS, STATUS
from sweep.adapters.mlflow.spool import Record
from sweep.plan.plan import Plan
from sweep.referee.stores import EndedRun, PastTrial

# Marks such a run: what its tag says.
RECOVERED = ("recovered_from", "the studies")


@dataclass(frozen=True)
class Recovered:
    """A run by its key, and the trial that it was."""

    plan: Plan
    key: str
    trial: PastTrial

    @property
    def end(self) -> EndedRun:
        """How it ended."""
        return EndedRun(self.trial.state, self.trial.value)

    def records(self, opening: Record) -> list[Record]:
        """``opening``: the record that opens such a run now."""
        # Which cohort it trained in is not known any more.
        tags = {name: text for name, text in opening["tags"].items() if name != "cohort"}
        began = {**opening, "tags": {**tags, RECOVERED[0]: RECOVERED[1]}, "at": self._began}
        return [began, *self._curve(), self._close()]

    @property
    def _began(self) -> int:
        return _milliseconds(self.trial.began)

    @property
    def _over(self) -> int:
        return max(self._began, _milliseconds(self.trial.ended))

    def _curve(self) -> Iterator[Record]:
        """The objective, its epochs spread evenly over the time that the run took."""
        metric = f"validation_{self.plan.spec.objective.metric}"
        last = max(self.trial.curve, default=1)
        for epoch, value in sorted(self.trial.curve.items()):
            at = self._began + (self._over - self._began) * epoch // last
            row = {metric: value, EPOCHS: epoch}
            yield {"do": "log", "key": self.key, "epoch": epoch, "row": row, "at": at}

    def _close(self) -> Record:
        trial = self.trial
        tags = {
            "state": trial.state,
            **({"reason": trial.reason} if trial.reason else {}),
            **({"pruned": "true"} if trial.state == "pruned" else {}),
        }
        return {
            "do": "close",
            "key": self.key,
            "row": self._best() if trial.state == "complete" else {},
            "tags": tags,
            "status": STATUS[trial.state],
            "at": self._over,
        }

    def _best(self) -> dict[str, float]:
        """Of a complete run: the epoch that counts and its value."""
        curve, selection = self.trial.curve, self.plan.spec.selection()
        if not curve or self.trial.value is None:
            return {}
        sign = selection.sign()
        first_best = max(sorted(curve), key=lambda epoch: sign * curve[epoch])
        search = self.plan.search(self.key.rpartition("/trial/")[0])
        return {
            EPOCHS: search.cell.spec.student_training().all_epochs,
            "best_epoch": max(curve) if selection.epoch == "last" else first_best,
            f"best_validation_{self.plan.spec.objective.metric}": self.trial.value,
        }


def _milliseconds(seconds: float | None) -> int:
    return int(1000 * (time.time() if seconds is None else seconds))
