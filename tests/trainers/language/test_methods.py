"""What the methods lose: limits at which they are each other, and what they may not read."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Trial
from tests.trainers.language.cases import (
    TEACHER,
    decoder,
    lanes,
    live,
    make_cohort,
    sums,
    teacher,
)
from trainers.data.tokenizer import PADDING
from trainers.lanes.network import LaneNetwork
from trainers.lanes.values import LaneValues
from trainers.language.data.lanes import SequenceLanes
from trainers.language.entry import LANGUAGE
from trainers.language.methods import prompts
from trainers.language.terms import SequenceTargets, SequenceTerms
from trainers.loop.cohort import Cohort, Metrics

NOTHING = LaneValues({}, {})


def _report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> list[bool]:
    return [True] * len(names)


def _weights(cohort: Cohort) -> list[Tensor]:
    cohort.train(_report)
    return [p.detach().clone() for stack in cohort.stacks for p in stack.model.parameters()]


def _trained(
    method: str, values: Mapping[str, Any], data: SequenceLanes | None = None
) -> list[Tensor]:
    trial = Trial("a", values={"lr": 0.01, **values})
    return _weights(make_cohort(method, [trial], data))


def _same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def _near(a: Sequence[Tensor], b: Sequence[Tensor], atol: float = 1e-9) -> bool:
    return all(torch.allclose(x, y, atol=atol) for x, y in zip(a, b, strict=True))


def test_gkd_on_fixed_data_is_supervised_distillation_to_the_bit() -> None:
    supervised = _trained("fixed_kd", {"alpha": 1.0, "temperature": 1.0})
    assert _same(_trained("gkd", {"on_policy": 0.0}), supervised)


def test_on_policy_never_reads_a_label() -> None:
    data = lanes([Trial("a", noise_rate=0.0)])
    spoilt = lanes([Trial("a", noise_rate=0.0)])
    responses = spoilt.targets["train"]
    responses[:] = torch.where(responses == PADDING, PADDING, 3)
    for method in ("gkd", "skd"):
        assert _same(_trained(method, {}, data), _trained(method, {}, spoilt))


def test_skd_that_accepts_all_is_gkd(double_precision: None) -> None:
    every = _trained("skd", {"top_k": 1000})
    assert _near(every, _trained("gkd", {"on_policy": 1.0}))
    assert not _near(every, _trained("skd", {"top_k": 1}))


def test_a_module_that_does_not_learn_is_a_fixed_mix(double_precision: None) -> None:
    mix = _trained("fixed_kd", {"alpha": 0.3, "temperature": 1.0})
    assert _near(_trained("okd", {"alpha": 0.3, "module_lr": 0.0}), mix)
    assert not _near(_trained("okd", {"alpha": 0.3, "module_lr": 0.1}), mix)


def test_the_module_learns_the_labels_and_the_teachers_body_stays() -> None:
    trial = Trial("a", noise_rate=0.0, values={"module_lr": 0.02, "teacher_loss": "label"})
    data = lanes([trial])
    asked = live(data, [trial])
    body = {n: p.clone() for n, p in asked.network(0).named_parameters()}
    cohort = make_cohort("okd", [trial], data, epochs=30)
    shifts = []

    def report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> list[bool]:
        shifts.append(rows[0]["okd_shift"])
        return [True]

    (stack,) = cohort.stacks
    method: Any = stack.method
    every = torch.arange(data.size("train")).unsqueeze(0)
    batch = data.batch("train", every)

    def lost() -> float:
        output = method._adapted(batch.inputs)
        return float(SequenceTerms(batch.targets, output.logits.detach(), NOTHING).label.mean())

    before = lost()
    cohort.train(report)
    assert shifts[0] < shifts[-1]
    assert lost() < 0.8 * before
    after = dict(method._teacher.named_parameters())
    assert all(torch.equal(p, after[n]) for n, p in body.items())


def test_at_the_first_step_the_module_says_nothing(double_precision: None) -> None:
    trial = Trial("a")
    data = lanes([trial])
    cohort = make_cohort("okd", [trial], data)
    method: Any = cohort.stacks[0].method
    every = torch.arange(data.size("train")).unsqueeze(0)
    batch = data.batch("train", every)
    there = data.rows_there(batch.targets)
    said = teacher(data.facts, "strong")(batch.inputs).logits
    assert torch.allclose(method._adapted(batch.inputs).logits[there], said[there])
    sizes = [p.shape[1:] for p in teacher(data.facts, "strong").parameters() if p.dim() == 3]
    assert len(sizes) == 4 + 2 + 3  # of the layers; of words, positions, the last layer
    # 2 r d of every matrix, with room for the largest rank.
    own = sum(p.numel() for p in method._module.parameters())
    width, wide = TEACHER.sizes["width"], 4 * TEACHER.sizes["width"]
    assert own == 8 * (4 * 2 * width + 2 * (width + wide))


def test_the_gradient_is_that_of_the_same_responses_as_fixed_data(double_precision: None) -> None:
    """No gradient flows through the writing."""
    trial = Trial("a")
    data = lanes([trial])
    cohort = make_cohort("gkd", [trial], data)
    (stack,) = cohort.stacks
    method: Any = stack.method
    method.begin_epoch(1, stack.model, torch.ones(1))
    batch = method.show(data.training_batch(torch.arange(9).unsqueeze(0)))
    tokens = batch.targets.tokens
    assert not torch.equal(tokens, data.targets_of("train", torch.arange(9).unsqueeze(0)).tokens)
    adviser = teacher(data.facts, "strong")
    network = decoder(data.facts)
    network.load_state_dict(stack.model.state_dict())
    terms = data.terms(batch.targets, stack.model(batch.inputs), method.values)
    mine = torch.autograd.grad(terms.teacher(0).mean(), list(stack.model.parameters()))
    q = torch.log_softmax(network(batch.inputs).logits, -1)
    p = torch.log_softmax(adviser(batch.inputs).logits.detach(), -1)
    each = (p.exp() * (p - q)).sum(-1)
    there = tokens != PADDING
    mean = (each * there).sum(2) / there.sum(2)
    theirs = torch.autograd.grad(mean.mean(), list(network.parameters()))
    assert all(torch.allclose(a, b) for a, b in zip(mine, theirs, strict=True))


def _terms(tokens: Tensor, z: Tensor, t: Tensor) -> SequenceTerms:
    return SequenceTerms(SequenceTargets(tokens, lambda: t.unsqueeze(1)), z, NOTHING)


def _made_up(columns: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    z, t = (torch.randn(1, 4, columns, 6, generator=rng, dtype=torch.float64) for _ in range(2))
    tokens = torch.randint(0, 6, (1, 4, columns), generator=rng)
    lengths = torch.tensor([1, 3, columns, 2]).view(1, 4, 1)
    return torch.where(torch.arange(columns) < lengths, tokens, PADDING), z, t


def test_the_first_and_the_last_token_count_and_what_is_behind_does_not() -> None:
    tokens, z, t = _made_up()
    for column, counts in ((0, True), (2, True), (3, False), (4, False)):
        moved = z.clone()
        moved[0, 1, column] += torch.arange(6.0)
        for name in ("label", "teachers"):
            same = torch.equal(
                getattr(_terms(tokens, moved, t), name), getattr(_terms(tokens, z, t), name)
            )
            assert same != counts, (column, name)


def test_a_response_is_the_mean_of_its_tokens_and_one_without_loses_nothing() -> None:
    tokens, z, t = _made_up()
    tokens[0, 0] = PADDING
    leaf = z.clone().requires_grad_()
    terms = _terms(tokens, leaf, t)
    assert terms.label[0, 0] == terms.teachers[0, 0, 0] == 0
    (gradient,) = torch.autograd.grad(terms.label.sum() + terms.teachers.sum(), leaf)
    assert torch.isfinite(gradient).all()
    cross_entropy = torch.nn.functional.cross_entropy(z[0, 1, :3], tokens[0, 1, :3])
    torch.testing.assert_close(terms.label[0, 1], cross_entropy)
    torch.testing.assert_close(terms.label_rows.sum(2), terms.label)
    torch.testing.assert_close(terms.teacher_rows(0).sum(2), terms.teacher(0))


def test_a_teacher_that_is_the_label_loses_what_the_label_does() -> None:
    tokens, z, _ = _made_up()
    sure = 1e3 * torch.nn.functional.one_hot(tokens.clamp(min=0), 6).double()
    terms = _terms(tokens, z, sure)
    torch.testing.assert_close(terms.teacher(0), terms.label)


def test_of_what_a_student_wrote_there_is_no_label() -> None:
    tokens, z, t = _made_up()
    targets = SequenceTargets(tokens, lambda: t.unsqueeze(1), labelled=False)
    with pytest.raises(ValueError, match="no label"):
        assert SequenceTerms(targets, z, NOTHING).label is None


def test_two_halves_are_the_whole() -> None:
    tokens, z, t = _made_up()
    whole = _terms(tokens, z, t).label
    halves = [_terms(tokens[:, at], z[:, at], t[:, at]).label for at in (slice(2), slice(2, 4))]
    assert torch.equal(torch.cat(halves, 1), whole)


class _Itself:
    """A student that is asked as its own teacher."""

    def __init__(self, student: LaneNetwork) -> None:
        self._student = student

    def told(self, index: Tensor, inputs: Tensor) -> Tensor:
        return self._student(inputs).logits.detach()


def test_a_student_that_is_its_teacher_stays_there(double_precision: None) -> None:
    trial = Trial("a", values={"weight_decay": 0.0})
    data = lanes([trial])
    cohort = make_cohort("gkd", [trial], data, optimizer="sgd", clip_norm=1.0)
    (stack,) = cohort.stacks
    method: Any = stack.method
    method.prompts = _Itself(stack.model)
    before = [p.detach().clone() for p in stack.model.parameters()]
    cohort.train(_report)
    assert _near(before, list(stack.model.parameters()), 1e-10)


@pytest.mark.parametrize("most", [2**28, 0])
def test_a_teacher_that_has_read_the_prompts_says_what_it_would_of_all(
    most: int, monkeypatch: pytest.MonkeyPatch, double_precision: None
) -> None:
    monkeypatch.setattr(prompts, "MOST_BYTES", most)
    trials = [Trial("a"), Trial("b", seed=5)]
    data = lanes(trials)
    known = prompts.Prompts(data, live(data, trials).network(0))
    index = torch.stack([torch.arange(9), torch.arange(9).flip(0)])
    for lane in range(2):
        batch = data.training_batch(index)
        there = data.rows_there(batch.targets)
        said = known.told(index, batch.inputs)[there]
        torch.testing.assert_close(said, batch.targets.teachers[:, 0][there])
        if lane == 0:
            known.keep(torch.tensor([1]))
            data.keep(torch.tensor([1]))
            network = live(data, trials[1:]).network(0)
            known._network, index = network, index[1:]


def test_teacher_written_responses_are_the_same_for_every_lane_of_a_seed() -> None:
    trials = [Trial("a", values={"lr": 0.01}), Trial("b", seed=5), Trial("c", values={"lr": 0.02})]
    data = lanes(trials)
    cohort = make_cohort("seq_kd", trials, data)
    method: Any = cohort.stacks[0].method
    batch = method.show(data.training_batch(torch.arange(20).expand(3, -1)))
    tokens = batch.targets.tokens
    assert torch.equal(tokens[0], tokens[2])
    assert not torch.equal(tokens[0], tokens[1])
    assert torch.equal(batch.inputs[:, :, data.facts.prompts :], tokens)


def test_skd_takes_more_as_it_learns() -> None:
    trial = Trial("a", values={"lr": 0.02, "top_k": 3})
    shares = []

    def report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> list[bool]:
        shares.append(rows[0]["skd_accepted"])
        return [True]

    make_cohort("skd", [trial], epochs=25).train(report)
    assert shares[0] + 10 < shares[-1]
    assert all(0 <= share <= 100 for share in shares)


def test_methods_without_a_mix_have_no_temperature() -> None:
    for name in ("gkd", "skd", "okd"):
        assert not LANGUAGE.methods[name].has("temperature")
    with pytest.raises(KeyError):
        LANGUAGE.methods["gkd"].hyperparameter("alpha")
    beta = LANGUAGE.methods["gkd"].hyperparameter("beta")
    assert beta.problem(0.0)
    assert beta.problem(1.0)
    assert beta.problem(0.999) is None
    assert len(sums()) > 10
