"""Small cohorts of made-up sums, in torch's default floating point type."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from tests.trainers.cases import Trial
from trainers.language.data.addition import addition
from trainers.language.data.dataset import SequenceDataset
from trainers.language.data.lanes import SequenceLanes
from trainers.language.entry import LANGUAGE
from trainers.language.networks.decoder import Decoder
from trainers.language.networks.network import SequenceFacts
from trainers.language.networks.table import NETWORKS
from trainers.language.task import Language
from trainers.loop.cohort import Cohort
from trainers.loop.live_teachers import LiveTeachers
from trainers.settings import (
    CleanUse,
    CohortSpec,
    DataSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    NoiseSpec,
    Selection,
    SplitFractions,
    Training,
)
from trainers.task import KeptOutputs

SUMS = 80
FRACTIONS = SplitFractions(train=0.5, meta=0.15, validation=0.15, test=0.2)
CPU = torch.device("cpu")
SMALL = ModelSpec("decoder", {"width": 8, "layers": 1, "heads": 2})
TEACHER = ModelSpec("decoder", {"width": 12, "layers": 1, "heads": 3})
# Of each teacher the seed of its weights and their scale: the larger, the surer it is.
TEACHERS = {"strong": (1, 3.0), "weak": (2, 2.0)}


def sums(n: int = SUMS) -> SequenceDataset:
    """Different ones of numbers of two digits."""
    return addition(2, n)


def spec_of(clean: float | None = None) -> DataSpec:
    fractions = replace(FRACTIONS, clean=clean)
    return DataSpec("addition", fractions, noise=NoiseSpec(), task="language")


def decoder(facts: SequenceFacts, model: ModelSpec = SMALL, seeds: Sequence[int] = (0,)) -> Decoder:
    """One lane for each seed, from random weights."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return Decoder(NETWORKS["decoder"].complete(model), facts, generators)


def teacher_weights(facts: SequenceFacts, name: str) -> dict[str, np.ndarray]:
    """Of a teacher that was not trained: its outputs are as good as any."""
    seed, scale = TEACHERS[name]
    network = decoder(facts, TEACHER, (seed,))
    return {key: scale * t.detach()[0].numpy() for key, t in network.named_parameters()}


def teacher(facts: SequenceFacts, name: str) -> Decoder:
    """The same by itself."""
    network, weights = decoder(facts, TEACHER), teacher_weights(facts, name)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            parameter.copy_(torch.as_tensor(weights[key]))
    return network.eval()


def sources_of(trials: Sequence[Trial], clean: CleanUse, kind: str) -> list[LaneSource]:
    return [LaneSource(t.seed, Labels(kind, t.noise_rate), t.teachers, clean) for t in trials]


def kept(source: LaneSource, name: str, dataset: SequenceDataset) -> KeptOutputs:
    """What is kept of a teacher on what students of that seed are shown."""
    own = replace(source, teachers=(), clean="withhold", is_teacher=True)
    bare = SequenceLanes(dataset, spec_of(), [own], {}, CPU)
    (outputs,) = Language().kept_outputs(teacher(bare.facts, name), bare)
    return outputs


def lanes(
    trials: Sequence[Trial],
    dataset: SequenceDataset | None = None,
    clean: CleanUse = "withhold",
    kind: str = "swap",
    keep: bool = True,
) -> SequenceLanes:
    """Their data; of the teachers what they say is kept, or nothing."""
    dataset = dataset or sums()
    own: list[LaneSource] = []
    outputs: dict[str, KeptOutputs] = {}
    for source in sources_of(trials, clean, kind):
        named = [f"{name}-{source.seed}-{source.labels.noise_rate}" for name in source.teachers]
        for key, name in zip(named, source.teachers, strict=True):
            there = kept(source, name, dataset)
            outputs[key] = there if keep else {k: a[:0] for k, a in there.items()}
        own.append(replace(source, teachers=tuple(named)))
    return SequenceLanes(dataset, spec_of(), own, outputs, CPU)


def live(data: SequenceLanes, trials: Sequence[Trial]) -> LiveTeachers:
    weights = [[teacher_weights(data.facts, name) for name in t.teachers] for t in trials]
    return LiveTeachers([TEACHER] * data.teachers, weights, data, Language(), LANGUAGE)


def make_cohort(
    method: str,
    trials: Sequence[Trial],
    data: SequenceLanes | None = None,
    **training: object,
) -> Cohort:
    """A cohort of ``trials``; its last batch is shorter than the others."""
    usual = Training(epochs=3, batch_size=17, optimizer="adamw")
    spec = CohortSpec(
        method,
        SMALL,
        replace(usual, **training),  # type: ignore[arg-type]
        Selection("token_error_rate", False),
        task="language",
    )
    row = LANGUAGE.methods[method]
    data = data or lanes(trials, clean="train" if row.needs_clean_rows else "withhold")
    asked = live(data, trials) if data.teachers else None
    return Cohort(spec, [Lane(t.name, t.seed, t.values) for t in trials], data, asked)
