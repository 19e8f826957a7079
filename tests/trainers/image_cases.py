"""Small cohorts on made-up images, for networks that keep running statistics."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tests.trainers.cases import CPU, Trial, usual_clean
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LaneData, Treatment
from trainers.classification.entry import CLASSIFICATION
from trainers.classification.networks.build import build_model
from trainers.classification.task import Classification
from trainers.loop.cohort import Cohort
from trainers.loop.live_teachers import LiveTeachers, Weights
from trainers.settings import (
    CohortSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    SplitFractions,
    Training,
)

EXAMPLES, CLASSES, SIDE = 60, 3, 8
FRACTIONS = SplitFractions(train=0.5, meta=0.1, validation=0.2, test=0.2)
SMALL_CNN = ModelSpec("plain_cnn", {"depth": 2, "width": 4})
TEACHER = ModelSpec("mlp", {"hidden": (5,)})


def made_up_images() -> Dataset:
    """Noise with a bright row, a different one for each class."""
    rng = np.random.default_rng(22)
    labels = rng.integers(0, CLASSES, EXAMPLES)
    images = rng.normal(size=(EXAMPLES, 1, SIDE, SIDE))
    images[np.arange(EXAMPLES), 0, 2 * labels] += 2
    return Dataset(images.astype(np.float32), labels.astype(np.int64), CLASSES)


def image_cohort(
    trials: Sequence[Trial],
    epochs: int = 3,
    method: str = "labels_only",
    model: ModelSpec = SMALL_CNN,
    treatment: Treatment | None = None,
    starts: Mapping[str, Weights] | None = None,
) -> Cohort:
    """A cohort of small students, convolutional if not told otherwise; ``starts``: as `Cohort`."""
    dataset = made_up_images()
    logits = {"strong": 3 * np.eye(CLASSES, dtype=np.float32)[dataset.labels]}
    clean = usual_clean(method)
    sources = [
        LaneSource(t.seed, Labels("symmetric", t.noise_rate), t.teachers, clean) for t in trials
    ]
    spec = CohortSpec(
        method,
        model,
        Training(epochs, 16, momentum=0.9, nesterov=True, schedule="cosine"),
        Selection("loss", maximize=False),
    )
    data = LaneData(dataset, FRACTIONS, sources, logits, CPU, treatment)
    live = _live_teachers(trials, data) if data.changes_inputs else None
    lanes = [Lane(t.name, t.seed, t.values) for t in trials]
    return Cohort(spec, lanes, data, live, starts=starts)


def _live_teachers(trials: Sequence[Trial], data: LaneData) -> LiveTeachers:
    """Of every lane one teacher, untrained, another one for every seed."""
    weights = []
    for trial in trials:
        drawn = torch.Generator().manual_seed(trial.seed)
        model = build_model(TEACHER, (1, SIDE, SIDE), CLASSES, [drawn])
        weights.append([{name: t[0].numpy() for name, t in model.state_dict().items()}])
    return LiveTeachers([TEACHER], weights, data, Classification(), CLASSIFICATION)
