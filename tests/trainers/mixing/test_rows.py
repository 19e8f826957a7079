"""The gradient of ALM-KD against double backward through an explicit step, on tasks with one row an
example, with many rows, and without a last layer, by examples and by rows.

Groups hold examples repeated as filling, and examples of a last batch that is shorter.
"""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from tests.trainers.cases import Trial, make_cohort, only
from tests.trainers.toy_cases import PAIRS, SEQUENCES, ToyTrial, toy_cohort, toys  # noqa: F401
from trainers.classes.terms import ClassObjective
from trainers.entries import TaskEntry
from trainers.evaluation import evaluation_mode, joined
from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import Output
from trainers.lanes.seeds import torch_generator
from trainers.loop.cohort import Cohort
from trainers.loop.stack import Stack
from trainers.mixing.alm_kd.rule import AlmKd
from trainers.mixing.hypergradient import Evaluation, TrainingGroup, last_layer_hypergradient

SEED, LR, TAU, META_LR = 3, 0.3, 2.5, 1e-4
CASES = pytest.mark.parametrize(
    ("task", "method", "hypergradient"),
    [
        ("classification", "alm_kd", "last_layer"),
        ("classification", "alm_kd", "full"),
        ("toy_sequences", "alm_kd", "last_layer"),
        ("toy_sequences", "alm_kd", "full"),
        ("toy_sequences", "alm_kd_token", "last_layer"),
        ("toy_sequences", "alm_kd_token", "full"),
        ("toy_pairs", "alm_kd", "full"),
    ],
)
TOYS: Mapping[str, TaskEntry] = {"toy_sequences": SEQUENCES, "toy_pairs": PAIRS}


def _cohort(task: str, name: str, teachers: tuple[str, ...], **values: float | str) -> Cohort:
    base = {
        "lr": LR, "temperature": TAU, "meta_lr": META_LR, "meta_step": "raw", "variant": "box",
        "start": 0.5, "warmup_epochs": 0, "grad_fit": 2, "inner_repeats": 1, "held_out": 0.75,
    }  # fmt: skip
    if task == "classification":
        names = {"one": "strong", "two": "weak"}
        own = tuple(names[t] for t in teachers)
        return make_cohort("alm_kd", [Trial("a", SEED, teachers=own, values={**base, **values})])
    trial = ToyTrial("a", SEED, values={**base, **values}, teachers=teachers)
    return toy_cohort(TOYS[task], name, [trial])


def _explicit(stack: Stack, lam: Tensor, last_layer: bool, goal: str) -> Tensor:
    """dL_val/dlam of every training example (N, K), or row of one (N, T, K), by autograd through
    the step itself."""
    method, data, model = stack.method, stack.data, stack.model
    size, n, n_meta = method.batch_size, data.size("train"), data.size("meta")
    order = torch_generator(SEED, "alm_kd", "order")
    train, meta = torch.randperm(n, generator=order), torch.randperm(n_meta, generator=order)
    # What a batch's mean divides by, of every place in the order.
    sizes = torch.tensor(batch_sizes(n, size))
    share = 1 / sizes.repeat_interleave(sizes)
    theta = {name: p.detach().requires_grad_() for name, p in model.named_parameters()}
    moving = [name for name in theta if name.startswith("head") or not last_layer]
    found = torch.zeros_like(lam)
    group, v = 2 * size, min(size, n_meta)
    for j, start in enumerate(range(0, n, group)):
        own = train[start : start + group].unsqueeze(0)
        batch = data.batch("train", own)
        held_out = data.batch("meta", meta[torch.arange(j * v, (j + 1) * v) % n_meta].unsqueeze(0))
        weights = lam[own[0]].clone().requires_grad_()
        terms = data.terms(
            batch.targets, functional_call(model, theta, batch.inputs), method.values
        )
        if lam.dim() == 3:
            losses = terms.first_rows(lam.shape[2])[0].permute(1, 2, 0)
            lost = (weights[:, : losses.shape[1]] * losses).sum((1, 2))
        else:
            losses = torch.cat([terms.label.unsqueeze(1), terms.teachers], 1)[0].T
            lost = (weights * losses).sum(1)
        step = (share[start : start + group] * lost).sum()
        gradients = torch.autograd.grad(step, [theta[name] for name in moving], create_graph=True)
        moved = {**theta, **{k: theta[k] - LR * g for k, g in zip(moving, gradients, strict=True)}}
        outputs = [functional_call(model, moved, b.inputs) for b in (held_out, batch)]
        value = 0.75 * _loss(stack, held_out.targets, outputs[0], goal, "meta")
        value = value + 0.25 * _loss(stack, batch.targets, outputs[1], goal, "train")
        (slope,) = torch.autograd.grad(value, weights)
        found[own[0]] = slope
    return found


def _loss(stack: Stack, targets: object, output: Output, goal: str, split: str) -> Tensor:
    """The mean over examples of what held-out examples should be met by."""
    values = stack.method.values
    terms = stack.data.terms(targets, output, values)
    if goal == "labels" or (goal == "teacher" and split == "train"):
        return terms.label.mean()
    if goal == "teacher":
        return terms.teachers[:, -1].mean()
    plain = stack.data.terms(targets, output, values.at_temperature(1.0))
    return (0.2 * plain.label + 0.8 * plain.teachers[:, -1]).mean()


@pytest.mark.usefixtures("double_precision", "toys")
@pytest.mark.parametrize("goal", ["labels", "mixed", "teacher"])
@CASES
def test_gradient_is_that_of_double_backward(
    task: str, method: str, hypergradient: str, goal: str
) -> None:
    cohort = _cohort(task, method, ("one", "two"), hypergradient=hypergradient, held_out_loss=goal)
    stack = only(cohort)
    rule = stack.method
    assert isinstance(rule, AlmKd)
    assert stack.data.size("train") % rule.batch_size > 1
    before = rule.lam.clone()
    with evaluation_mode(stack.model):
        wanted = _explicit(stack, before[0], hypergradient == "last_layer", goal)
    rule.begin_epoch(1, stack.model, torch.tensor([LR]))
    got = (before - rule.lam)[0] / META_LR
    assert wanted.abs().max() > 1e-4
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.usefixtures("double_precision", "toys")
@CASES
def test_normalised_step_moves_a_typical_weight_by_meta_lr(
    task: str, method: str, hypergradient: str
) -> None:
    size = 0.01
    cohort = _cohort(task, method, ("one",), hypergradient=hypergradient, meta_step="normalised",
                     meta_lr=size)  # fmt: skip
    rule, data = only(cohort).method, only(cohort).data
    assert isinstance(rule, AlmKd)
    before = rule.lam.clone()
    rule.begin_epoch(1, only(cohort).model, torch.tensor([LR]))
    moved = (rule.lam - before)[0]
    group = 2 * rule.batch_size
    order = torch_generator(SEED, "alm_kd", "order")
    train = torch.randperm(len(moved), generator=order)
    for start in range(0, len(moved), group):
        places = train[start : start + group]
        own = moved[places]
        if own.dim() == 3:
            there = data.rows_there(data.targets_of("train", places.unsqueeze(0)))[0]
            own = own[:, : there.shape[1]][there]
        torch.testing.assert_close(own.square().mean().sqrt(), torch.tensor(size))


@pytest.mark.usefixtures("double_precision", "toys")
@pytest.mark.parametrize("task", [SEQUENCES, PAIRS], ids=["sequences", "pairs"])
def test_generic_gradients_of_terms_are_those_of_autograd(task: TaskEntry) -> None:
    """r and the change along a tangent, against finite differences."""
    stack = only(toy_cohort(task, "fixed_kd", [ToyTrial("a", teachers=("one", "two"))]))
    data, values = stack.data, stack.method.values
    batch = data.batch("train", torch.arange(6).unsqueeze(0))
    with torch.no_grad():
        output = stack.model(batch.inputs)
    tangent = output.each(torch.randn_like)
    along = data.terms_along(batch.targets, output, tangent, values, 3)
    if task is SEQUENCES:
        by_row = data.row_terms_along(batch.targets, output, tangent, values, 3)
        torch.testing.assert_close(by_row.sum(-1), along)
    h = 1e-6
    ahead, behind = (
        data.terms(
            batch.targets, Output(None, output.logits + sign * h * tangent.logits), values
        ).first(3)
        for sign in (1, -1)
    )
    torch.testing.assert_close(along, (ahead - behind) / (2 * h), rtol=1e-5, atol=1e-8)


def test_outputs_of_other_lengths_are_joined_by_rows_of_zeros() -> None:
    parts = [Output(torch.ones(1, 2, t, 5), torch.ones(1, 2, t, 4)) for t in (3, 7)]
    features, logits = joined(parts)
    assert features is not None
    assert (features.shape, logits.shape) == ((1, 4, 7, 5), (1, 4, 7, 4))
    assert logits[0, :2, 3:].abs().sum() == 0
    assert logits.sum() == 2 * 4 * (3 + 7)


def _group(owner: Tensor | None, rows: int, bias: bool = True) -> tuple[TrainingGroup, Evaluation]:
    generator = torch.Generator().manual_seed(1)
    h, r = (
        torch.randn(2, 4, rows, generator=generator),
        torch.randn(2, 3, 5, rows, generator=generator),
    )
    h_e, z_e = torch.randn(2, 4, 6, generator=generator), torch.randn(2, 5, 6, generator=generator)
    goal = torch.softmax(torch.randn(2, 5, 6, generator=generator), 1)
    ones = torch.ones(2, 6) / 6
    eta = torch.tensor([0.3, 0.7])
    group = TrainingGroup(h, r, eta, 8, owner, bias)
    return group, Evaluation(h_e, z_e, ClassObjective(goal, ones, torch.ones(2, 6)))


def test_one_row_an_example_is_the_same_to_the_last_bit() -> None:
    lam = torch.rand(2, 3, 9, generator=torch.Generator().manual_seed(2))
    each = torch.arange(9).expand(2, -1)
    plain, by_owner = (last_layer_hypergradient(lam, *_group(owner, 9)) for owner in (None, each))
    assert torch.equal(plain, by_owner)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("bias", [True, False])
def test_an_example_met_several_times_is_the_sum_over_all(bias: bool) -> None:
    owner = torch.tensor([[0, 1, 1, 2, 0, 3], [3, 3, 3, 1, 0, 2]])
    group, evaluation = _group(owner, 6, bias)
    lam = torch.rand(2, 3, 4).requires_grad_()
    weights = torch.stack([lam[i][:, owner[i]] for i in range(2)])
    u = (weights.unsqueeze(2) * group.r).sum(1) * group.eta.view(2, 1, 1) / 8
    z = evaluation.z - u @ group.h.mT @ evaluation.h
    if bias:
        z = z - u.sum(2, keepdim=True)
    loss = evaluation.goal.loss(Output(None, z.mT)).sum()
    (wanted,) = torch.autograd.grad(loss, lam)
    got = last_layer_hypergradient(lam.detach(), group, evaluation)
    torch.testing.assert_close(got, wanted)
