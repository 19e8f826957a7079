"""The update of the weights against one written out the long way, and the range of the weights."""

from collections.abc import Mapping
from dataclasses import replace
from statistics import mean

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from tests.trainers.cases import Diary, Shape, Trial, make_cohort, only, step
from trainers.fields import Value
from trainers.lanes.seeds import torch_generator
from trainers.loop.cohort import Cohort
from trainers.mixing.alm_kd.rule import AlmKd
from trainers.mixing.alm_kd.variants import VARIANTS

BATCH = 19
TAU = 3.0
STEPS: Mapping[str, float] = {"convex": 20.0, "max": 20.0, "softmax": 100.0, "box": 40.0}
REPEATS: Mapping[str, int] = {"convex": 10, "max": 5, "softmax": 10, "box": 5}
HELD_OUT: Mapping[str, float] = {"convex": 0.75, "max": 0.9, "softmax": 0.75, "box": 1.0}
SEVERAL = ("strong", "strong", "weak")


def _trial(variant: str, **values: Value) -> Trial:
    base = {"variant": variant, "temperature": TAU, "meta_lr": STEPS[variant], "warmup_epochs": 0}
    return Trial("a", values={**base, "start": "uniform", **values})


Example = tuple[Tensor, Tensor, Tensor]


class _LongWay:
    """One update of one lane, group after group, repeat after repeat, example after example."""

    def __init__(self, cohort: Cohort, variant: str, eta: float, held_out_batch: int) -> None:
        self._data, self._variant, self._eta = only(cohort).data, variant, eta
        self._held_out_batch = held_out_batch
        self._W, self._b = (
            p[0].detach().clone()
            for p in (only(cohort).model.head.weight, only(cohort).model.head.bias)
        )
        self._train = self._split(cohort, "train")
        self._meta = self._split(cohort, "meta")

    def _split(self, cohort: Cohort, name: str) -> list[Example]:
        """Features, label and teachers' logits (M, C) of every example."""
        batch = self._data.batch(name, torch.arange(self._data.size(name)).unsqueeze(0))
        with torch.no_grad():
            h = only(cohort).model(batch.inputs).features[0]
        y, teachers = batch.targets.labels, batch.targets.teachers
        return list(zip(h, y[0], teachers[0].unbind(1), strict=True))

    def update(self, lam: Tensor, seed: int, grad_fit: int, repeats: int) -> Tensor:
        order = torch_generator(seed, "alm_kd", "order")
        train = torch.randperm(len(self._train), generator=order).split(grad_fit * BATCH)
        meta = torch.randperm(len(self._meta), generator=order)
        v = min(self._held_out_batch, len(meta))
        lam = lam.clone()
        for j, group in enumerate(train):
            held_out = [meta[i % len(meta)] for i in range(j * v, (j + 1) * v)]
            gradients = [
                self._example_gradients(self._train[i], len(batch))
                for batch in group.split(BATCH)
                for i in batch
            ]
            for _ in range(repeats):
                lam[group] = self._step(lam[group], gradients, group, held_out)
        return lam

    def _example_gradients(self, example: Example, batch_size: int) -> list[list[Tensor]]:
        h, y, teachers = example
        W, b = self._W.clone().requires_grad_(), self._b.clone().requires_grad_()
        z = W @ h + b
        softened = [F.softmax(t / TAU, -1) for t in teachers]
        losses = [
            F.cross_entropy(z, y),
            *(TAU**2 * (p * (p.log() - F.log_softmax(z / TAU, -1))).sum() for p in softened),
        ]
        return [
            [g / batch_size for g in torch.autograd.grad(loss, [W, b], retain_graph=True)]
            for loss in losses
        ]

    def _held_out_loss(
        self,
        lam: Tensor,
        gradients: list[list[list[Tensor]]],
        group: Tensor,
        held_out: list[Tensor],
    ) -> Tensor:
        W, b = self._W, self._b
        for i, per_loss in enumerate(gradients):
            for k, (dW, db) in enumerate(per_loss):
                W, b = W - self._eta * lam[i, k] * dW, b - self._eta * lam[i, k] * db
        rows = [self._row_loss(self._meta[i], W, b, own=False) for i in held_out]
        own = [self._row_loss(self._train[i], W, b, own=True) for i in group]
        share = HELD_OUT[self._variant]
        return share * torch.stack(rows).mean() + (1 - share) * torch.stack(own).mean()

    def _row_loss(self, example: Example, W: Tensor, b: Tensor, own: bool) -> Tensor:
        h, y, teachers = example
        z = W @ h + b
        if self._variant == "max":
            p = 0.8 * F.softmax(teachers[-1], -1) + 0.2 * F.one_hot(y, len(z))
            return F.kl_div(F.log_softmax(z, -1), p, reduction="sum")
        if self._variant == "softmax" and not own:
            p = F.softmax(teachers[-1] / TAU, -1)
            return TAU**2 * F.kl_div(F.log_softmax(z / TAU, -1), p, reduction="sum")
        return F.cross_entropy(z, y)

    def _step(
        self,
        lam: Tensor,
        gradients: list[list[list[Tensor]]],
        group: Tensor,
        held_out: list[Tensor],
    ) -> Tensor:
        step = STEPS[self._variant]
        if self._variant == "softmax":
            free = lam.log().requires_grad_()
            loss = self._held_out_loss(free.softmax(-1), gradients, group, held_out)
            (slope,) = torch.autograd.grad(loss, free)
            return (free.detach() - step * slope).softmax(-1)
        lam = lam.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self._held_out_loss(lam, gradients, group, held_out), lam)
        lam = lam.detach()
        if self._variant == "box":
            return torch.clamp(lam - step * slope, 0.0, 2.0)
        teachers = torch.clamp(lam[:, 1:] - step * (slope[:, 1:] - slope[:, :1]), 0.0, 1.0)
        return torch.cat([1 - teachers.max(1, keepdim=True).values, teachers], dim=1)


def _assert_update_is_the_long_way(trial: Trial, grad_fit: int, inner_repeats: int) -> None:
    variant = str(trial.values["variant"])
    trial = replace(
        trial, values={**trial.values, "grad_fit": grad_fit, "inner_repeats": inner_repeats}
    )
    cohort = make_cohort("alm_kd", [trial], Shape(hidden=(4,)))
    before = only(cohort).method.lam.clone()
    own = trial.values.get("held_out_batch", BATCH)
    slow = _LongWay(cohort, variant, eta=0.3, held_out_batch=int(own))
    expected = slow.update(before[0], trial.seed, grad_fit, inner_repeats or REPEATS[variant])
    only(cohort).method.begin_epoch(1, only(cohort).model, torch.tensor([0.3]))
    torch.testing.assert_close(only(cohort).method.lam[0], expected, rtol=1e-9, atol=1e-12)
    assert ((expected - before[0]).abs().amax(-1) > 0).all()
    inside = (expected > 0) & (expected < VARIANTS[variant].constraint.high)
    assert inside.any(), "a test in which every weight hits its bound proves little"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("grad_fit", "inner_repeats"), [(1, 0), (2, 3), (9, 2)])
@pytest.mark.usefixtures("double_precision")
def test_update_is_the_long_way(variant: str, grad_fit: int, inner_repeats: int) -> None:
    _assert_update_is_the_long_way(_trial(variant), grad_fit, inner_repeats)


@pytest.mark.parametrize("held_out_batch", [8, 1000])
@pytest.mark.usefixtures("double_precision")
def test_update_with_held_out_batches_of_another_size_is_the_long_way(held_out_batch: int) -> None:
    """Of 1000 where there are 27: all of them."""
    _assert_update_is_the_long_way(_trial("box", held_out_batch=held_out_batch), 2, 3)


@pytest.mark.usefixtures("double_precision")
def test_held_out_batches_are_as_large_as_those_of_training_by_default() -> None:
    default = _updated(_trial("box"))
    assert torch.equal(_updated(_trial("box", held_out_batch=BATCH)), default)
    assert not torch.equal(_updated(_trial("box", held_out_batch=BATCH - 1)), default)


@pytest.mark.parametrize("variant", ["max", "softmax", "box"])
@pytest.mark.usefixtures("double_precision")
def test_update_with_several_teachers_is_the_long_way(variant: str) -> None:
    _assert_update_is_the_long_way(replace(_trial(variant), teachers=SEVERAL), 2, 3)


@pytest.mark.usefixtures("double_precision")
def test_held_out_share_and_loss_replace_the_variants() -> None:
    """With those of another variant and its repeats, max is convex: both have its constraint."""
    convex = _updated(_trial("convex"))
    borrowed = {"held_out": 0.75, "held_out_loss": "labels", "inner_repeats": 10}
    assert torch.equal(_updated(_trial("max", meta_lr=STEPS["convex"], **borrowed)), convex)
    assert not torch.equal(_updated(_trial("convex", held_out=0.5)), convex)
    assert not torch.equal(_updated(_trial("convex", held_out_loss="teacher")), convex)


def _updated(trial: Trial) -> Tensor:
    """The weights after one update."""
    cohort = make_cohort("alm_kd", [trial])
    only(cohort).method.begin_epoch(1, only(cohort).model, torch.tensor([0.3]))
    return only(cohort).method.lam[0]


@pytest.mark.parametrize("hypergradient", ["last_layer", "full"])
@pytest.mark.usefixtures("double_precision")
def test_identical_teachers_are_one_with_the_summed_weight(hypergradient: str) -> None:
    """The same losses, the same look-ahead, so the same step for the label and every teacher."""
    base = _trial("box", start=0.4, meta_lr=0.1, inner_repeats=1, hypergradient=hypergradient)
    one, two = (
        only(make_cohort("alm_kd", [replace(base, teachers=names)]))
        for names in (("strong",), ("strong", "strong"))
    )
    label, teacher = one.method.lam.unbind(-1)
    apart = torch.stack([label, 0.25 * teacher, 0.75 * teacher], dim=-1)
    for weights in (two.method.lam, two.method._coordinates):
        weights.copy_(apart)
    index = torch.arange(9).unsqueeze(0)
    found, expected = (s.method.losses(step(s, s.data.batch("train", index))) for s in (two, one))
    torch.testing.assert_close(found, expected)
    before = one.method.lam.clone()
    for stack in (one, two):
        stack.method.begin_epoch(1, stack.model, torch.tensor([0.3]))
    moved = one.method.lam - before
    assert (moved.abs() > 0).all()
    torch.testing.assert_close(two.method.lam - apart, moved[..., [0, 1, 1]])


def _lam(trial: Trial) -> Tensor:
    method = only(make_cohort("alm_kd", [trial])).method
    assert isinstance(method, AlmKd)
    return method.lam[0]


def test_weights_start_where_they_are_told() -> None:
    assert torch.equal(_lam(_trial("box", start=0.25)).unique(dim=0), torch.tensor([[0.75, 0.25]]))
    default = _lam(_trial("box", start="default")).unique(dim=0)
    torch.testing.assert_close(default, torch.tensor([[0.1, 0.9]]))
    equal = _lam(_trial("softmax", start="default")).unique(dim=0)
    torch.testing.assert_close(equal, torch.tensor([[0.5, 0.5]]))
    for drawn in (_lam(_trial("convex", start="default")), _lam(_trial("box", start="uniform"))):
        torch.testing.assert_close(drawn.sum(-1), torch.ones(len(drawn)))
        assert len(drawn.unique(dim=0)) == len(drawn)


@pytest.mark.parametrize(
    ("variant", "start", "expected"),
    [
        ("box", "default", [0.1, 0.9, 0.9, 0.9]),
        ("max", 0.3, [0.7, 0.3, 0.3, 0.3]),
        ("softmax", "default", [0.25, 0.25, 0.25, 0.25]),
        ("softmax", 0.3, [0.7, 0.1, 0.1, 0.1]),
    ],
)
def test_weights_of_several_teachers_start_where_they_are_told(
    variant: str, start: Value, expected: list[float]
) -> None:
    lam = _lam(replace(_trial(variant, start=start), teachers=SEVERAL))
    torch.testing.assert_close(lam.unique(dim=0), torch.tensor([expected]))


def test_convex_mixes_the_label_with_one_teacher_alone() -> None:
    with pytest.raises(ValueError, match=r"'convex' mixes the label with one teacher.*choose box"):
        make_cohort("alm_kd", [replace(_trial("convex"), teachers=SEVERAL)])


def test_metrics_name_each_of_several_teachers() -> None:
    trial = replace(_trial("max"), teachers=SEVERAL)
    method = only(make_cohort("alm_kd", [trial])).method
    assert isinstance(method, AlmKd)
    metrics = method.metrics()
    means = method.lam[0].mean(0)
    for m in (1, 2, 3):
        torch.testing.assert_close(metrics[f"lambda_teacher_{m}"][0], means[m])
    torch.testing.assert_close(metrics["lambda_teacher"][0], means[1:].mean())
    assert "lambda_teacher_1" not in only(make_cohort("alm_kd", [_trial("max")])).method.metrics()


@pytest.mark.parametrize(
    ("warmup", "every", "due"), [(0, 1, {1, 2, 3, 4, 5, 6}), (2, 2, {3, 5}), (1, 3, {2, 5})]
)
def test_weights_are_updated_when_due(warmup: int, every: int, due: set[int]) -> None:
    cohort = make_cohort(
        "alm_kd", [_trial("box", warmup_epochs=warmup, update_every=every)], Shape(epochs=6)
    )
    seen = [only(cohort).method.lam.clone()]

    def watch(epoch: int, *_: object) -> list[bool]:
        seen.append(only(cohort).method.lam.clone())
        return [True]

    cohort.train(watch)
    changed = {e for e in range(1, 7) if not torch.equal(seen[e], seen[e - 1])}
    assert changed == due


@given(
    variant=st.sampled_from(sorted(VARIANTS)),
    values=st.fixed_dictionaries(
        {
            "meta_lr": st.floats(0, 1e8),
            "lr": st.floats(1e-4, 1.0),
            "start": st.one_of(st.just("uniform"), st.floats(0, 1)),
            "grad_fit": st.integers(1, 8),
            "hypergradient": st.sampled_from(["last_layer", "full"]),
        }
    ),
    teachers=st.sampled_from([("weak",), SEVERAL]),
)
def test_weights_stay_in_their_range(
    variant: str, values: Mapping[str, Value], teachers: tuple[str, ...]
) -> None:
    trial = _trial(variant, **values)
    if variant != "convex":
        trial = replace(trial, teachers=teachers)
    cohort = make_cohort("alm_kd", [trial], Shape(epochs=2))
    lam = cohort.train(Diary())["a"].tables["lambda"]
    assert lam.isfinite().all()
    assert (lam >= 0).all()
    assert (lam <= VARIANTS[variant].constraint.high).all()
    if variant in ("convex", "max"):
        torch.testing.assert_close(lam[:, 0] + lam[:, 1:].amax(-1), torch.ones(len(lam)))
    if variant == "softmax":
        torch.testing.assert_close(lam.sum(-1), torch.ones(len(lam)))


def test_learned_weights_tell_corrupted_labels() -> None:
    """What the method is for, over eight seeds; the blobs overlap, nothing could reach 1."""
    base = _trial("box", meta_lr=300.0, warmup_epochs=2, lr=0.1, start="default")
    trials = [replace(base, name=str(seed), seed=seed) for seed in range(8)]
    diary = Diary()
    make_cohort("alm_kd", trials, Shape(epochs=8)).train(diary)
    assert all(diary.rows[trial.name][0]["lambda_auroc"] == 0.5 for trial in trials)
    assert mean(diary.rows[trial.name][-1]["lambda_auroc"] for trial in trials) > 0.8
