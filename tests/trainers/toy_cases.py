"""Small cohorts of the two toy tasks, in this process, in torch's default floating point type."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trainers.data.dataset import Dataset
from trainers.entries import TaskEntry
from trainers.fields import Value
from trainers.loop.cohort import Cohort
from trainers.loop.live_teachers import LiveTeachers
from trainers.registry import TASKS
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
    Training,
)
from trainers.task import KeptOutputs

sys.path.insert(0, str(Path(__file__).parents[1] / "toys"))

from toys.datasets import TAGS, Sequences
from toys.rows import PAIRS, SEQUENCES

N = 90
FRACTIONS = SplitFractions(train=0.5, meta=0.15, validation=0.15, test=0.2)
NETWORKS: Mapping[str, ModelSpec] = {
    "toy_sequences": ModelSpec("tagger", {"width": 3}),
    "toy_pairs": ModelSpec("embeddings", {"width": 3}),
}
BOTH = (SEQUENCES, PAIRS)
CPU = torch.device("cpu")


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy tasks among the others."""
    for task in BOTH:
        monkeypatch.setitem(TASKS, task.name, task)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ToyTrial:
    """One lane: its name and seed, its share of wrong labels, its values, its teachers."""

    name: str
    seed: int = 3
    noise_rate: float = 0.4
    values: Mapping[str, Value] | None = None
    teachers: tuple[str, ...] = ("one",)


def training_of(task: TaskEntry, **others: object) -> Training:
    """The settings of a cohort; its last batch is shorter than the others."""
    usual = Training(epochs=3, batch_size=7, optimizer=task.optimizer)
    return replace(usual, **others)  # type: ignore[arg-type]


def outputs_of(task: TaskEntry, dataset: Dataset) -> dict[str, KeptOutputs]:
    """Two teachers that guess at random, as their task keeps them."""
    rng = np.random.default_rng(5)
    kept: dict[str, KeptOutputs] = {}
    for name in ("one", "two"):
        if isinstance(dataset, Sequences):
            offsets = np.concatenate([[0], np.cumsum(dataset.lengths)])
            kept[name] = {"logits": 2 * rng.normal(size=(offsets[-1], TAGS)), "offsets": offsets}
        else:
            kept[name] = {"logits": 2 * rng.normal(size=(len(dataset), 2))}
    as_default = torch.get_default_dtype()
    return {
        name: {k: _as(array, as_default) for k, array in arrays.items()}
        for name, arrays in kept.items()
    }


def _as(array: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    whole = np.issubdtype(array.dtype, np.integer)
    return array if whole else torch.as_tensor(array).to(dtype).numpy()


def toy_cohort(
    task: TaskEntry,
    method: str,
    trials: Sequence[ToyTrial],
    training: Training | None = None,
    live: bool = False,
) -> Cohort:
    """A cohort of ``trials``; ``live``: with the teachers themselves, freshly started."""
    (row,) = task.datasets.values()
    dataset = row.load(n=N)
    (noise,) = task.noise_kinds
    clean: CleanUse = "train" if task.methods[method].needs_clean_rows else "withhold"
    sources = [LaneSource(t.seed, Labels(noise, t.noise_rate), t.teachers, clean) for t in trials]
    data_spec = DataSpec(task.name, FRACTIONS, {"n": N}, task=task.name)
    kind, model = task.load(), NETWORKS[task.name]
    data = kind.data(dataset, data_spec, sources, outputs_of(task, dataset), CPU)
    metric = task.metrics[task.objective]
    spec = CohortSpec(
        method, model, training or training_of(task),
        Selection(metric.name, metric.direction == "maximize", task.selection), task.name,
    )  # fmt: skip
    alive = None
    if live:
        complete = task.networks[model.name].complete(model)
        seeds = [torch.Generator().manual_seed(t.seed) for t in trials]
        started = [kind.network(complete, data, [seed]) for seed in seeds]
        weights = [
            [{name: p[0].detach().numpy() for name, p in network.named_parameters()}]
            for network in started
        ]
        alive = LiveTeachers([model], weights, data, kind, task)
    lanes = [Lane(t.name, t.seed, t.values or {}) for t in trials]
    return Cohort(spec, lanes, data, alive)
