"""IKD: twins, changed pictures, and where it is a simpler method."""

from collections.abc import Mapping
from functools import cache

import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Diary, Trial, only, step, weights
from tests.trainers.detection.cases import (
    SMALL,
    boxes_of,
    lanes,
    made_up,
    make_cohort,
    network,
    pictures,
    values_of,
)
from trainers.data.tokenizer import PADDING
from trainers.detection.boxes import area
from trainers.detection.data.dataset import BOX, CLASS
from trainers.detection.data.lanes import BoxLanes, facts_of
from trainers.detection.methods.ikd import Ikd
from trainers.detection.methods.twins import Attack, twins
from trainers.detection.networks.detector import Detector
from trainers.detection.networks.network import PictureNetwork
from trainers.detection.terms import BoxTerms, classes_lost
from trainers.fields import Value
from trainers.lanes.weights import put_lane_weights
from trainers.loop.cohort import Cohort
from trainers.loop.stack import Stack
from trainers.settings import ModelSpec
from trainers.task import Batch

UNCHANGED = {"noise_prob": 0.0, "crop_min": 1.0}
SURE = ModelSpec("detector", {"width": 4, "layers": 1, "tower": 1})


def _stack(data: BoxLanes | None = None, **values: Value) -> Stack:
    stack = only(make_cohort("ikd", [Trial("a", 3, 0.0, values=values)], data, batch_size=10))
    stack.method.begin_epoch(1, stack.model, torch.tensor([0.01]))
    return stack


def _batch(stack: Stack, count: int = 10) -> Batch:
    return stack.data.training_batch(torch.arange(count).unsqueeze(0))


def _trained(method: str, **values: Value) -> Mapping[str, Tensor]:
    cohort = make_cohort(method, [Trial("a", 3, values={"lr": 0.01, **values})])
    cohort.train(Diary())
    return weights(cohort, "a")


def _alone(held: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return {name: t for name, t in held.items() if not name.startswith("aligned")}


@pytest.mark.parametrize("nothing", [{"attack_size": 0.0}, {"attack_steps": 0}])
def test_twins_that_are_their_pictures_are_more_weight_on_features(
    nothing: dict[str, Value], double_precision: None
) -> None:
    both = _stack(feature_weight=0.2, twin_weight=0.3, **UNCHANGED, **nothing)
    method = both.method
    assert isinstance(method, Ikd)
    shown = method.show(_batch(both))
    lost = method.losses(step(both, shown))
    terms = step(both, shown).terms
    assert isinstance(terms, BoxTerms)
    torch.testing.assert_close(lost, terms.label + 0.5 * terms.features())


def test_a_training_with_such_twins_is_plain_distillation_of_features(
    double_precision: None,
) -> None:
    own = {"feature_weight": 0.2, "twin_weight": 0.3, "attack_steps": 0, "ikd_until": 1.0}
    found = _trained("ikd", **own, **UNCHANGED)
    wanted = _trained("feature_kd", feature_weight=0.5)
    for name, t in wanted.items():
        torch.testing.assert_close(found[name], t, rtol=1e-6, atol=1e-8)


def test_without_weights_and_changes_it_is_the_plain_student_bit_for_bit() -> None:
    found = _trained("ikd", feature_weight=0.0, twin_weight=0.0, **UNCHANGED)
    wanted = _trained("labels_only")
    assert all(torch.equal(_alone(found)[name], t) for name, t in wanted.items())


def test_for_no_epoch_it_is_plain_distillation_of_features_bit_for_bit() -> None:
    found, wanted = _trained("ikd", ikd_until=0.0), _trained("feature_kd")
    assert all(torch.equal(found[name], t) for name, t in wanted.items())
    other = _trained("ikd")
    assert not all(torch.equal(other[name], t) for name, t in wanted.items())


def test_after_its_share_of_the_epochs_pictures_are_as_they_are() -> None:
    stack = _stack(ikd_until=2 / 3, noise_prob=1.0)
    for epoch, changes in ((1, True), (2, True), (3, False)):
        stack.method.begin_epoch(epoch, stack.model, torch.tensor([0.01]))
        assert stack.method.show(_batch(stack)).changed is changes


def test_neither_noise_nor_crop_is_the_picture_as_it_is() -> None:
    stack = _stack(**UNCHANGED)
    before = _batch(stack)
    shown = stack.method.show(before)
    assert torch.equal(shown.inputs, before.inputs)
    assert torch.equal(shown.targets.boxes, before.targets.boxes)
    assert torch.equal(shown.targets.told, before.targets.told)


def test_a_picture_that_does_not_fill_its_canvas_is_left_as_it_is_too() -> None:
    dataset = made_up(boxes_of(*[[(0, 1, 1, 20, 16)]] * 20), 32, 32)
    dataset.fitted[:] = [18, 24]
    trial = Trial("a", 3, 0.0, values=UNCHANGED)
    stack = _stack(lanes([trial], dataset), **UNCHANGED)
    assert torch.equal(stack.method.show(_batch(stack, 8)).inputs, _batch(stack, 8).inputs)


@pytest.mark.parametrize("noise_prob", [0.0, 0.5, 1.0])
def test_small_things_alone_are_made_noisy_and_all_else_is_cropped(noise_prob: float) -> None:
    stack = _stack(noise_prob=noise_prob, crop_min=0.5, twin_weight=0.0)
    n = stack.data.size("train")
    before = _batch(stack, n)
    shown = stack.method.show(before)
    boxes, limit = before.targets.boxes[0], pictures().limits[0]
    there = boxes[..., CLASS] != PADDING
    small = ~(there & (area(boxes[..., BOX]) >= limit)).any(1)
    assert small.any()
    assert not small.all()
    differs = (shown.inputs != before.inputs)[0].flatten(1).any(1)
    moved = (shown.targets.boxes != before.targets.boxes)[0].flatten(1).any(1)
    assert not moved[small].any()
    assert moved[~small].float().mean() > 0.8
    if noise_prob == 0:
        assert not differs[small].any()
    if noise_prob == 1:
        assert differs[small].all()
    # What is cropped has no noise: where it moved nowhere its pixels are the picture's or zero.
    crops = shown.inputs[0][~small]
    originals = set(before.inputs[0][~small].flatten().tolist()) | {0.0}
    assert set(crops.flatten().tolist()) <= originals


def test_a_picture_without_boxes_counts_as_one_of_small_things() -> None:
    dataset = made_up(boxes_of(*[[] if i % 2 else [(0, 1, 1, 30, 30)] for i in range(20)]))
    stack = _stack(lanes([Trial("a", 3, 0.0)], dataset), noise_prob=1.0, twin_weight=0.0)
    before = _batch(stack)
    shown = stack.method.show(before)
    empty = (before.targets.boxes[0, :, :, CLASS] == PADDING).all(1)
    assert empty.any()
    black, white = stack.data.black_and_white
    grain = (shown.inputs - before.inputs)[0, empty]
    assert grain.any()
    assert (shown.inputs[0, empty] >= black).all()
    assert (shown.inputs[0, empty] <= white).all()
    # About 0.08 of the range, less what is cut off at its ends.
    share = grain.std() / float(white - black)
    assert 0.06 < share < 0.08


def test_where_a_crop_would_leave_no_box_the_picture_stays() -> None:
    """A box in the corner, a large share of windows without it."""
    dataset = made_up(boxes_of(*[[(0, 0, 0, 16, 16)]] * 40), 64, 64)
    stack = _stack(lanes([Trial("a", 3, 0.0)], dataset), crop_min=0.1, twin_weight=0.0)
    before = _batch(stack, 20)
    shown = stack.method.show(before)
    assert (shown.targets.boxes[..., CLASS] != PADDING).any(2).all()
    stays = (shown.inputs == before.inputs)[0].flatten(1).all(1)
    assert stays.any()
    assert not stays.all()
    assert torch.equal(shown.targets.boxes[0, stays], before.targets.boxes[0, stays])


def test_it_has_no_batches_in_parts() -> None:
    with pytest.raises(ValueError, match=r"ikd needs whole batches .* drop training\.accumulate"):
        make_cohort("ikd", [Trial("a")], accumulate=2)


@cache
def _teacher() -> tuple[PictureNetwork, BoxLanes]:
    """One that has learned its pictures, and these."""
    trial = Trial("a", 3, 0.0, (), {"lr": 0.03})
    data = lanes([trial])
    cohort: Cohort = make_cohort("labels_only", [trial], data, epochs=25, batch_size=5)
    cohort.train(Diary())
    made = network(data.facts, SMALL)
    put_lane_weights(made, [{k: t.numpy() for k, t in weights(cohort, "a").items()}])
    return made.eval(), lanes([trial])


def _attack(size: float = 8 / 255, by: float = 2 / 255, steps: int = 5) -> Attack:
    return Attack(*(torch.tensor([float(v)]) for v in (size, by, steps, 1.0)))


def _attacked(attack: Attack) -> tuple[Batch, Tensor]:
    teacher, data = _teacher()
    batch = data.training_batch(torch.arange(data.size("train")).unsqueeze(0))
    return batch, twins(teacher, batch.inputs, batch.targets, attack)


@torch.no_grad()
def _lost(batch: Batch, x: Tensor) -> Tensor:
    return classes_lost(batch.targets, _teacher()[0](x).logits)[0]


def test_a_twin_is_near_its_picture_and_within_its_range() -> None:
    batch, twin = _attacked(_attack())
    x = batch.inputs
    low, high = x.amin((3, 4), keepdim=True), x.amax((3, 4), keepdim=True)
    span = (high - low).amax(2, keepdim=True)
    assert ((twin - x).abs() <= 8 / 255 * span + 1e-6).all()
    assert (twin >= low).all()
    assert (twin <= high).all()
    assert not torch.equal(twin, x)


def test_twins_are_harder_for_their_teacher_and_the_other_way_they_are_easier() -> None:
    batch, twin = _attacked(_attack())
    before, after = _lost(batch, batch.inputs), _lost(batch, twin)
    assert (after > before).float().mean() > 0.9
    assert after.mean() > 1.05 * before.mean()
    _, other = _attacked(_attack(by=-2 / 255))
    assert _lost(batch, other).mean() < before.mean()


def test_one_step_goes_along_the_sign_of_the_gradient() -> None:
    batch, twin = _attacked(_attack(size=1.0, by=0.01, steps=1))
    x = batch.inputs.clone().requires_grad_()
    lost = classes_lost(batch.targets, _teacher()[0](x).logits).sum()
    (gradient,) = torch.autograd.grad(lost, x)
    low, high = (f((3, 4), keepdim=True) for f in (x.detach().amin, x.detach().amax))
    wanted = x.detach() + 0.01 * (high - low) * gradient.sign()
    torch.testing.assert_close(twin, torch.maximum(torch.minimum(wanted, high), low))


def test_a_lane_s_twins_are_its_own() -> None:
    """Of lanes with other attacks, each as it is alone."""
    teacher, data = _teacher()
    batch = data.training_batch(torch.arange(6).unsqueeze(0))
    two = network(data.facts, SMALL, (0, 0)).eval()
    held = {k: t.detach()[0].numpy() for k, t in teacher.held().items()}
    put_lane_weights(two, [held, held])
    targets = batch.targets._replace(
        boxes=batch.targets.boxes.expand(2, -1, -1, -1), told=batch.targets.told.expand(2, -1, -1)
    )
    few, many = _attack(steps=1), _attack(size=4 / 255, steps=4)
    both = Attack(*(torch.cat(pair) for pair in zip(few, many, strict=True)))
    found = twins(two, batch.inputs.expand(2, -1, -1, -1, -1), targets, both)
    for lane, attack in enumerate((few, many)):
        alone = twins(teacher, batch.inputs, batch.targets, attack)[0]
        # A sign may turn where a gradient is as small as rounding.
        assert ((found[lane] - alone).abs() < 1e-6).float().mean() > 0.99


def test_a_student_that_is_its_teacher_loses_nothing_on_features_of_twins_either(
    double_precision: None,
) -> None:
    data = lanes([Trial("a", 3, 0.0)])
    facts = facts_of(data.dataset)
    made, teacher = network(facts, SURE, (5,)), network(facts, SURE, (5,))
    assert isinstance(made, Detector)
    made.look_beside(8, [torch.Generator()])
    assert made.aligned is not None
    with torch.no_grad():
        made.aligned.weight.copy_(torch.eye(8))
        made.aligned.bias.zero_()
    batch = data.batch("train", torch.arange(5).unsqueeze(0))
    twin = twins(teacher, batch.inputs, batch.targets, _attack(steps=2))
    for x in (batch.inputs, twin):
        with torch.no_grad():
            told = [teacher(x)]
        targets = data.taught(batch._replace(inputs=x), told).targets
        lost = BoxTerms(targets, made(x).logits, values_of()).features()
        gradients = torch.autograd.grad(lost.sum(), list(made.parameters()), allow_unused=True)
        torch.testing.assert_close(lost, torch.zeros_like(lost), atol=1e-12, rtol=0)
        for gradient in gradients:
            assert gradient is None or gradient.abs().max() < 1e-6
