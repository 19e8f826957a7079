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

from tests.trainers.cases import Diary, Shape, Trial, make_cohort
from trainers.alm_kd import VARIANTS, AlmKd
from trainers.cohort import Cohort
from trainers.hyperparameters import Value
from trainers.seeds import torch_generator

BATCH = 19
TAU = 3.0
STEPS: Mapping[str, float] = {"convex": 20.0, "box": 40.0}
REPEATS: Mapping[str, int] = {"convex": 10, "box": 5}


def _trial(variant: str, **values: Value) -> Trial:
    base = {"variant": variant, "temperature": TAU, "meta_lr": STEPS[variant], "warmup_epochs": 0}
    return Trial("a", values={**base, "start": "uniform", **values})


class _LongWay:
    """One update of one lane, group after group, repeat after repeat, example after example."""

    def __init__(self, cohort: Cohort, variant: str, eta: float) -> None:
        self._data, self._variant, self._eta = cohort.data, variant, eta
        self._W, self._b = (
            p[0].detach().clone() for p in (cohort.model.head.weight, cohort.model.head.bias)
        )
        self._train = self._split(cohort, "train")
        self._meta = self._split(cohort, "meta")

    def _split(self, cohort: Cohort, name: str) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Features, label and teacher logits of every example."""
        batch = self._data.batch(name, torch.arange(self._data.size(name)).unsqueeze(0))
        with torch.no_grad():
            h = cohort.model(batch.inputs).features[0]
        teachers = batch.teachers[0, 0]
        return list(zip(h, batch.labels[0], teachers, strict=True))

    def update(self, lam: Tensor, seed: int, grad_fit: int, repeats: int) -> Tensor:
        order = torch_generator(seed, "alm_kd", "order")
        train = torch.randperm(len(self._train), generator=order).split(grad_fit * BATCH)
        meta = torch.randperm(len(self._meta), generator=order)
        v = min(BATCH, len(meta))
        lam = lam.clone()
        for j, group in enumerate(train):
            held_out = [meta[i % len(meta)] for i in range(j * v, (j + 1) * v)]
            gradients = [self._example_gradients(self._train[i]) for i in group]
            for _ in range(repeats):
                lam[group] = self._project(
                    lam[group], self._slope(lam[group], gradients, group, held_out)
                )
        return lam

    def _example_gradients(self, example: tuple[Tensor, Tensor, Tensor]) -> list[list[Tensor]]:
        h, y, t = example
        W, b = self._W.clone().requires_grad_(), self._b.clone().requires_grad_()
        z = W @ h + b
        soft = F.softmax(t / TAU, -1)
        losses = [
            F.cross_entropy(z, y),
            TAU**2 * (soft * (soft.log() - F.log_softmax(z / TAU, -1))).sum(),
        ]
        return [
            [g / BATCH for g in torch.autograd.grad(loss, [W, b], retain_graph=True)]
            for loss in losses
        ]

    def _slope(
        self,
        lam: Tensor,
        gradients: list[list[list[Tensor]]],
        group: Tensor,
        held_out: list[Tensor],
    ) -> Tensor:
        lam = lam.clone().requires_grad_()
        W, b = self._W, self._b
        for i, per_loss in enumerate(gradients):
            for k, (dW, db) in enumerate(per_loss):
                W, b = W - self._eta * lam[i, k] * dW, b - self._eta * lam[i, k] * db
        loss = self._mean_loss([self._meta[i] for i in held_out], W, b)
        if self._variant == "convex":
            own = self._mean_loss([self._train[i] for i in group], W, b)
            loss = 0.75 * loss + 0.25 * own
        (slope,) = torch.autograd.grad(loss, lam)
        return slope

    def _mean_loss(
        self, examples: list[tuple[Tensor, Tensor, Tensor]], W: Tensor, b: Tensor
    ) -> Tensor:
        return torch.stack([F.cross_entropy(W @ h + b, y) for h, y, _ in examples]).mean()

    def _project(self, lam: Tensor, slope: Tensor) -> Tensor:
        step = STEPS[self._variant]
        if self._variant == "box":
            return torch.clamp(lam - step * slope, 0.0, 2.0)
        teacher = torch.clamp(lam[:, 1] - step * (slope[:, 1] - slope[:, 0]), 0.0, 1.0)
        return torch.stack([1 - teacher, teacher], dim=1)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("grad_fit", "inner_repeats"), [(1, 0), (2, 3), (9, 2)])
@pytest.mark.usefixtures("double_precision")
def test_update_is_the_long_way(variant: str, grad_fit: int, inner_repeats: int) -> None:
    trial = _trial(variant, grad_fit=grad_fit, inner_repeats=inner_repeats)
    cohort = make_cohort("alm_kd", [trial], Shape(hidden=(4,)))
    before = cohort.method.lam.clone()
    slow = _LongWay(cohort, variant, eta=0.3)
    expected = slow.update(before[0], trial.seed, grad_fit, inner_repeats or REPEATS[variant])
    cohort.method.begin_epoch(1, cohort.model, torch.tensor([0.3]))
    torch.testing.assert_close(cohort.method.lam[0], expected, rtol=1e-9, atol=1e-12)
    moved = (expected - before[0]).abs()
    inside = (expected > 0) & (expected < VARIANTS[variant].high)
    assert moved.min() > 0
    assert inside.any(), "a test in which every weight hits its bound proves little"


def _lam(trial: Trial) -> Tensor:
    method = make_cohort("alm_kd", [trial]).method
    assert isinstance(method, AlmKd)
    return method.lam[0]


def test_weights_start_where_they_are_told() -> None:
    assert torch.equal(_lam(_trial("box", start=0.25)).unique(dim=0), torch.tensor([[0.75, 0.25]]))
    default = _lam(_trial("box", start="default")).unique(dim=0)
    torch.testing.assert_close(default, torch.tensor([[0.1, 0.9]]))
    for drawn in (_lam(_trial("convex", start="default")), _lam(_trial("box", start="uniform"))):
        torch.testing.assert_close(drawn.sum(-1), torch.ones(len(drawn)))
        assert len(drawn.unique(dim=0)) == len(drawn)


@pytest.mark.parametrize(
    ("warmup", "every", "due"), [(0, 1, {1, 2, 3, 4, 5, 6}), (2, 2, {3, 5}), (1, 3, {2, 5})]
)
def test_weights_are_updated_when_due(warmup: int, every: int, due: set[int]) -> None:
    cohort = make_cohort(
        "alm_kd", [_trial("box", warmup_epochs=warmup, update_every=every)], Shape(epochs=6)
    )
    seen = [cohort.method.lam.clone()]

    def watch(epoch: int, *_: object) -> list[bool]:
        seen.append(cohort.method.lam.clone())
        return [True]

    cohort.train(watch)
    changed = {e for e in range(1, 7) if not torch.equal(seen[e], seen[e - 1])}
    assert changed == due


@given(
    variant=st.sampled_from(sorted(VARIANTS)),
    meta_lr=st.floats(0, 1e8),
    lr=st.floats(1e-4, 1.0),
    start=st.one_of(st.just("uniform"), st.floats(0, 1)),
    grad_fit=st.integers(1, 8),
)
def test_weights_stay_in_their_range(
    variant: str, meta_lr: float, lr: float, start: Value, grad_fit: int
) -> None:
    trial = _trial(variant, meta_lr=meta_lr, lr=lr, start=start, grad_fit=grad_fit)
    cohort = make_cohort("alm_kd", [trial], Shape(epochs=2))
    lam = cohort.train(Diary())["a"].tables["lambda"]
    assert lam.isfinite().all()
    assert (lam >= 0).all()
    assert (lam <= VARIANTS[variant].high).all()
    if VARIANTS[variant].convex:
        torch.testing.assert_close(lam.sum(-1), torch.ones(len(lam)))


def test_learned_weights_tell_corrupted_labels() -> None:
    """What the method is for, over eight seeds; the blobs overlap, nothing could reach 1."""
    base = _trial("box", meta_lr=300.0, warmup_epochs=2, lr=0.1, start="default")
    trials = [replace(base, name=str(seed), seed=seed) for seed in range(8)]
    diary = Diary()
    make_cohort("alm_kd", trials, Shape(epochs=8)).train(diary)
    assert all(diary.rows[trial.name][0]["lambda_auroc"] == 0.5 for trial in trials)
    assert mean(diary.rows[trial.name][-1]["lambda_auroc"] for trial in trials) > 0.8
