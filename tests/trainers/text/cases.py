"""Small cohorts of made-up texts, in torch's default floating point type."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from tests.trainers.cases import Trial
from trainers.classes.labels import numbered
from trainers.lanes.network import LaneNetwork
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
    TeacherCalls,
    Training,
)
from trainers.text.data.dataset import Reading, TextDataset
from trainers.text.entry import TEXT
from trainers.text.networks.table import NETWORKS
from trainers.text.task import TextLanes

N, LENGTH, CLASSES = 90, 7, 3
FRACTIONS = SplitFractions(train=0.5, meta=0.15, validation=0.15, test=0.2)
CPU = torch.device("cpu")
SMALL = ModelSpec("transformer", {"width": 8, "layers": 1, "heads": 2})
TEACHER = ModelSpec("transformer", {"width": 12, "layers": 1, "heads": 3})
# Of each teacher the seed of its weights and their scale: the larger, the surer it is.
TEACHERS = {"strong": (1, 20.0), "weak": (2, 10.0)}


def texts(n: int = N) -> tuple[list[str], list[str]]:
    """Texts of one to nine words, of which some are of their class alone, and labels."""
    rng = np.random.default_rng(8)
    labels = rng.permutation(np.arange(n) % CLASSES)
    written = []
    for label in labels:
        words = [
            f"c{label}w{rng.integers(5)}" if rng.random() < 0.5 else f"w{rng.integers(20)}"
            for _ in range(rng.integers(1, 10))
        ]
        written.append(" ".join(words))
    return written, [f"class {label}" for label in labels]


def made_up_texts(n: int = N) -> TextDataset:
    written, labels = texts(n)
    return Reading(LENGTH, 1000).dataset("made up", written, numbered("made up", np.array(labels)))


def spec_of(dataset: str = "csv") -> DataSpec:
    return DataSpec(dataset, FRACTIONS, task="text")


def teacher_weights(data: TextLanes, name: str) -> dict[str, np.ndarray]:
    """Of a teacher that was not trained: its outputs are as good as any."""
    seed, scale = TEACHERS[name]
    start = torch.Generator().manual_seed(seed)
    network = TASKS["text"].load().network(NETWORKS["transformer"].complete(TEACHER), data, [start])
    return {key: scale * t.detach()[0].numpy() for key, t in network.named_parameters()}


def lanes(
    trials: Sequence[Trial],
    dataset: TextDataset | None = None,
    clean: CleanUse = "withhold",
    calls: TeacherCalls | None = None,
) -> TextLanes:
    """Their data; of the teachers what they say of every text is kept."""
    dataset, task = dataset or made_up_texts(), TASKS["text"].load()
    sources = [LaneSource(t.seed, Labels("symmetric", t.noise_rate), clean=clean) for t in trials]
    bare = task.data(dataset, spec_of(), sources[:1], {}, CPU)
    outputs = {}
    for name in TEACHERS:
        (kept,) = task.kept_outputs(network_of(bare, name), bare)
        outputs[name] = kept
    taught = [replace(s, teachers=t.teachers) for s, t in zip(sources, trials, strict=True)]
    data = task.data(dataset, replace(spec_of(), calls=calls), taught, outputs, CPU)
    assert isinstance(data, TextLanes)
    return data


def network_of(data: TextLanes, name: str) -> LaneNetwork:
    """A teacher by itself."""
    network: LaneNetwork = (
        TASKS["text"]
        .load()
        .network(NETWORKS["transformer"].complete(TEACHER), data, [torch.Generator()])
    )
    weights = teacher_weights(data, name)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            parameter.copy_(torch.as_tensor(weights[key]))
    return network.eval()


def live(data: TextLanes, trials: Sequence[Trial]) -> LiveTeachers:
    weights = [[teacher_weights(data, name) for name in t.teachers] for t in trials]
    return LiveTeachers([TEACHER] * data.teachers, weights, data, TASKS["text"].load(), TEXT)


def make_cohort(
    method: str,
    trials: Sequence[Trial],
    model: ModelSpec = SMALL,
    calls: TeacherCalls | None = None,
    **training: object,
) -> Cohort:
    """A cohort of ``trials``; its last batch is shorter than the others."""
    usual = Training(epochs=3, batch_size=19, optimizer="adamw")
    spec = CohortSpec(
        method,
        model,
        replace(usual, **training),
        Selection("accuracy", True),
        task="text",  # type: ignore[arg-type]
    )
    row = TEXT.methods[method]
    data = lanes(trials, clean="train" if row.needs_clean_rows else "withhold", calls=calls)
    asked = live(data, trials) if row.changes_inputs else None
    return Cohort(spec, [Lane(t.name, t.seed, t.values) for t in trials], data, asked)
