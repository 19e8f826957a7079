"""The parts of a spec that say what is trained on: the data set, its splits, the conditions."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from sweep.errors import unknown
from sweep.spec.fields import Declared, SafeName, Sparing, Strict, distinct
from sweep.spec.own_code import as_written, named
from trainers.entries import DatasetEntry
from trainers.fields import FieldError, checked
from trainers.loading import options_of
from trainers.own import is_path
from trainers.registry import TASKS
from trainers.settings import (
    BatchNorm,
    SplitFractions,
    SplitSource,
    Stream,
    TeacherCalls,
    Unasked,
)


def _test_share(value: object) -> float | str:
    """A share, or ``official``; one message for both, where a union of types would give two."""
    if value == "official" or (isinstance(value, float) and 0 < value < 1):
        return value if isinstance(value, float) else "official"
    raise ValueError(f"{value!r} must be a share in (0, 1), or official")


class Splits(Strict):
    """Shares of the data set, each in (0, 1), together at most 1.

    ``test: official`` takes the test part as published, all of it; the other shares are then those
    of the rest. ``teacher``: examples that teachers are trained on beside those of ``train``, and
    nobody else. ``file`` or ``column``, in place of shares: what names the split of every example.
    """

    train: Annotated[float, Field(gt=0, lt=1)] = 0.5
    meta: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Annotated[float | Literal["official"], PlainValidator(_test_share)] = 0.25
    teacher: Annotated[float, Field(gt=0, lt=1)] | None = None

    file: Annotated[str, Field(min_length=1)] | None = None
    column: Annotated[str, Field(min_length=1)] | None = None

    @property
    def given(self) -> SplitSource | None:
        """What names the split of every example; None where shares are drawn."""
        if self.file is None and self.column is None:
            return None
        return SplitSource(self.file or "", self.column or "")

    @model_serializer(mode="wrap")
    def _shares_or_source(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        source, absent = ("file", "column"), ("file", "column", "teacher")
        return {
            name: value
            for name, value in write(self).items()
            if (name in source) == bool(self.given) and (value is not None or name not in absent)
        }

    @model_validator(mode="after")
    def _fit(self) -> "Splits":
        if self.given:
            return self._only_one_source()
        total = sum(self.settings().drawn().values())
        if total > 1 + 1e-9:
            raise ValueError(f"the shares add up to {total:g}; lower them to at most 1 together")
        return self

    def _only_one_source(self) -> "Splits":
        if len(self.model_fields_set) > 1:
            names = ", ".join(sorted(self.model_fields_set))
            raise ValueError(
                f"{names} stand beside each other; give shares, or a file, or a column that names "
                "the split of every example"
            )
        return self

    def settings(self, clean: float | None = None, folds: int | None = None) -> SplitFractions:
        """``folds``: of a cross-validation, whose test splits are all of a size; the other shares
        keep their proportion."""
        if self.given:
            return SplitFractions(0.0, 0.0, 0.0, 0.0, clean, self.given)
        shares = (self.train, self.meta, self.validation)
        if isinstance(self.test, str):
            return SplitFractions(*shares, None, clean, teacher=self.teacher)
        if folds is None:
            return SplitFractions(*shares, self.test, clean, teacher=self.teacher)
        of_each = (1 - 1 / folds) / (1 - self.test)
        train, meta, validation = (share * of_each for share in shares)
        teacher = self.teacher and self.teacher * of_each
        return SplitFractions(
            train, meta, validation, 1 / folds, clean, folds=folds, teacher=teacher
        )


NAMES = tuple(dict.fromkeys(name for task in TASKS.values() for name in task.datasets))


def _known(value: str) -> str:
    """A check that a data set is one of the tables'; one of the user's own, its task will tell."""
    if not is_path(value) and value not in NAMES:
        raise ValueError(unknown("data set", value, NAMES))
    return value


class ClassStream(Sparing):
    """How classes come task by task: how many ``tasks``, how many classes in the ``first`` (by
    default as many as in the others), in an ``order`` drawn from the seed or given by the data.

    ``joint``: every task shows the examples of those before it, too.
    """

    tasks: Annotated[int, Field(ge=1)] = 5
    first: Annotated[int, Field(ge=1)] | None = None
    order: Literal["seed", "given"] = "seed"
    joint: bool | None = None

    def settings(self, batch_norm: BatchNorm) -> Stream:
        """``batch_norm``: the teacher's."""
        return Stream(self.tasks, self.first, self.order, bool(self.joint), batch_norm)


class Data(Declared):
    """Which data set, how it is split, and what it is told, as its row declares it.

    ``clean``: how many examples of the meta split there are, as a share of the data set like the
    splits': its first ones, so that a larger share holds a smaller one; by default all of them.
    ``stream``: how its classes come, in a task in which they do not come at once.
    ``teacher_calls``: the share of the training split about which students may ask their teachers;
    by default they may about any example. ``unasked``: what becomes of the others, ``drop`` by
    default.
    """

    dataset: Annotated[str, BeforeValidator(named), AfterValidator(_known), as_written]
    splits: Splits = Splits()
    clean: Annotated[float, Field(gt=0, lt=1)] | None = None
    stream: ClassStream | None = None
    teacher_calls: Annotated[float, Field(gt=0, le=1)] | None = None
    unasked: Unasked | None = None

    @property
    def unasked_rule(self) -> Unasked:
        """What becomes of training examples that teachers may not be asked about."""
        return self.unasked or "drop"

    @property
    def calls(self) -> TeacherCalls | None:
        """How often teachers may be asked; None: about every example."""
        if self.teacher_calls is None:
            return None
        return TeacherCalls(self.teacher_calls, self.unasked_rule)

    @model_validator(mode="before")
    @classmethod
    def _without_augmentation_there_is_none(cls, data: Any) -> Any:
        # Specs of 0.1.0 say so for every data set, also where there is nothing to augment.
        if isinstance(data, dict) and data.get("augment") == "none":
            return {name: value for name, value in data.items() if name != "augment"}
        return data

    def check(self, entry: DatasetEntry, folds: int | None = None) -> None:
        """FieldError where the data set does not take what it is told; converts it. ``folds``: as
        `Splits.settings` has it."""
        self.take(checked(options_of(entry), self.given, self.dataset))
        if self.splits.column and not entry.split_column:
            raise FieldError(
                "splits.column", f"{self.dataset} has no columns; name the splits in a file instead"
            )
        if self.splits.given:
            return
        meta = self.splits.settings(folds=folds).meta
        if self.clean is not None and self.clean > meta:
            beside = f" beside {folds} folds" if folds else ""
            raise FieldError(
                "clean", f"{self.clean:g} is more than the meta split, data.splits.meta "
                f"{meta:g}{beside}; raise that, or lower this"
            )  # fmt: skip
        if self.splits.test == "official" and not entry.official_test:
            raise FieldError(
                "splits.test", f"{self.dataset} has no official test part; give a share instead"
            )


Rate = Annotated[float, Field(ge=0, lt=1)]
TeacherLabels = Literal["noisy", "clean"]
NoisySplit = Literal["train", "meta", "validation"]


class Conditions(Declared):
    """The settings in which methods are compared: every combination of the first three lists and
    of the values of every axis in ``vary`` (`sweep.spec.axes`).

    ``noisy_splits``: where the noise falls; never on the test split. Further fields are those that
    the noise kinds declare.
    """

    noise_kind: Annotated[
        tuple[str, ...], Field(min_length=1, strict=False), AfterValidator(distinct)
    ] = ("symmetric",)
    noise_rate: Annotated[
        tuple[Rate, ...], Field(min_length=1, strict=False), AfterValidator(distinct)
    ] = (0.0,)
    teacher_labels: Annotated[
        tuple[TeacherLabels, ...], Field(min_length=1, strict=False), AfterValidator(distinct)
    ] = ("noisy",)
    noisy_splits: Annotated[
        tuple[NoisySplit, ...], Field(min_length=1, strict=False), AfterValidator(distinct)
    ] = ("train",)
    vary: Annotated[dict[SafeName, dict[str, Any]], Field(min_length=1)] | None = None
