"""Responses to prompts, in small."""

import json
from collections.abc import Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from string import ascii_lowercase

import numpy as np

from tests.contracts.specimens.specimen import Specimen
from tests.trainers.cases import LIVELY, Trial
from tests.trainers.language.cases import SMALL, make_cohort
from trainers.data.dataset import Dataset
from trainers.data.tokenizer import PADDING
from trainers.fields import Value
from trainers.language.data.cmudict import FILE, SAID
from trainers.language.data.dataset import SequenceDataset
from trainers.language.entry import LANGUAGE
from trainers.loading import input_shape
from trainers.loop.cohort import Cohort
from trainers.settings import DataSpec, Option

PAIRS, COLUMNS = 60, 5
PHONEMES = ("AA", "B", "CH", "D")
# The weights' steps are normalised here.
ALM_KD: Sequence[Mapping[str, Value]] = (
    {"variant": "box", "warmup_epochs": 1, "update_every": 1, "divergence": "rkl"},
    {"variant": "convex", "warmup_epochs": 0, "update_every": 2, "meta_lr": 0.3},
    {"variant": "max", "warmup_epochs": 1, "update_every": 1, "start": "uniform"},
)
OWN_LIVELY: Mapping[str, Sequence[Mapping[str, Value]]] = {
    **{name: values for name, values in LIVELY.items() if name in LANGUAGE.methods},
    "alm_kd": ALM_KD,
    "alm_kd_token": ALM_KD,
    "bikd": ({"net_lr": 0.03, "held_out_batches": 1}, {"net_lr": 0.01, "held_out_batches": 2}),
    "fixed_kd": (
        {"divergence": "jsd", "beta": 0.2},
        {"divergence": "todi", "alpha": 1.0, "temperature": 2.0},
        {"divergence": "skew_rkl", "alpha": 0.1},
    ),
    "seq_kd": ({"teacher_temperature": 0.0}, {}, {"teacher_temperature": 2.0}),
    "gkd": (
        {"on_policy": 0.5},
        {"on_policy": 0.7, "fixed_data": "teacher", "divergence": "rkl"},
        {"sampling_temperature": 0.0, "divergence": "tvd"},
    ),
    "skd": (
        {"top_k": 2, "on_policy": 0.6},
        {"top_k": 0, "divergence": "jsd"},
        {"top_k": 4, "teacher_temperature": 0.0},
    ),
    "okd": (
        {"module_lr": 0.05, "rank": 1},
        {"module_lr": 0.01, "teacher_loss": "student", "divergence": "skew_fkl"},
        {"module_lr": 0.02, "teacher_loss": "label", "rank": 8, "gamma": 2.0},
    ),
    "taid": (
        {"t_start": 0.0, "t_step": 0.3, "t_momentum": 0.5},
        {"alpha": 0.5},
        {"t_start": 0.2, "t_step": 0.1, "t_momentum": 0.0},
    ),
    "adakd": (
        {"share_step": 0.3, "share_tolerance": 0.01, "loss_decay": 0.2},
        {"alpha": 0.5, "divergence": "rkl"},
        {"share_step": 0.6, "share_tolerance": 0.0, "loss_decay": 0.0, "temperature_scale": 1.5},
    ),
}


def _cohort(method: str, trials: Sequence[Trial], epochs: int) -> Cohort:
    return make_cohort(method, trials, epochs=epochs)


def _options(name: str, folder: Path) -> Mapping[str, Option]:
    """What a data set is told so that it loads, with its files made in ``folder``."""
    if name == "cmudict":
        _write_dictionary(folder / FILE)
        return {"folder": str(folder)}
    if name == "jsonl":
        pairs = [{"prompt": f"{i:04}", "response": f"{7 * i:04}"} for i in range(PAIRS)]
        lines = [json.dumps(pair) for pair in pairs]
        (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
        sizes = {"max_prompt": COLUMNS, "max_response": COLUMNS}
        return {"path": str(folder / "a.jsonl"), **sizes}
    return {}


def _write_dictionary(file: Path) -> None:
    """Made-up words, and those that the published ones are known by."""
    words = ["".join(word) for word in islice(product(ascii_lowercase, repeat=4), PAIRS)]
    lines = [" ".join([word, *(PHONEMES[ord(c) % len(PHONEMES)] for c in word)]) for word in words]
    lines += [f"{word} {phonemes}" for word, phonemes in SAID.items()]
    file.write_text("\n".join(lines), encoding="utf-8")


def _check(spec: DataSpec, dataset: Dataset) -> None:
    assert isinstance(dataset, SequenceDataset)
    assert dataset.prompts.dtype == dataset.responses.dtype == np.int32
    assert len(dataset.prompts) == len(dataset.responses) == len(dataset)
    assert input_shape(spec) == (dataset.prompts.shape[1], dataset.responses.shape[1])
    # All responses begin at the same column, and tokens stand together.
    assert (dataset.prompts[:, -1] != PADDING).all()
    assert (dataset.responses[:, 0] != PADDING).all()
    assert (np.diff(dataset.prompts != PADDING, axis=1).sum(1) <= 1).all()
    assert (np.diff(dataset.responses != PADDING, axis=1).sum(1) <= 1).all()
    assert 0 <= dataset.end < dataset.size


SPECIMEN = Specimen(
    task=LANGUAGE,
    cohort=_cohort,
    lively=OWN_LIVELY,
    rates=(0.005, 0.01, 0.02),
    tallied=(),
    undefined=(),
    model=SMALL,
    options=_options,
    check=_check,
)
