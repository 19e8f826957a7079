"""Utterances, in small."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.contracts.specimens.specimen import Specimen
from tests.trainers.cases import LIVELY, Trial
from tests.trainers.ctc.cases import SMALL, make_cohort
from tests.trainers.ctc.recorded import spoken
from trainers.ctc.data.dataset import Utterances, feasible
from trainers.ctc.entry import CTC
from trainers.data.dataset import Dataset
from trainers.data.tokenizer import PADDING
from trainers.fields import Value
from trainers.loading import input_shape
from trainers.loop.cohort import Cohort
from trainers.settings import DataSpec, Option

RECORDINGS = 60
WORDS = ("no", "yes", "it is ", "a")
OWN_LIVELY: Mapping[str, Sequence[Mapping[str, Value]]] = {
    **{name: values for name, values in LIVELY.items() if name in CTC.methods},
    # The weights' steps are normalised here.
    "alm_kd": (
        {"variant": "box", "warmup_epochs": 1, "update_every": 1, "level": "guided"},
        {"variant": "convex", "warmup_epochs": 0, "update_every": 2, "meta_lr": 0.3},
        {"variant": "max", "warmup_epochs": 1, "update_every": 1, "start": "uniform"},
    ),
    "bikd": ({"net_lr": 0.03, "held_out_batches": 1}, {"net_lr": 0.01, "held_out_batches": 2}),
    "fixed_kd": (
        {"alpha": 0.5, "frames": "near"},
        {"alpha": 1.0, "temperature": 2.0, "level": "softmax"},
        {"alpha": 0.1, "level": "sequence"},
    ),
}


def _cohort(method: str, trials: Sequence[Trial], epochs: int) -> Cohort:
    return make_cohort(method, trials, epochs=epochs)


def _options(name: str, folder: Path) -> Mapping[str, Option]:
    """What a data set is told so that it loads, with its files made in ``folder``."""
    if name == "speech":
        texts = {f"{i}.wav": WORDS[i % 4] + WORDS[i // 4 % 4] for i in range(RECORDINGS)}
        table = spoken(folder / "recordings", texts, seconds=0.3)
        return {"path": str(folder / "recordings"), "transcripts": str(table)}
    return {}


def _check(spec: DataSpec, dataset: Dataset) -> None:
    assert isinstance(dataset, Utterances)
    assert dataset.frames.dtype == np.float32
    assert dataset.lengths.dtype == dataset.labels.dtype == np.int64
    assert len(dataset.frames) == len(dataset.lengths) == len(dataset.labels) == len(dataset)
    assert input_shape(spec) in (None, dataset.frames.shape[1:])
    # Nothing is behind the end of an utterance or of a target, and every target can be said.
    behind = np.arange(dataset.shape[0]) >= dataset.lengths[:, None]
    assert not dataset.frames[behind].any()
    assert (np.diff(dataset.labels != PADDING, axis=1).sum(1) <= 1).all()
    assert (dataset.labels[:, 0] != PADDING).all()
    assert feasible(dataset.lengths, dataset.labels).all()


SPECIMEN = Specimen(
    task=CTC,
    cohort=_cohort,
    lively=OWN_LIVELY,
    rates=(0.005, 0.01, 0.02),
    tallied=(),
    undefined=("wer", "cer_shown", "cer_swapped"),
    model=SMALL,
    options=_options,
    check=_check,
)
