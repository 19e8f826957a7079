"""ALM-KD's gradients of pictures: against the loss that is held out after one step that is taken,
by autograd and by central differences."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from tests.trainers.cases import Trial, only
from tests.trainers.detection.cases import lanes, make_cohort
from trainers.evaluation import evaluation_mode
from trainers.fields import Value
from trainers.lanes.batches import batch_sizes
from trainers.lanes.seeds import torch_generator
from trainers.loop.stack import Stack
from trainers.mixing.alm_kd.rule import AlmKd

SEED, RATE, META_LR = 3, 0.3, 1e-4
BATCH, GROUP = 4, 3
BASE = {
    "temperature": 1.7, "meta_lr": META_LR, "meta_step": "raw", "variant": "box", "start": 0.5,
    "warmup_epochs": 0, "grad_fit": GROUP, "inner_repeats": 1, "held_out": 0.75,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("double_precision")


def _stack(**values: Value) -> Stack:
    trials = [Trial("a", SEED, values={**BASE, **values})]
    return only(make_cohort("alm_kd", trials, lanes(trials), batch_size=BATCH))


def _rule(stack: Stack) -> AlmKd:
    assert isinstance(stack.method, AlmKd)
    return stack.method


class OneStep:
    """The loss held out after a step, as a function of the weights of a group of pictures."""

    def __init__(self, stack: Stack, group: int, moving: str = "") -> None:
        """``moving``: what the names of the parameters that move begin with."""
        self._stack, data = stack, stack.data
        n, n_meta = data.size("train"), data.size("meta")
        order = torch_generator(SEED, "alm_kd", "order")
        train, meta = torch.randperm(n, generator=order), torch.randperm(n_meta, generator=order)
        sizes = torch.tensor(batch_sizes(n, BATCH))
        start, v = group * GROUP * BATCH, min(BATCH, n_meta)
        self.own = train[start : start + GROUP * BATCH]
        self._share = (1 / sizes.repeat_interleave(sizes))[start : start + GROUP * BATCH]
        held_out = meta[torch.arange(group * v, (group + 1) * v) % n_meta]
        self._batch = data.batch("train", self.own.unsqueeze(0))
        self._others = data.batch("meta", held_out.unsqueeze(0))
        named = stack.model.named_parameters()
        self._theta = {name: p.detach().requires_grad_() for name, p in named}
        self._moving = [name for name in self._theta if name.startswith(moving)]

    def lost(self, weights: Tensor) -> Tensor:
        """Of the weights (G, K) of its own pictures."""
        data, values = self._stack.data, self._stack.method.values
        model, theta = self._stack.model, self._theta
        output = functional_call(model, theta, (self._batch.inputs,))
        terms = data.terms(self._batch.targets, output, values).first(weights.shape[1])[0].T
        step = (self._share * (weights * terms).sum(1)).sum()
        moving = [theta[name] for name in self._moving]
        gradients = torch.autograd.grad(
            step, moving, create_graph=True, allow_unused=True, materialize_grads=True
        )
        moved = {k: theta[k] - RATE * g for k, g in zip(self._moving, gradients, strict=True)}
        losses = []
        for batch in (self._others, self._batch):
            shown = functional_call(model, {**theta, **moved}, (batch.inputs,))
            losses.append(data.terms(batch.targets, shown, values).label.mean())
        return 0.75 * losses[0] + 0.25 * losses[1]


def _found(stack: Stack) -> tuple[Tensor, Tensor]:
    """The weights before an update (N, K), and the gradient that it took."""
    rule = _rule(stack)
    before = rule.lam.clone()
    rule.begin_epoch(1, stack.model, torch.tensor([RATE]))
    return before[0], ((before - rule.lam) / META_LR)[0]


@pytest.mark.parametrize(
    ("hypergradient", "terms"),
    [("last_layer", "outputs"), ("full", "outputs"), ("full", "all")],
)
def test_the_gradient_is_that_through_the_step(hypergradient: str, terms: str) -> None:
    stack = _stack(hypergradient=hypergradient, terms=terms, feature_weight=0.8)
    # A group that is filled up besides.
    assert stack.data.size("train") % (GROUP * BATCH)
    steps = []
    lam = _rule(stack).lam[0].clone()
    with evaluation_mode(stack.model):
        for group in range(2):
            step = OneStep(stack, group, "head" if hypergradient == "last_layer" else "")
            weights = lam[step.own].requires_grad_()
            (wanted,) = torch.autograd.grad(step.lost(weights), weights)
            steps.append((step.own, wanted))
    _, found = _found(stack)
    for own, wanted in steps:
        assert wanted.abs().max() > 1e-4
        torch.testing.assert_close(found[own], wanted, rtol=1e-6, atol=1e-9)


def test_the_gradient_through_the_last_layer_is_that_of_differences() -> None:
    stack = _stack()
    lam = _rule(stack).lam[0].clone()
    with evaluation_mode(stack.model):
        step = OneStep(stack, 0, "head")
        wanted = torch.zeros(4, lam.shape[1])
        for i in range(4):
            for k in range(lam.shape[1]):
                ahead, behind = (lam[step.own].clone() for _ in range(2))
                ahead[i, k] += 1e-4
                behind[i, k] -= 1e-4
                up, down = (float(step.lost(w).detach()) for w in (ahead, behind))
                wanted[i, k] = (up - down) / 2e-4
    _, found = _found(stack)
    torch.testing.assert_close(found[step.own[:4]], wanted, rtol=1e-5, atol=1e-9)


def test_the_last_layer_tells_nothing_of_features() -> None:
    """Whatever their weight, exactly: why a spec that asks for both is refused."""
    moved = []
    for weight in (0.0, 50.0):
        stack = _stack(hypergradient="full", terms="all", feature_weight=weight)
        rule = _rule(stack)
        words = {**rule.values.words, "hypergradient": ("last_layer",)}
        rule.values = replace(rule.values, words=words)
        moved.append(_found(stack)[1])
    assert moved[0].any()
    assert torch.equal(moved[0], moved[1])
    full = [
        _found(_stack(hypergradient="full", terms="all", feature_weight=weight))[1]
        for weight in (0.0, 50.0)
    ]
    assert (full[0] - full[1])[:, 1].abs().max() > 1e-4


def test_a_cohort_of_features_by_the_last_layer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a: alm_kd .*terms: all .* pin hypergradient: full"):
        _stack(terms="all")
