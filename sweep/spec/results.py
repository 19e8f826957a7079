"""What a spec says of its results: what is improved, what is confirmed, what is compared."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sweep.spec.fields import Sparing
from sweep.spec.questions import Question
from trainers.fields import FieldError


class Confirm(Sparing):
    """How many fresh seeds the best configuration of each cell is trained on.

    ``folds``: in place of seeds that draw their splits, the parts of a cross-validation; each is
    the test split of one seed, so that there are as many of these.
    ``keep_students``: which of the networks that come out are kept: ``all``, the ``best`` of each
    cell by its validation value, or ``none``; by default all.
    """

    seeds: Annotated[int, Field(ge=1, le=10_000)] = 10
    folds: Annotated[int, Field(ge=2, le=10_000)] | None = None
    keep_students: Literal["best", "all", "none"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_seed_for_each_fold(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("folds") is None:
            return data
        folds = data["folds"]
        if data.get("seeds", folds) != folds:
            raise FieldError(
                "seeds", f"{data['seeds']!r} stands beside folds {folds!r}, each of which is one "
                "run; drop the seeds, or the folds"
            )  # fmt: skip
        return {**data, "seeds": folds}

    @property
    def keeps_students(self) -> bool:
        """Whether any is kept."""
        return self.keep_students != "none"


class Objective(Sparing):
    """The validation metric that search improves, and the epoch of a training that counts.

    ``selection``: the one with the best value of it, or the last; by default the task's.
    """

    metric: str
    selection: Literal["best", "last"] | None = None


class Compare(Sparing):
    """What is compared. ``metric``: the test metric that is tested; by default the task's.
    ``questions``: the comparisons that are tested; by default every row that is no baseline
    against every baseline, in every condition."""

    metric: str | None = None
    questions: Annotated[tuple[Question, ...] | None, Field(strict=False)] = None
