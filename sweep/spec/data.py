"""The parts of a spec that say what is trained on: the data set, its splits, the conditions."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from sweep.spec.fields import Sparing, Strict, distinct, one_of
from trainers.classification.data.datasets import DATASETS
from trainers.data.noise import NOISE_KINDS
from trainers.data.splits import SplitFractions
from trainers.settings import Option


def _test_share(value: object) -> float | str:
    """A share, or ``official``; one message for both, where a union of types would give two."""
    if value == "official" or (isinstance(value, float) and 0 < value < 1):
        return value if isinstance(value, float) else "official"
    raise ValueError(f"{value!r} must be a share in (0, 1), or official")


def _file_name(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError(f"{value!r} cannot be a path; name a file or folder, or drop the field")
    return value


FileName = Annotated[str, AfterValidator(_file_name)]


class Splits(Strict):
    """Shares of the data set, each in (0, 1), together at most 1.

    ``test: official`` takes the test part as published, all of it; the other shares are then those
    of the rest.
    """

    train: Annotated[float, Field(gt=0, lt=1)] = 0.5
    meta: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Annotated[float | Literal["official"], PlainValidator(_test_share)] = 0.25

    @model_validator(mode="after")
    def _fit(self) -> "Splits":
        total = sum(self.settings().drawn().values())
        if total > 1 + 1e-9:
            raise ValueError(f"the shares add up to {total:g}; lower them to at most 1 together")
        return self

    def settings(self) -> SplitFractions:
        test = None if isinstance(self.test, str) else self.test
        return SplitFractions(self.train, self.meta, self.validation, test)


class Data(Sparing):
    """Which data set, what it is told, how it is split, and how training inputs are changed.

    Which of the fields from ``examples`` on a data set takes, stands in its row of the table.
    """

    dataset: Annotated[str, one_of("data set", tuple(DATASETS))]
    splits: Splits = Splits()
    augment: Literal["none", "crop_flip"] = "none"
    examples: Annotated[int, Field(ge=1)] | None = None
    folder: FileName | None = None
    path: FileName | None = None
    label: Annotated[str, Field(min_length=1)] | None = None
    image_size: Annotated[int, Field(ge=1, le=1024)] | None = None
    classes: Annotated[int, Field(ge=2, le=10_000)] | None = None
    features: Annotated[int, Field(ge=1, le=10_000)] | None = None
    spread: Annotated[float, Field(gt=0)] | None = None
    separation: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _fit(self) -> "Data":
        entry, given = DATASETS[self.dataset], self.options()
        for name in given:
            if name not in entry.takes:
                raise ValueError(
                    f"{name}: {self.dataset} does not take this field; remove it ({self.dataset} "
                    f"takes {', '.join(entry.takes)})"
                )
        for name in entry.needs:
            if name not in given:
                raise ValueError(f"{name}: is missing; {self.dataset} needs it, add it")
        if self.augment != "none" and not entry.images:
            raise ValueError(f"augment: {self.dataset} holds no images to crop; use augment: none")
        if self.splits.test == "official" and not entry.official_test:
            raise ValueError(
                f"splits.test: {self.dataset} has no official test part; give a share instead"
            )
        return self

    def options(self) -> dict[str, Option]:
        """What the data set is told, as far as the spec says it."""
        names = set(type(self).model_fields) - {"dataset", "splits", "augment"}
        values = {name: getattr(self, name) for name in sorted(names)}
        return {name: value for name, value in values.items() if value is not None}


Rate = Annotated[float, Field(ge=0, lt=1)]
Kind = Annotated[str, one_of("noise kind", tuple(NOISE_KINDS))]
TeacherLabels = Literal["noisy", "clean"]
NoisySplit = Literal["train", "meta", "validation"]
Taken = Annotated[tuple[int, int], Field(strict=False)]


class Conditions(Sparing):
    """The settings in which methods are compared: every combination of the first three lists.

    ``noisy_splits``: where the noise falls; never on the test split. ``class_map``: for asymmetric
    noise, pairs of a class and the one it is taken for. ``noise_file``: the labels of noise of the
    kind ``file``.
    """

    noise_kind: Annotated[
        tuple[Kind, ...], Field(min_length=1, strict=False), AfterValidator(distinct)
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
    class_map: Annotated[tuple[Taken, ...], Field(min_length=1, strict=False)] | None = None
    noise_file: FileName | None = None

    @model_validator(mode="after")
    def _fit(self) -> "Conditions":
        sources = [c for c, _ in self.class_map or ()]
        for c, other in self.class_map or ():
            if c == other or c < 0 or other < 0:
                raise ValueError(f"class_map: [{c}, {other}] does not take one class for another")
            if sources.count(c) > 1:
                raise ValueError(f"class_map: class {c} is taken for two; keep one of them")
        if self.class_map and "asymmetric" not in self.noise_kind:
            raise ValueError("class_map: no noise kind is asymmetric; remove it or add the kind")
        if self.noise_file and "file" not in self.noise_kind:
            raise ValueError("noise_file: no noise kind is file; remove it or add the kind")
        if "file" in self.noise_kind and not self.noise_file:
            raise ValueError("noise_file: is missing; noise of the kind file needs it, add it")
        return self
