"""Small cohorts of strung digits, in torch's default floating point type."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from tests.trainers.cases import Trial
from trainers.ctc.data.dataset import Utterances
from trainers.ctc.data.digit_lines import digit_lines
from trainers.ctc.data.lanes import UtteranceLanes
from trainers.ctc.entry import CTC
from trainers.ctc.networks.network import Shown, UtteranceFacts, UtteranceNetwork
from trainers.ctc.networks.table import NETWORKS
from trainers.ctc.task import Ctc
from trainers.entries import load
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

LINES = 80
FRACTIONS = SplitFractions(train=0.5, meta=0.15, validation=0.15, test=0.2)
CPU = torch.device("cpu")
SMALL = ModelSpec("conv", {"width": 6, "layers": 1, "kernel": 3})
ORDINARY = ModelSpec("conv", {"width": 8, "layers": 2, "kernel": 3})
ORACLE = ModelSpec("oracle", {"width": 8, "layers": 2, "kernel": 3, "heads": 2})
# Of each teacher its network, the seed of its weights and their scale: the larger, the surer.
TEACHERS = {"strong": (ORDINARY, 1, 3.0), "weak": (ORDINARY, 2, 2.0), "oracle": (ORACLE, 3, 2.0)}


def lines(n: int = LINES, longest: int = 2) -> Utterances:
    """Of one or two digits."""
    return digit_lines(n, 1, longest, 0.25)


def spec_of(clean: float | None = None) -> DataSpec:
    fractions = replace(FRACTIONS, clean=clean)
    return DataSpec("digit_lines", fractions, noise=NoiseSpec(), task="ctc")


def network(
    facts: UtteranceFacts, model: ModelSpec = SMALL, seeds: Sequence[int] = (0,)
) -> UtteranceNetwork:
    """One lane for each seed, from random weights."""
    whole = NETWORKS[model.name].complete(model)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    made: UtteranceNetwork = load(whole.implementation)(whole, facts, generators)
    return made


def teacher_weights(facts: UtteranceFacts, name: str) -> dict[str, np.ndarray]:
    """Of a teacher that was not trained: its outputs are as good as any."""
    model, seed, scale = TEACHERS[name]
    held = network(facts, model, (seed,)).held()
    return {
        key: (scale * t.detach()[0] if t.is_floating_point() else t[0]).numpy()
        for key, t in held.items()
    }


def teacher(facts: UtteranceFacts, name: str) -> UtteranceNetwork:
    """The same by itself."""
    made, weights = network(facts, TEACHERS[name][0]), teacher_weights(facts, name)
    with torch.no_grad():
        for key, tensor in made.held().items():
            tensor.copy_(torch.as_tensor(weights[key]))
    return made.eval()


def sources_of(trials: Sequence[Trial], clean: CleanUse, kind: str) -> list[LaneSource]:
    return [LaneSource(t.seed, Labels(kind, t.noise_rate), t.teachers, clean) for t in trials]


def kept(source: LaneSource, name: str, dataset: Utterances) -> KeptOutputs:
    """What is kept of a teacher on what students of that seed are shown."""
    own = replace(source, teachers=(), clean="withhold", is_teacher=True)
    bare = UtteranceLanes(dataset, spec_of(), [own], {}, CPU)
    (outputs,) = Ctc().kept_outputs(teacher(bare.facts, name), bare)
    return outputs


def lanes(
    trials: Sequence[Trial],
    dataset: Utterances | None = None,
    clean: CleanUse = "withhold",
    kind: str = "substitute",
    keep: bool = True,
) -> UtteranceLanes:
    """Their data; of the teachers what they say is kept, or nothing."""
    dataset = dataset or lines()
    own: list[LaneSource] = []
    outputs: dict[str, KeptOutputs] = {}
    for source in sources_of(trials, clean, kind):
        named = [f"{name}-{source.seed}-{source.labels.noise_rate}" for name in source.teachers]
        for key, name in zip(named, source.teachers, strict=True):
            there = kept(source, name, dataset)
            outputs[key] = there if keep else {k: a[:0] for k, a in there.items()}
        own.append(replace(source, teachers=tuple(named)))
    return UtteranceLanes(dataset, spec_of(), own, outputs, CPU)


def live(data: UtteranceLanes, trials: Sequence[Trial]) -> LiveTeachers:
    weights = [[teacher_weights(data.facts, name) for name in t.teachers] for t in trials]
    networks = [TEACHERS[name][0] for name in trials[0].teachers]
    return LiveTeachers(networks, weights, data, Ctc(), CTC)


def make_cohort(
    method: str,
    trials: Sequence[Trial],
    data: UtteranceLanes | None = None,
    **training: object,
) -> Cohort:
    """A cohort of ``trials``; its last batch is shorter than the others."""
    usual = Training(epochs=3, batch_size=17, optimizer="adamw")
    spec = CohortSpec(
        method,
        SMALL,
        replace(usual, **training),  # type: ignore[arg-type]
        Selection("loss", False),
        task="ctc",
    )
    row = CTC.methods[method]
    data = data or lanes(trials, clean="train" if row.needs_clean_rows else "withhold")
    asked = live(data, trials) if data.teachers else None
    return Cohort(spec, [Lane(t.name, t.seed, t.values) for t in trials], data, asked)


def shown(dataset: Utterances, lanes: int = 1) -> Shown:
    """All utterances of a data set, in each of some lanes."""
    labels = np.concatenate([dataset.labels, np.full_like(dataset.labels, -1)], axis=1)
    tensors = (
        torch.as_tensor(dataset.frames).to(torch.get_default_dtype()),
        torch.as_tensor(dataset.lengths),
        torch.as_tensor(labels),
    )
    return Shown(*(t.expand(lanes, *t.shape) for t in tensors))
