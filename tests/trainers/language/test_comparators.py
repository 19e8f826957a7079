"""TAID and AdaKD: limits at which they are the fixed mix, what is kept, and their states."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Diary, Trial, step
from tests.trainers.language.cases import lanes, make_cohort
from trainers.language.methods.adakd import hardest, hellinger
from trainers.loop.checkpoint import from_bytes, to_bytes
from trainers.loop.cohort import Cohort

FIXED = {"alpha": 1.0, "temperature": 1.0}


def _cohort(method: str, values: Mapping[str, Any], epochs: int = 3) -> Cohort:
    return make_cohort(method, [Trial("a", values={"lr": 0.01, **values})], epochs=epochs)


def _trained(method: str, values: Mapping[str, Any]) -> list[Tensor]:
    cohort = _cohort(method, values)
    cohort.train(Diary())
    return [p.detach().clone() for p in cohort.stacks[0].model.parameters()]


def _near(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return all(torch.allclose(x, y, atol=1e-9) for x, y in zip(a, b, strict=True))


def _first_step(method: str, values: Mapping[str, Any]) -> tuple[Tensor, Tensor, Any]:
    """The losses (B,) of some examples, their gradient by the logits (B, R, V), and the step."""
    (stack,) = _cohort(method, values).stacks
    stack.method.begin_epoch(1, stack.model, torch.ones(1))
    found = step(stack, stack.data.training_batch(torch.arange(9).unsqueeze(0)))
    losses = stack.method.losses(found)
    (gradient,) = torch.autograd.grad(losses.sum(), found.output.logits)
    return losses[0].detach(), gradient[0], found


@pytest.mark.parametrize(
    ("method", "values", "other"),
    [
        ("taid", {"t_start": 1.0}, {"t_start": 0.4}),
        ("adakd", {"temperature_scale": 0.0, "share_step": 0.0}, {"share_step": 0.0}),
    ],
)
def test_at_its_limit_it_is_the_fixed_mix(
    method: str, values: Mapping[str, Any], other: Mapping[str, Any], double_precision: None
) -> None:
    for alpha in (1.0, 0.3):
        fixed = _trained("fixed_kd", {**FIXED, "alpha": alpha})
        assert _near(_trained(method, {**values, "alpha": alpha}), fixed)
        assert not _near(_trained(method, {**other, "alpha": alpha}), fixed)


def test_a_target_that_is_the_student_pulls_nowhere(double_precision: None) -> None:
    losses, gradient, _ = _first_step("taid", {"t_start": 0.0})
    torch.testing.assert_close(losses, torch.zeros_like(losses))
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))


def test_the_target_is_between_and_has_no_gradient(double_precision: None) -> None:
    losses, gradient, found = _first_step("taid", {"t_start": 0.3})
    z, t = found.output.logits[0].detach(), found.batch.targets.teachers[0, 0]
    there = found.batch.targets.share[0]
    p, q = torch.softmax(0.7 * z + 0.3 * t, -1), torch.softmax(z, -1)
    torch.testing.assert_close(gradient, there.unsqueeze(-1) * (q - p))
    torch.testing.assert_close(losses, (there * (p * (p / q).log()).sum(-1)).sum(1))


def _shares_of_the_teacher(values: Mapping[str, Any], epochs: int) -> list[float]:
    diary = Diary()
    _cohort("taid", values, epochs).train(diary)
    return [row["taid_t"] for row in diary.rows["a"]]


def test_the_target_goes_to_the_teacher_in_a_line_or_faster() -> None:
    line = _shares_of_the_teacher({"t_start": 0.4, "t_step": 0.0}, 6)
    assert line == pytest.approx([0.4 + 0.6 * n / 6 for n in range(1, 7)])
    faster = _shares_of_the_teacher({"t_start": 0.4, "t_step": 0.2}, 6)
    assert all(a >= b for a, b in zip(faster, line, strict=True))
    assert faster[0] > line[0]
    assert max(faster) <= 1


def test_t_moves_by_how_the_loss_has_changed(double_precision: None) -> None:
    """The rule of the authors' code, one number after the other."""
    method: Any = _cohort("taid", {"t_step": 0.1, "t_momentum": 0.9}).stacks[0].method
    t, momentum, before = 0.4, 0.0, 2.0
    method._follow(torch.tensor([2.0]))
    assert float(method._t) == pytest.approx(t)
    for now in (1.5, 1.6, 0.4):
        momentum = 0.9 * momentum + 0.1 * (before - now) / before
        t += 0.1 / (1 + torch.tensor(-momentum).exp().item()) * (1 - t)
        before = now
        method._follow(torch.tensor([now]))
        assert float(method._t) == pytest.approx(t)


def test_the_hardest_tokens_are_kept_of_each_lane_by_itself() -> None:
    scores = torch.tensor([[[0.1, 0.9, 0.5], [0.7, 0.3, 1.0]], [[0.2, 0.2, 0.2], [0.2, 0.1, 0.3]]])
    there = torch.ones_like(scores, dtype=torch.bool)
    there[0, 1, 2] = False
    found = hardest(scores, there, torch.tensor([0.6, 0.5]))
    assert found.there.int().tolist() == [[[0, 1, 1], [1, 0, 0]], [[1, 1, 0], [0, 0, 1]]]
    torch.testing.assert_close(found.median, torch.tensor([0.7, 0.2]))
    least = hardest(scores, there, torch.tensor([0.01, 1.0]))
    assert least.there.sum((1, 2)).tolist() == [1, 6]


def test_the_distance_is_hellingers(double_precision: None) -> None:
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.1, 0.2, 0.7])
    found = hellinger(p.log().clamp(min=-1e4), q.log())
    torch.testing.assert_close(found, (1 - (p * q).sqrt().sum()).sqrt())


def test_hard_tokens_are_colder_and_the_others_count_nothing(double_precision: None) -> None:
    """Against a loop over tokens."""
    cohort = _cohort("adakd", {"temperature_scale": 0.6})
    (stack,) = cohort.stacks
    method: Any = stack.method
    method._share = torch.tensor([0.5])
    found = step(stack, stack.data.training_batch(torch.arange(9).unsqueeze(0)))
    losses = method.losses(found)[0].detach()
    targets, z = found.batch.targets, found.output.logits[0].detach()
    t, share = targets.teachers[0, 0], targets.share[0]
    places = share.nonzero().tolist()
    apart = {
        (i, c): float(hellinger(torch.log_softmax(t[i, c], -1), torch.log_softmax(z[i, c], -1)))
        for i, c in places
    }
    kept = sorted(apart, key=lambda place: -apart[place])[: len(places) // 2]
    median = torch.tensor([apart[place] for place in kept]).median()
    expected = torch.zeros(9)
    for i, c in kept:
        tau = torch.exp(-0.6 * torch.tanh((apart[i, c] / median).log()))
        p, q = torch.softmax(t[i, c] / tau, -1), torch.softmax(z[i, c] / tau, -1)
        expected[i] += share[i, c] * tau**2 * (p * (p / q).log()).sum()
    weight = 9 / sum(float(share[i, c]) for i, c in kept)
    torch.testing.assert_close(losses, weight * expected)


def test_fewer_tokens_count_as_the_loss_falls_and_more_as_it_rises(double_precision: None) -> None:
    values = {"loss_decay": 0.0, "share_step": 0.2, "share_tolerance": 0.1}
    method: Any = _cohort("adakd", values).stacks[0].method
    shares = []
    # Nothing changes before a twentieth of training is done.
    for now in (9.0, 1.0, 0.95, 0.85, 0.85, 0.7, 0.8, 0.9):
        method._follow(torch.tensor([now]))
        shares.append(float(method._share))
        method.end_step(None)
    expected = [1.0, 1.0, 1.0, 0.8, 0.8, 0.64, 0.768, 0.9216]
    assert shares == pytest.approx(expected)
    for _ in range(50):
        method._follow(method._then / 2)
    assert float(method._share) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("taid", {"t_start": 0.0, "t_step": 0.3, "t_momentum": 0.5}),
        ("adakd", {"share_step": 0.5, "share_tolerance": 0.0, "loss_decay": 0.0}),
    ],
)
def test_what_they_remember_is_in_a_checkpoint(method: str, values: Mapping[str, Any]) -> None:
    state: dict[str, Any] = {}

    def save() -> None:
        state.setdefault("after one", to_bytes(cohort.state()))

    cohort, straight, again = _cohort(method, values), Diary(), Diary()
    cohort.train(straight, save)
    other = _cohort(method, values)
    fresh = other.stacks[0].method.state()
    assert other.go_on(from_bytes(state["after one"]), again)
    kept = other.stacks[0].method.state()
    assert all(not torch.equal(kept[name], fresh[name]) for name in kept)
    other.train(again)
    assert again.rows == straight.rows


def test_a_lane_is_cut_out_with_what_is_remembered_of_it() -> None:
    trials = [Trial(name, seed=i, values={"lr": 0.01 * i}) for i, name in enumerate("abc", 1)]
    for method in ("taid", "adakd"):
        cohort = make_cohort(method, trials, lanes(trials))
        cohort.train(Diary({"b": 2}))
        assert all(len(t) == 2 for t in cohort.stacks[0].method.state().values())
