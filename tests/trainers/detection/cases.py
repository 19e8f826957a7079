"""Small cohorts of canvases, in torch's default floating point type."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from tests.trainers.cases import Trial
from trainers.data.dataset import DatasetInfo
from trainers.data.standard import Standard
from trainers.data.tokenizer import PADDING
from trainers.detection.data.canvases import LIMITS, canvases
from trainers.detection.data.dataset import CLASS, COLUMNS, Boxes, Pictures
from trainers.detection.data.lanes import BoxLanes
from trainers.detection.entry import DETECTION
from trainers.detection.networks.network import PictureFacts, PictureNetwork
from trainers.detection.networks.table import NETWORKS
from trainers.detection.task import Detection
from trainers.entries import load
from trainers.lanes.network import Output
from trainers.lanes.values import LaneValues
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

CANVASES, SIDE = 40, 48
FRACTIONS = SplitFractions(train=0.5, meta=0.15, validation=0.15, test=0.2)
CPU = torch.device("cpu")
SMALL = ModelSpec("detector", {"width": 2, "layers": 1, "tower": 1})
ORDINARY = ModelSpec("detector", {"width": 3, "layers": 1, "tower": 1})
# Of each teacher the seed of its weights and their scale: the larger, the surer.
TEACHERS = {"strong": (1, 3.0), "weak": (2, 2.0)}


@cache
def pictures() -> Pictures:
    """40 canvases of 48 pixels."""
    return canvases("digits", CANVASES, SIDE, 3)


def boxes_of(*pictures: Sequence[tuple[float, ...]]) -> Boxes:
    """Boxes (class, left, top, right, bottom[, crowd]) of every picture as (n, U, 6)."""
    most = max(1, *map(len, pictures))
    found = np.zeros((len(pictures), most, COLUMNS), np.float32)
    found[..., CLASS] = PADDING
    for own, into in zip(pictures, found, strict=True):
        for box, row in zip(own, into, strict=False):
            row[: len(box)] = box
    return found


def made_up(
    boxes: Boxes, height: int = 32, width: int = 32, channels: int = 1, classes: int = 3
) -> Pictures:
    """Pictures of noise with these boxes."""
    n = len(boxes)
    images = np.random.default_rng(0).integers(0, 256, (n, channels, height, width), np.uint8)
    names = tuple("abcdefgh"[:classes])
    standard = Standard(mean=(0.4,) * channels, std=(0.3,) * channels)
    return Pictures(
        images, boxes, names, np.ones(n, np.float32), LIMITS, np.tile([height, width], (n, 1)),
        info=DatasetInfo(class_names=names, standard=standard),
    )  # fmt: skip


def spec_of(clean: float | None = None, augment: str = "none") -> DataSpec:
    fractions = replace(FRACTIONS, clean=clean)
    return DataSpec(
        "canvases", fractions, {"augment": augment}, noise=NoiseSpec(), task="detection"
    )


def network(
    facts: PictureFacts, model: ModelSpec = SMALL, seeds: Sequence[int] = (0,)
) -> PictureNetwork:
    """One lane for each seed, from random weights."""
    whole = NETWORKS[model.name].complete(model)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    made: PictureNetwork = load(whole.implementation)(whole, facts, generators)
    return made


def teacher_weights(facts: PictureFacts, name: str) -> dict[str, np.ndarray]:
    """Of a teacher that was not trained: its outputs are as good as any."""
    seed, scale = TEACHERS[name]
    held = network(facts, ORDINARY, (seed,)).held()
    return {key: (scale * t.detach()[0]).numpy() for key, t in held.items()}


def teacher(facts: PictureFacts, name: str) -> PictureNetwork:
    """The same by itself."""
    made, weights = network(facts, ORDINARY), teacher_weights(facts, name)
    with torch.no_grad():
        for key, tensor in made.held().items():
            tensor.copy_(torch.as_tensor(weights[key]))
    return made.eval()


def kept(source: LaneSource, name: str, dataset: Pictures) -> KeptOutputs:
    """What is kept of a teacher on what students of that seed are shown."""
    own = replace(source, teachers=(), clean="withhold", is_teacher=True)
    bare = BoxLanes(dataset, spec_of(), [own], {}, CPU)
    (outputs,) = Detection().kept_outputs(teacher(bare.facts, name), bare)
    return outputs


def lanes(
    trials: Sequence[Trial],
    dataset: Pictures | None = None,
    clean: CleanUse = "withhold",
    kind: str = "flip",
    augment: str = "none",
) -> BoxLanes:
    """Their data, with what their teachers say."""
    dataset = dataset or pictures()
    own: list[LaneSource] = []
    outputs: dict[str, KeptOutputs] = {}
    for trial in trials:
        source = LaneSource(trial.seed, Labels(kind, trial.noise_rate), trial.teachers, clean)
        named = [f"{name}-{source.seed}-{trial.noise_rate}" for name in trial.teachers]
        for key, name in zip(named, trial.teachers, strict=True):
            if key not in outputs:
                outputs[key] = kept(source, name, dataset)
        own.append(replace(source, teachers=tuple(named)))
    return BoxLanes(dataset, spec_of(augment=augment), own, outputs, CPU)


def live(data: BoxLanes, trials: Sequence[Trial]) -> LiveTeachers:
    weights = [[teacher_weights(data.facts, name) for name in t.teachers] for t in trials]
    networks = [ORDINARY for _ in trials[0].teachers]
    return LiveTeachers(networks, weights, data, Detection(), DETECTION)


def make_cohort(
    method: str,
    trials: Sequence[Trial],
    data: BoxLanes | None = None,
    **training: object,
) -> Cohort:
    """A cohort of ``trials``; its last batch is shorter than the others."""
    usual = Training(epochs=3, batch_size=12, optimizer="adamw")
    spec = CohortSpec(
        method,
        SMALL,
        replace(usual, **training),  # type: ignore[arg-type]
        Selection("loss", False),
        task="detection",
    )
    row = DETECTION.methods[method]
    data = data or lanes(trials, clean="train" if row.needs_clean_rows else "withhold")
    asked = live(data, trials) if data.teachers else None
    return Cohort(spec, [Lane(t.name, t.seed, t.values) for t in trials], data, asked)


def values_of(**numbers: float | str) -> LaneValues:
    """Of one lane."""
    words = {k: (v,) for k, v in numbers.items() if isinstance(v, str)}
    rest = {k: torch.tensor([v]) for k, v in numbers.items() if not isinstance(v, str)}
    return LaneValues(rest, words)


def output(z: Tensor) -> Output:
    """Of a network that shows no features."""
    return Output(None, z)
