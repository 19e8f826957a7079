"""Small cohorts on made-up data, with sizes that divide nothing evenly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LaneData, Treatment
from trainers.classification.entry import CLASSIFICATION
from trainers.entries import TaskEntry
from trainers.fields import Value
from trainers.loop.cohort import Cohort, Metrics
from trainers.loop.stack import Stack
from trainers.method import Step
from trainers.settings import (
    CleanUse,
    CohortSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    SplitFractions,
    TeacherCalls,
    Training,
)
from trainers.task import Batch

EXAMPLES, INPUTS, CLASSES = 211, 7, 5
FRACTIONS = SplitFractions(train=0.5, meta=0.13, validation=0.17, test=0.2)
CPU = torch.device("cpu")

# Values under which a method does within three epochs all that it ever does.
LIVELY: Mapping[str, Sequence[Mapping[str, Value]]] = {
    "alm_kd": (
        {"variant": "box", "warmup_epochs": 1, "update_every": 1, "meta_lr": 300.0},
        {"variant": "convex", "warmup_epochs": 0, "update_every": 2, "meta_lr": 100.0},
        {"variant": "box", "warmup_epochs": 0, "start": "uniform", "grad_fit": 2},
        {"variant": "max", "warmup_epochs": 1, "update_every": 1, "held_out_batch": 8},
        {"variant": "softmax", "warmup_epochs": 0, "update_every": 1, "meta_lr": 500.0},
        {"variant": "convex", "warmup_epochs": 1, "inner_repeats": 2, "hypergradient": "full"},
    ),
    "fixed_kd": ({"alpha": 0.5}, {"alpha": 1.0, "temperature": 2.0}, {"alpha": 0.1}),
    "label_smoothing": ({"smoothing": 0.0}, {"smoothing": 0.3}),
    "superloss": ({"regularization": 0.3, "alpha": 0.5}, {"regularization": 2.0}),
    "crust": (
        {"coreset_after": 1},
        {"coreset_after": 0, "coreset_ratio": 0.2, "selection": "central"},
        {"coreset_after": 2, "coreset_ratio": 1.0, "coreset_radius": 0.2},
    ),
    "meta_weight_net": ({"net_lr": 0.1}, {"net_lr": 0.01, "held_out_batch": 5}),
    "bikd": (
        {"net_lr": 0.03, "held_out_batches": 1, "held_out_batch": 1000},
        {"net_lr": 0.01, "temperature": 2.0, "net_lr_decay": 0.5},
        {"net_lr": 0.1, "held_out_batches": 4, "held_out_batch": 7},
    ),
    "dkd": (
        {"ramp_epochs": 2, "lr": 0.02},
        {"ramp_epochs": 1, "target_weight": 3.0, "lr": 0.01},
        {"other_weight": 1.0, "lr": 0.03},
    ),
    "dist": ({"temperature": 2.0}, {"inter_weight": 3.0}, {"intra_weight": 0.0}),
    "lw_kd": (
        {"adversarial_weight": 1.0, "alpha": 0.5, "discriminator_lr": 0.1},
        {"adversarial_weight": 0.0, "temperature": 2.0},
        {"adversarial_weight": 0.3, "discriminator_lr": 0.01, "temperature": 8.0},
    ),
    "ckd": (
        {"lr": 0.02},
        {"label_loss": "compare", "alpha": 0.7, "lr": 0.03},
        {"comparisons": "pairs", "label_loss": "compare", "calibrate": "none", "lr": 0.02},
        {"comparisons": "two_to_one", "alpha": 1.0, "lr": 0.01},
    ),
    "fine_tuning": (
        {"fine_tune_epochs": 1, "fine_tune_scale": 0.5},
        {"fine_tune_epochs": 2},
        {"fine_tune_epochs": 1, "fine_tune_scale": 2.0},
    ),
    "ae_kd": ({"cap": 0.6}, {"cap": 1.0, "alpha": 0.5}),
}

# Learning rates at which its students learn, one trial after the other.
RATES = (0.05, 0.2, 0.01, 0.1)
# Methods that with one teacher alone would be another.
OF_SEVERAL = ("aver", "ae_kd")


@dataclass(frozen=True)
class Trial:
    """One lane of a test: what it is called, what it trains on, and with which values."""

    name: str
    seed: int = 3
    noise_rate: float = 0.4
    teachers: tuple[str, ...] = ("strong",)
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """What the lanes of a test share; ``clean``: by default `usual_clean`. ``calls``: how often
    they may ask teachers. ``steps``: of an epoch. ``accumulate``: parts of a batch."""

    epochs: int = 3
    batch_size: int = 19
    hidden: tuple[int, ...] = (11,)
    metric: str = "accuracy"
    clean: CleanUse | None = None
    calls: TeacherCalls | None = None
    steps: int | None = None
    accumulate: int | None = None


def made_up_dataset() -> Dataset:
    """Overlapping blobs, one per class."""
    rng = np.random.default_rng(20)
    labels = rng.integers(0, CLASSES, EXAMPLES)
    centres = rng.normal(size=(CLASSES, INPUTS))
    inputs = centres[labels] + 0.7 * rng.normal(size=(EXAMPLES, INPUTS))
    return Dataset(inputs.astype(_float()), labels.astype(np.int64), CLASSES)


def teacher_logits(dataset: Dataset) -> dict[str, np.ndarray]:
    """Two teachers of the examples, one mostly right and one that often errs; and a light one, of
    three examples of its own for every class."""
    rng = np.random.default_rng(21)
    right = np.eye(dataset.classes)[dataset.labels]
    noise = rng.normal(size=(2, *right.shape))
    of_classes = 3 * np.eye(dataset.classes)[:, None]
    own = of_classes + rng.normal(size=(dataset.classes, 3, dataset.classes))
    return {
        "strong": (4 * right + noise[0]).astype(_float()),
        "weak": (right + noise[1]).astype(_float()),
        "light": own.astype(_float()),
    }


def usual_clean(method: str) -> CleanUse:
    """What a method does with the clean meta split where a test does not say."""
    return "train" if CLASSIFICATION.methods[method].needs_clean_rows else "withhold"


def make_cohort(
    method: str,
    trials: Sequence[Trial],
    shape: Shape | None = None,
    outputs: Mapping[str, np.ndarray] | None = None,
) -> Cohort:
    """A cohort of ``trials`` on the made-up data, in torch's default floating point type.

    ``outputs``: of the teachers, by default `teacher_logits`.
    """
    shape = shape or Shape()
    dataset, clean = made_up_dataset(), shape.clean or usual_clean(method)
    sources = [
        LaneSource(t.seed, Labels("symmetric", t.noise_rate), t.teachers, clean) for t in trials
    ]
    spec = CohortSpec(
        method,
        ModelSpec("mlp", {"hidden": shape.hidden}),
        Training(shape.epochs, shape.batch_size, steps=shape.steps, accumulate=shape.accumulate),
        Selection(shape.metric, maximize=shape.metric == "accuracy"),
    )
    logits = teacher_logits(dataset) if outputs is None else outputs
    data = LaneData(dataset, FRACTIONS, sources, logits, CPU, Treatment(calls=shape.calls))
    return Cohort(spec, [Lane(t.name, t.seed, t.values) for t in trials], data)


def lively_trials(method: str, count: int) -> list[Trial]:
    """Trials of classification that differ in all that they may."""
    return various_trials(CLASSIFICATION, method, LIVELY.get(method, ({},)), RATES, count)


def various_trials(
    task: TaskEntry,
    method: str,
    values: Sequence[Mapping[str, Value]],
    rates: Sequence[float],
    count: int,
) -> list[Trial]:
    """Trials that differ in seed, noise, teachers, learning rate and ``values``."""
    teachers: Sequence[tuple[str, ...]] = (("strong",), ("weak",))
    if task.methods[method].teachers == "several" or method in OF_SEVERAL:
        teachers = (("strong", "weak"), ("weak", "strong"))
    if method == "lw_kd":
        teachers = (("light",), ("strong",))
    return [
        Trial(
            name=f"trial-{i}",
            seed=100 + i // 2,
            noise_rate=(0.0, 0.4, 0.6)[i % 3],
            teachers=teachers[i % 2],
            values={"lr": rates[i % len(rates)], **values[i % len(values)]},
        )
        for i in range(count)
    ]


def only(cohort: Cohort) -> Stack:
    """The one stack of a cohort whose lanes train together."""
    (stack,) = cohort.stacks
    return stack


def weights(cohort: Cohort, name: str) -> dict[str, torch.Tensor]:
    """Parameters and buffers of one lane, wherever it trains."""
    stack = next(stack for stack in cohort.stacks if name in stack.names)
    return stack.weights(stack.names.index(name))


def identical(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors are the same to the last bit, with NaN in the same places."""
    return torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(), b.nan_to_num())


def step(stack: Stack, batch: Batch) -> Step:
    """What the student of a stack makes of a batch, and loses on it."""
    output = stack.model(batch.inputs)
    return Step(batch, output, stack.data.terms(batch.targets, output, stack.method.values))


class Diary:
    """A report that keeps every row and stops lanes after the epochs it was given."""

    def __init__(self, last_epochs: Mapping[str, int] | None = None) -> None:
        self.rows: dict[str, list[Metrics]] = {}
        self._last_epochs = last_epochs or {}

    def __call__(self, epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> list[bool]:
        for name, row in zip(names, rows, strict=True):
            self.rows.setdefault(name, []).append(row)
        return [epoch != self._last_epochs.get(name) for name in names]


def history(method: str, trial: Trial, shape: Shape | None = None) -> list[Metrics]:
    """Every epoch's metrics of ``trial`` trained alone."""
    diary = Diary()
    make_cohort(method, [trial], shape).train(diary)
    return diary.rows[trial.name]


def with_values(trial: Trial, **values: Value) -> Trial:
    """``trial`` with some hyperparameters replaced."""
    return replace(trial, values={**trial.values, **values})


def _float() -> type[np.floating]:
    return np.float64 if torch.get_default_dtype() == torch.float64 else np.float32
