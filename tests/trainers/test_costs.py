"""What a step and a forward pass take, against floating point operations that torch counts."""

import math
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.trainers.cases import INPUTS, Diary, Shape, Trial, make_cohort, only
from trainers.classification.networks.build import build_model
from trainers.costs import Costs
from trainers.fields import Value
from trainers.registry import TASKS
from trainers.settings import ModelSpec
from trainers.text.facts import TextFacts
from trainers.text.networks.encoder import Transformer

METHODS = TASKS["classification"].methods
CLASSES = 7
# Of the counter.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
DEEP = Shape(epochs=4, hidden=(96, 96, 96))
EVERY_EPOCH = {"warmup_epochs": 1, "update_every": 1}
FULL = {**EVERY_EPOCH, "hypergradient": "full", "inner_repeats": 2}


def _step(task: str, method: str, costs: Costs, values: dict[str, Value] | None = None) -> float:
    entry = TASKS[task].methods[method]
    usual = {h.name: h.default for h in entry.hyperparameters}
    return entry.cost(costs, {**usual, **(values or {})})


def _operations(method: str, values: dict[str, Value]) -> tuple[int, int]:
    """Multiply-adds of a whole training, and the training examples of it."""
    cohort = make_cohort(method, [Trial("a", values=values)], DEEP)
    examples = only(cohort).method.data.size("train")
    with FlopCounterMode(display=False) as counter:
        cohort.train(Diary())
    return counter.get_total_flops() // 2, examples


@pytest.mark.parametrize(
    ("method", "values", "tolerance"),
    [
        ("meta_weight_net", {}, 0.15),
        ("bikd", {"held_out_batch": 10}, 0.2),
        ("alm_kd", FULL, 0.15),
        ("alm_kd", {**FULL, "variant": "convex"}, 0.15),
        # With as many held-out examples as here their pass is not as small as is taken.
        ("alm_kd", EVERY_EPOCH, 0.8),
        ("crust", {"coreset_after": 1}, 0.2),
        ("ckd", {"label_loss": "compare"}, 0.15),
    ],
)
def test_what_comes_on_top_of_a_plain_step_is_what_is_counted(
    method: str, values: dict[str, Value], tolerance: float
) -> None:
    plain, _ = _operations("labels_only", {})
    whole, examples = _operations(method, values)
    passes = (whole - plain) / (DEEP.epochs * examples * (INPUTS * 96 + 2 * 96 * 96))
    told = _step("classification", method, Costs(DEEP.batch_size, DEEP.epochs), values) - 3
    assert passes == pytest.approx(told, rel=tolerance)


@pytest.mark.parametrize(
    ("name", "sizes", "features"),
    [
        ("mlp", {"hidden": (20, 12)}, 12),
        ("resnet8", {}, 64),
        ("resnet14", {"shortcut": "projection"}, 64),
        ("wrn", {"depth": 10, "width": 2}, 128),
        ("plain_cnn", {"depth": 4}, 32 * 4 * 4),
        ("densenet", {"depth": 10, "growth": 3}, 16 + 3 * 2 * 3),
    ],
)
def test_work_is_all_but_the_last_layer(name: str, sizes: dict[str, Any], features: int) -> None:
    shape = (3, 16, 16)
    row = TASKS["classification"].networks[name]
    model = build_model(ModelSpec(name, sizes), shape, CLASSES, [torch.Generator()]).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 1, *shape))
    assert row.work is not None
    work = row.work(row.complete(ModelSpec(name, sizes)), shape)
    assert counter.get_total_flops() == 2 * (work + features * CLASSES)


def test_work_of_an_encoder_is_that_of_its_layers() -> None:
    row, tokens, width = TASKS["text"].networks["transformer"], 9, 8
    spec = row.complete(ModelSpec("transformer", {"width": width, "layers": 2, "heads": 2}))
    facts = TextFacts(tokens, 30, tuple(map(str, range(CLASSES))), None)
    model = Transformer(spec, facts, [torch.Generator()])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 1, tokens, dtype=torch.int64))
    assert row.work is not None
    beside = width * CLASSES + tokens * width  # the last layer, the mean over tokens
    assert counter.get_total_flops() == 2 * (row.work(spec, (tokens,)) + beside)


def test_what_is_kept_of_teachers_costs_nothing_and_what_is_asked_a_pass_each() -> None:
    for method in ("fixed_kd", "superloss", "dkd"):
        assert _step("classification", method, Costs(64, 4, (5.0, 2.0))) == 3
        assert _step("classification", method, Costs(64, 4, (5.0, 2.0), asks=True)) == 10


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"bank": 0}, 6 + 5),
        ({"bank": 4}, 6 + 5 * 4 / 10),
        ({"bank": 0, "target": "interpolate"}, 6),
        ({"bank": 0, "tmkd_weight": 0.0}, 6),
        ({"bank": 0, "tmkd_weight": 0.0, "sm_weight": 0.0, "kd_weight": 1.0}, 3),
    ],
)
def test_mixtures_are_trained_on_and_asked_about(values: dict[str, Value], told: float) -> None:
    assert _step("text", "mixkd", Costs(64, 10, (5.0,), asks=True), values) == pytest.approx(told)


def test_an_update_that_never_comes_costs_nothing() -> None:
    assert _step("classification", "alm_kd", Costs(64, 4), {"warmup_epochs": 4}) == 3


@pytest.mark.parametrize("task", TASKS)
def test_every_method_has_a_cost_at_its_defaults(task: str) -> None:
    for method in TASKS[task].methods:
        step = _step(task, method, Costs(64, 20, (2.0,)))
        assert math.isfinite(step)
        assert step >= 3
