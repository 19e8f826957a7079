"""Small cohorts whose classes come task by task, in torch's default floating point type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from trainers.classification.data.dataset import Dataset
from trainers.fields import Value
from trainers.incremental.data.lanes import StreamLanes
from trainers.incremental.entry import INCREMENTAL
from trainers.loop.cohort import Cohort
from trainers.settings import (
    CleanUse,
    CohortSpec,
    DataSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    SplitFractions,
    Stream,
    Training,
)

INPUTS, CLASSES = 5, 6
FRACTIONS = SplitFractions(train=0.5, meta=0.15, validation=0.15, test=0.2)
NORMED = ModelSpec("mlp", {"hidden": (7,), "norm": "batch"})
PLAIN = ModelSpec("mlp", {"hidden": (7,)})


@dataclass(frozen=True)
class StreamTrial:
    """One lane."""

    name: str
    seed: int = 3
    values: Mapping[str, Value] = field(default_factory=dict)
    noise_rate: float = 0.0


def blobs(per_class: int = 40) -> Dataset:
    """Overlapping ones; of each class one example more than of the one before."""
    rng = np.random.default_rng(5)
    labels = np.concatenate([np.full(per_class + c, c) for c in range(CLASSES)])
    labels = labels[rng.permutation(len(labels))]
    centres = 2 * rng.normal(size=(CLASSES, INPUTS))
    inputs = centres[labels] + rng.normal(size=(len(labels), INPUTS))
    number = np.float64 if torch.get_default_dtype() == torch.float64 else np.float32
    return Dataset(inputs.astype(number), labels.astype(np.int64), CLASSES)


def spec_of(stream: Stream) -> DataSpec:
    return DataSpec("blobs", FRACTIONS, task="incremental", stream=stream)


def lanes(
    trials: Sequence[StreamTrial], stream: Stream, clean: CleanUse = "withhold"
) -> StreamLanes:
    """Before the first phase."""
    sources = [LaneSource(t.seed, Labels("symmetric", t.noise_rate), clean=clean) for t in trials]
    data = INCREMENTAL.load().data(blobs(), spec_of(stream), sources, {}, torch.device("cpu"))
    assert isinstance(data, StreamLanes)
    return data


def make_cohort(
    method: str,
    trials: Sequence[StreamTrial],
    stream: Stream | None = None,
    model: ModelSpec = NORMED,
    clean: CleanUse = "withhold",
    **training: object,
) -> Cohort:
    """A cohort of ``trials``; by default of three tasks of two epochs."""
    stream = stream or Stream(3)
    settings = {"epochs": 2, "batch_size": 16, "momentum": 0.9, "nesterov": False, **training}
    spec = CohortSpec(
        method, model, Training(phases=stream.tasks, **settings),  # type: ignore[arg-type]
        Selection("accuracy", True, "last"), "incremental",
    )  # fmt: skip
    told = [Lane(t.name, t.seed, {"weight_decay": 0.0, **t.values}) for t in trials]
    return Cohort(spec, told, lanes(trials, stream, clean))
