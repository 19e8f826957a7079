"""ALM-KD's gradients of utterances, whose loss has no second derivative: against the loss that is
held out after one step that is taken, by central differences."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from tests.trainers.cases import Trial, only
from tests.trainers.ctc.cases import lanes, lines, make_cohort
from trainers.evaluation import evaluation_mode
from trainers.fields import Value
from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import Output
from trainers.lanes.seeds import torch_generator
from trainers.loop.stack import Stack
from trainers.mixing.alm_kd.rule import AlmKd

SEED, RATE, TAU, META_LR = 3, 0.3, 1.7, 1e-4
BATCH, GROUP = 4, 2
# So small that hardly a unit is switched on or off on the way.
STEP = 3e-6
BASE = {
    "temperature": TAU, "meta_lr": META_LR, "meta_step": "raw", "variant": "box", "start": 0.5,
    "warmup_epochs": 0, "grad_fit": GROUP, "inner_repeats": 1, "held_out": 0.75,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("double_precision")


def _stack(**values: Value) -> Stack:
    trials = [Trial("a", SEED, values={**BASE, **values})]
    data = lanes(trials, lines(20))
    return only(make_cohort("alm_kd", trials, data, batch_size=BATCH))


def _differences(stack: Stack, lam: Tensor, last_layer: bool, goal: str) -> Tensor:
    """dL_val/dlam of every training example, (N, K)."""
    data, model, values = stack.data, stack.model, stack.method.values
    n, n_meta = data.size("train"), data.size("meta")
    order = torch_generator(SEED, "alm_kd", "order")
    train, meta = torch.randperm(n, generator=order), torch.randperm(n_meta, generator=order)
    sizes = torch.tensor(batch_sizes(n, BATCH))
    # What a batch's mean divides by, of every place in the order.
    share = 1 / sizes.repeat_interleave(sizes)
    theta = {name: p.detach().requires_grad_() for name, p in model.named_parameters()}
    moving = [name for name in theta if name.startswith("head") or not last_layer]
    found, group, v = torch.zeros_like(lam), GROUP * BATCH, min(BATCH, n_meta)

    def slope(own: Tensor, held_out: Tensor, of_place: Tensor) -> Tensor:
        """Of the examples of a group, (G, K)."""
        batch, others = data.batch("train", own), data.batch("meta", held_out)

        def lost(weights: Tensor) -> float:
            output = functional_call(model, theta, (batch.inputs,))
            terms = data.terms(batch.targets, output, values).first(lam.shape[1])[0].T
            step = (of_place * (weights * terms).sum(1)).sum()
            gradients = torch.autograd.grad(step, [theta[name] for name in moving])
            moved = {k: theta[k] - RATE * g for k, g in zip(moving, gradients, strict=True)}
            of_meta, of_own = (
                functional_call(model, {**theta, **moved}, (b.inputs,)) for b in (others, batch)
            )
            value = 0.75 * _held_out(stack, others.targets, of_meta, goal, "meta")
            value = value + 0.25 * _held_out(stack, batch.targets, of_own, goal, "train")
            return float(value.detach())

        weights = lam[own[0]]
        each = torch.zeros_like(weights)
        for i in range(len(weights)):
            for k in range(lam.shape[1]):
                ahead, behind = weights.clone(), weights.clone()
                ahead[i, k] += STEP
                behind[i, k] -= STEP
                each[i, k] = (lost(ahead) - lost(behind)) / (2 * STEP)
        return each

    for j, start in enumerate(range(0, n, group)):
        own = train[start : start + group]
        others = meta[torch.arange(j * v, (j + 1) * v) % n_meta]
        found[own] = slope(own.unsqueeze(0), others.unsqueeze(0), share[start : start + group])
    return found


def _held_out(stack: Stack, targets: object, output: Output, goal: str, split: str) -> Tensor:
    """The mean over examples of what held-out ones should be met by."""
    values = stack.method.values
    terms = stack.data.terms(targets, output, values)
    if goal == "labels" or (goal == "teacher" and split == "train"):
        return terms.label.mean()
    if goal == "teacher":
        return terms.teachers[:, -1].mean()
    plain = stack.data.terms(targets, output, values.at_temperature(1.0))
    return (0.2 * plain.label + 0.8 * plain.teachers[:, -1]).mean()


@pytest.mark.parametrize("hypergradient", ["last_layer", "full"])
@pytest.mark.parametrize(
    ("goal", "level"),
    [("labels", "frame"), ("mixed", "softmax"), ("teacher", "guided"), ("labels", "sequence")],
)
def test_the_gradient_is_that_of_differences(goal: str, level: str, hypergradient: str) -> None:
    words = {"hypergradient": hypergradient, "held_out_loss": goal, "level": level}
    stack = _stack(**words)
    rule = stack.method
    assert isinstance(rule, AlmKd)
    # A group that is filled up, with a batch that is shorter.
    assert stack.data.size("train") % (GROUP * BATCH)
    before = rule.lam.clone()
    with evaluation_mode(stack.model):
        wanted = _differences(stack, before[0], hypergradient == "last_layer", goal)
    rule.begin_epoch(1, stack.model, torch.tensor([RATE]))
    found = (before - rule.lam)[0] / META_LR
    assert wanted.abs().max() > 1e-4
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)


def test_a_frame_pulls_as_its_symbols_differ() -> None:
    """r_it of KL by frames: tau (softmax(z / tau) - softmax(t / tau)) / U_i, and of the label
    rows that sum to 0; nothing behind the end."""
    stack = _stack()
    data = stack.data
    batch = data.batch("train", torch.arange(9).unsqueeze(0))
    output = stack.model(batch.inputs)
    r = data.term_gradients(batch.targets, output, stack.method.values)
    assert r.features is None
    there = batch.targets.there(data.columns).unsqueeze(-1)
    z, t = output.logits, batch.targets.teachers[:, 0]
    counts = there / batch.targets.lengths.view(1, -1, 1, 1)
    wanted = TAU * ((z / TAU).softmax(3) - (t / TAU).softmax(3)) * counts
    torch.testing.assert_close(r.logits[:, :, 1], wanted)
    of_label = r.logits[:, :, 0]
    assert not of_label[~there.expand_as(of_label)].any()
    torch.testing.assert_close(of_label.sum(3), torch.zeros_like(of_label[..., 0]))
