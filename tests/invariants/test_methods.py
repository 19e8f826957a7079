"""Where methods must agree, bit for bit: with the same weights they are the same training."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.trainers.cases import Diary, Shape, Trial, history, make_cohort, only, usual_clean
from trainers.classification.entry import CLASSIFICATION
from trainers.loop.cohort import Metrics
from trainers.method import Step
from trainers.mixing.alm_kd.variants import VARIANTS

TRIAL = Trial("a", values={"lr": 0.1})


def _shared(rows: list[Metrics]) -> list[Metrics]:
    """Without the diagnostics that one method has and another has not."""
    return [{k: v for k, v in row.items() if not k.startswith("lambda")} for row in rows]


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=8)
@given(alpha=st.floats(0, 1, width=32), temperature=st.floats(0.5, 8))
def test_weights_held_fixed_are_fixed_kd(variant: str, alpha: float, temperature: float) -> None:
    """Both keep 1 - alpha and alpha as the same two floats, and add the same two products.

    Only softmax, whose weights go through logits and back, is as near as float32 comes.
    """
    mix = {"lr": 0.1, "temperature": temperature}
    held = {"variant": variant, "start": alpha, "meta_lr": 0.0, "warmup_epochs": 0,
            "update_every": 1}  # fmt: skip
    learned = _shared(history("alm_kd", replace(TRIAL, values={**mix, **held})))
    fixed = history("fixed_kd", replace(TRIAL, values={**mix, "alpha": alpha}))
    if variant == "softmax":
        learned, fixed = ([row["train_loss"] for row in rows] for rows in (learned, fixed))
        assert learned == pytest.approx(fixed, rel=1e-4)
    else:
        assert learned == fixed


@pytest.mark.parametrize("hypergradient", ["last_layer", "full"])
def test_looking_ahead_leaves_the_student_as_it_was(hypergradient: str) -> None:
    held = {"lr": 0.1, "start": 0.3, "meta_lr": 0.0, "warmup_epochs": 0, "update_every": 1}
    learned = replace(TRIAL, values={**held, "hypergradient": hypergradient})
    fixed = replace(TRIAL, values={"lr": 0.1, "alpha": 0.3})
    assert _shared(history("alm_kd", learned)) == history("fixed_kd", fixed)


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_before_the_first_update_are_fixed_kd(variant: str) -> None:
    values = {"variant": variant, "start": 0.3, "warmup_epochs": 99}
    learned = replace(TRIAL, values={**TRIAL.values, **values})
    fixed = replace(TRIAL, values={**TRIAL.values, "alpha": 0.3})
    assert _shared(history("alm_kd", learned)) == history("fixed_kd", fixed)


def test_no_weight_on_the_teacher_is_cross_entropy() -> None:
    fixed = replace(TRIAL, values={**TRIAL.values, "alpha": 0.0})
    assert history("fixed_kd", fixed) == history("labels_only", TRIAL)


def test_identical_teachers_are_one() -> None:
    one = replace(TRIAL, values={**TRIAL.values, "alpha": 0.7})
    two = replace(one, teachers=("strong", "strong"))
    assert history("fixed_kd", two) == history("fixed_kd", one)


@pytest.mark.parametrize("method", CLASSIFICATION.methods)
def test_a_seed_gives_every_method_the_same_student_and_batches(method: str) -> None:
    """Methods are paired by seed, whatever else they draw numbers for."""
    shape = Shape(epochs=7, clean=usual_clean(method))
    watched = [_first_epoch(name, shape) for name in (method, "labels_only")]
    assert watched[0] == watched[1]


def _first_epoch(method: str, shape: Shape) -> tuple[list[list[float]], list[list[int]]]:
    """The first weights of a student, and which examples its batches of epoch 1 hold."""
    teachers = (
        ("strong", "weak") if CLASSIFICATION.methods[method].teachers == "several" else ("strong",)
    )
    cohort = make_cohort(method, [Trial("a", teachers=teachers, values={"lr": 0.1})], shape)
    weights = [p.flatten().tolist() for p in only(cohort).model.parameters()]
    places: list[list[int]] = []
    losses = only(cohort).method.losses

    def watch(step: Step) -> Tensor:
        places.append(step.batch.places[0].tolist())
        return losses(step)

    only(cohort).method.losses = watch  # type: ignore[method-assign]
    cohort.train(Diary({"a": 1}))
    return weights, places
