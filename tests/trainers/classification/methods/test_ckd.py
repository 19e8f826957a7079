"""Comparative KD against formed pairs, its invariances, and what calibration sets."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.trainers.cases import CLASSES, Diary, Shape, Trial, history, make_cohort, only
from tests.trainers.drawn import drawn
from tests.trainers.image_cases import image_cohort
from trainers.classes.losses import cross_entropy
from trainers.classification.methods.ckd import all_pairs, pairs, two_to_one
from trainers.lanes.network import LaneNetwork, Output
from trainers.loop.stack import Stack
from trainers.settings import ModelSpec, TeacherCalls

pytestmark = pytest.mark.usefixtures("double_precision")

PUBLISHED = {"comparisons": "pairs", "label_loss": "compare", "calibrate": "none", "alpha": 0.5}
REGRESSION = {"label_loss": "compare", "alpha": 0.7}


def _residuals(examples: int = 5, classes: int = 4) -> Tensor:
    return torch.randn(examples, classes, generator=torch.Generator().manual_seed(3))


def test_all_pairs_are_those_that_can_be_formed() -> None:
    z, t = _residuals(7), _residuals(7).flip(0)
    formed = [
        ((z[i] - z[j]) - (t[i] - t[j])).square().mean()
        for i, j in itertools.combinations(range(7), 2)
    ]
    torch.testing.assert_close(all_pairs(z - t).mean(), torch.stack(formed).mean())


def test_along_every_cycle_of_five_pairs_are_all_pairs_and_larger_groups_rescale_them() -> None:
    e = _residuals()
    orders = [torch.tensor(order) for order in itertools.permutations(range(5))]
    whole = all_pairs(e).mean()
    torch.testing.assert_close(torch.stack([pairs(e, c) for c in orders]).mean(), whole)
    groups = torch.stack([two_to_one(e, c) for c in orders]).mean()
    torch.testing.assert_close(groups, 0.75 * whole)


def test_on_a_cycle_every_example_is_compared_with_others() -> None:
    e, cycle = torch.arange(5.0).unsqueeze(1), torch.tensor([3, 0, 4, 1, 2])
    # 3 -> 0 -> 4 -> 1 -> 2 -> 3
    assert pairs(e, cycle).tolist() == [16.0, 1.0, 1.0, 9.0, 9.0]
    third = torch.tensor([1.0, 3.0, 0.0, 4.0, 2.0])
    after = torch.tensor([4.0, 2.0, 3.0, 0.0, 1.0])
    expected = ((e[:, 0] + after) / 2 - third).square()
    torch.testing.assert_close(two_to_one(e, cycle), expected)


@pytest.mark.parametrize("comparisons", ["all", "pairs", "two_to_one"])
@pytest.mark.parametrize("label_loss", ["cross_entropy", "compare"])
def test_losses_are_the_formulas(comparisons: str, label_loss: str) -> None:
    d = drawn("ckd", [{"comparisons": comparisons, "label_loss": label_loss, "alpha": 0.3}])
    y, z, t = d.lane(0)
    cycle = torch.randperm(len(y), generator=_stream(d.method))
    compare = {
        "all": all_pairs,
        "pairs": lambda e: pairs(e, cycle),
        "two_to_one": lambda e: two_to_one(e, cycle),
    }[comparisons]
    label = cross_entropy(z, y)
    if label_loss == "compare":
        label = compare(z - torch.eye(CLASSES)[y])
    torch.testing.assert_close(d.losses()[0], 0.7 * label + 0.3 * compare(z - t[0]))


def _stream(method: object) -> torch.Generator:
    """A copy of the first lane's, as it stands."""
    copy = torch.Generator()
    copy.set_state(method.state()["cycles"][0].clone())  # type: ignore[attr-defined]
    return copy


def test_label_and_teacher_differences_are_one_regression_on_mixed_targets() -> None:
    d = drawn("ckd", [REGRESSION])
    y, z, t = d.lane(0)
    logits = d.z.clone().requires_grad_()
    (found,) = torch.autograd.grad(d.losses(logits).sum(), logits)
    target = 0.3 * torch.eye(CLASSES)[y] + 0.7 * t[0]
    leaf = z.clone().requires_grad_()
    (expected,) = torch.autograd.grad(all_pairs(leaf - target).sum(), leaf)
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize("values", [PUBLISHED, REGRESSION, {"alpha": 1.0}])
def test_a_constant_per_class_is_not_seen_and_the_bias_has_no_gradient(values: dict) -> None:  # type: ignore[type-arg]
    constant = torch.linspace(-3.0, 5.0, CLASSES)
    d, other = (drawn("ckd", [values]) for _ in range(2))
    torch.testing.assert_close(d.losses(), other.losses(other.z + constant))
    bias = torch.zeros(CLASSES, requires_grad=True)
    (gradient,) = torch.autograd.grad(d.losses(d.z + bias).sum(), bias)
    assert gradient.abs().max() < 1e-14


def test_cross_entropy_sees_it() -> None:
    d = drawn("ckd", [{}])
    bias = torch.zeros(CLASSES, requires_grad=True)
    (gradient,) = torch.autograd.grad(d.losses(d.z + bias).sum(), bias)
    assert gradient.abs().max() > 1e-3


def test_the_order_of_a_batch_does_not_matter_to_all_pairs() -> None:
    e, order = _residuals(), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(all_pairs(e)[order], all_pairs(e[order]))


def test_a_student_that_is_the_teacher_but_for_a_constant_loses_nothing() -> None:
    for comparisons in ("all", "pairs", "two_to_one"):
        d = drawn("ckd", [{"comparisons": comparisons, "alpha": 1.0}])
        t = d.batch.targets.teachers[:, 0]
        assert d.losses(t + torch.linspace(-2.0, 9.0, CLASSES)).abs().max() < 1e-14


def test_without_a_teacher_it_is_the_labels_alone() -> None:
    trial = Trial("a", values={"lr": 0.1, "alpha": 0.0})
    assert history("ckd", trial) == history("labels_only", replace(trial, values={"lr": 0.1}))


def _stack(values: dict, calls: TeacherCalls | None = None) -> Stack:  # type: ignore[type-arg]
    shape = Shape(epochs=2, calls=calls, steps=6)
    cohort = make_cohort("ckd", [Trial("a", values={"lr": 0.02, **values})], shape)
    cohort.train(Diary())
    return only(cohort)


@pytest.mark.parametrize("share", [None, 0.3])
@pytest.mark.parametrize("values", [REGRESSION, {"alpha": 1.0}])
def test_calibrated_a_student_meets_its_targets_on_average(
    values: dict,
    share: float | None,  # type: ignore[type-arg]
) -> None:
    """Over the examples that were asked about, and over no other."""
    stack = _stack(values, share and TeacherCalls(share, "label"))  # type: ignore[arg-type]
    data, shifted = stack.data, stack.method.evaluated(stack.model)
    places = data.learned_places
    assert places.shape[1] == (105 if share is None else 31)
    with torch.no_grad():
        z = shifted(data.inputs_of("train", places)).logits
    given, alpha = data.targets_of("train", places), values["alpha"]
    target = (1 - alpha) * torch.eye(CLASSES)[given.labels] + alpha * given.teachers[:, 0]
    assert (target - z).mean(1).abs().max() < 1e-12
    assert (target - stack.model(data.inputs_of("train", places)).logits).mean(1).abs().max() > 0.01


def test_calibration_finds_the_teacher_behind_a_constant() -> None:
    """A student whose logits are the teacher's plus a constant guesses as the teacher does."""
    stack = _stack({"alpha": 1.0})
    data, model = stack.data, stack.model
    every = torch.arange(data.size("train")).unsqueeze(0)
    t = data.targets_of("train", every).teachers[:, 0]
    stack.method.end_step(model)
    stack.model = _Constant(t[0] + torch.linspace(-9.0, 9.0, CLASSES))
    z = stack.method.evaluated(stack.model)(every).logits
    torch.testing.assert_close(z, t)
    assert torch.equal(z.argmax(-1), t.argmax(-1))


class _Constant(LaneNetwork):
    """Logits that are there already, behind a bias of its own."""

    widest = 1

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self._logits = logits
        self.bias = nn.Parameter(torch.zeros(1, CLASSES))

    @property
    def last_bias(self) -> nn.Parameter:
        return self.bias

    def forward(self, x: Tensor) -> Output:
        examples = self._logits[: x.shape[1]].unsqueeze(0)
        return Output(None, examples + self.bias.unsqueeze(1))


def test_calibration_changes_nothing_that_training_goes_on_from() -> None:
    trained = {}
    for calibrate in ("bias", "none"):
        stack = _stack({**REGRESSION, "calibrate": calibrate})
        trained[calibrate] = {n: p.detach().clone() for n, p in stack.model.named_parameters()}
        if calibrate == "bias":
            shifted = stack.method.evaluated(stack.model)
            assert shifted is not stack.model
            differ = [
                name
                for (name, p), q in zip(
                    stack.model.named_parameters(), shifted.parameters(), strict=True
                )
                if not torch.equal(p, q)
            ]
            assert differ == ["head.bias"]
        else:
            assert stack.method.evaluated(stack.model) is stack.model
    for name, p in trained["bias"].items():
        assert torch.equal(p, trained["none"][name])


def test_the_calibrated_student_is_the_one_that_is_measured_and_kept() -> None:
    values = {"lr": 0.02, **REGRESSION}
    diary = Diary()
    cohort = make_cohort("ckd", [Trial("a", values=values)], Shape(epochs=4, metric="loss"))
    results = cohort.train(diary)
    cohort.load_best()
    stack = only(cohort)
    measured = stack.evaluate("validation", ["accuracy"])
    best = diary.rows["a"][results["a"].best_epoch - 1]
    assert float(measured["validation_loss"][0]) == pytest.approx(best["validation_loss"])


def test_it_is_not_calibrated_where_labels_determine_the_constant() -> None:
    stack = _stack({"alpha": 0.5})
    assert stack.method.evaluated(stack.model) is stack.model


NO_BIAS = ModelSpec(
    "module",
    {
        "path": "tests.trainers.classification.methods.test_ckd:NoBias",
        "head": "head",
        "arguments": {},
    },
)


class NoBias(nn.Module):
    """A last layer without a bias."""

    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        self.head = nn.Linear(8 * 8, 3, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(x.flatten(1))
        return logits


def test_a_student_without_a_bias_cannot_be_calibrated() -> None:
    trial = Trial("a", values={"lr": 0.01, **REGRESSION})
    with pytest.raises(ValueError, match="the student has none; give it one, or pin calibrate"):
        image_cohort([trial], 1, "ckd", NO_BIAS)
    plain = replace(trial, values={**trial.values, "calibrate": "none"})
    assert image_cohort([plain], 1, "ckd", NO_BIAS).learns


def test_the_bias_of_a_module_is_found() -> None:
    torch.set_default_dtype(torch.float32)  # as the images are
    model = replace(NO_BIAS, sizes={**NO_BIAS.sizes, "arguments": {"bias": True}})
    trial = Trial("a", values={"lr": 0.01, **REGRESSION})
    cohort = image_cohort([trial], 2, "ckd", model)
    diary = Diary()
    cohort.train(diary)
    stack = only(cohort)
    shifted = stack.method.evaluated(stack.model)
    assert not torch.equal(shifted.last_bias, stack.model.last_bias)  # type: ignore[arg-type]
    assert np.isfinite(diary.rows["a"][-1]["validation_loss"])
