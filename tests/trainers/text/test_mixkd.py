"""MixKD: what it is at its limits, what its parts are, and what a bank changes."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.trainers.cases import Diary, Trial, only, step, weights
from tests.trainers.text.cases import lanes, make_cohort, network_of
from trainers.classes.losses import distillation
from trainers.lanes.values import stack_values
from trainers.loop.cohort import Cohort
from trainers.method import Setup
from trainers.settings import Training
from trainers.text.entry import TEXT
from trainers.text.methods import mixtures
from trainers.text.methods.mixkd import MixKd
from trainers.text.methods.mixtures import WEIGHTS, Pairs, mixture
from trainers.text.networks.tokens import as_tokens

PLAIN = {"sm_weight": 0.0, "tmkd_weight": 0.0, "kd_weight": 1.0}


@pytest.fixture(autouse=True)
def _float64() -> object:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _begun(cohort: Cohort) -> MixKd:
    stack = only(cohort)
    stack.method.begin_epoch(1, stack.model, torch.full((len(stack.names),), 0.1))
    assert isinstance(stack.method, MixKd)
    return stack.method


def _losses(cohort: Cohort, places: Tensor) -> Tensor:
    stack = only(cohort)
    return stack.method.losses(step(stack, stack.data.training_batch(places)))


def _first(cohort: Cohort, count: int) -> Tensor:
    return torch.arange(count).expand(len(only(cohort).names), count)


def _with(cohort: Cohort, **values: float) -> None:
    """Change hyperparameters of every lane."""
    numbers = only(cohort).method.values.numbers
    for name, value in values.items():
        numbers[name].fill_(value)


@pytest.mark.parametrize("bank", [0, 2])
def test_without_mixtures_it_is_fixed_kd_bit_for_bit(bank: int) -> None:
    torch.set_default_dtype(torch.float32)
    trials = [Trial(f"t{i}", 3 + i, values={"alpha": 0.3 + 0.3 * i}) for i in range(2)]
    mixed = [Trial(t.name, t.seed, values={**t.values, **PLAIN, "bank": bank}) for t in trials]
    diaries = []
    left = []
    for method, lanes_ in (("fixed_kd", trials), ("mixkd", mixed)):
        diary, cohort = Diary(), make_cohort(method, lanes_)
        cohort.train(diary)
        diaries.append(diary.rows)
        left.append([weights(cohort, t.name) for t in trials])
    assert diaries[0] == diaries[1]
    for one, other in zip(*left, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_lane_that_mixes_leaves_one_that_does_not_as_it_is() -> None:
    torch.set_default_dtype(torch.float32)
    plain, mixed = Trial("plain", 3, values=PLAIN), Trial("mixed", 3, values={"bank": 0})
    alone, together = Diary(), Diary()
    make_cohort("mixkd", [plain]).train(alone)
    make_cohort("mixkd", [mixed, plain]).train(together)
    assert alone.rows["plain"] == together.rows["plain"]


KINDS = {
    "plain": PLAIN,
    "neither": {"sm_weight": 0.0, "tmkd_weight": 0.0, "kd_weight": 0.0},
    "bank": {"bank": 2},
    "fresh": {"bank": 0, "mask": "union"},
    "interpolated": {"target": "interpolate", "distance": "mse"},
    "labels": {"tmkd_weight": 0.0, "kd_weight": 0.5},
}


def test_lanes_of_every_kind_stand_beside_each_other() -> None:
    """What is plain is the first that every search tries, in one cohort with all others."""
    torch.set_default_dtype(torch.float32)
    trials = [
        Trial(name, 3 + i % 2, values=values) for i, (name, values) in enumerate(KINDS.items())
    ]
    together = Diary()
    make_cohort("mixkd", trials).train(together)
    for trial in trials:
        alone = Diary()
        make_cohort("mixkd", [trial]).train(alone)
        assert together.rows[trial.name] == alone.rows[trial.name], trial.name


def test_without_any_weight_of_the_teacher_nothing_is_left_of_it() -> None:
    cohort = make_cohort("mixkd", [Trial("a", 3, values={**KINDS["neither"], "alpha": 0.3})])
    _begun(cohort)
    places = _first(cohort, 9)
    at = step(only(cohort), only(cohort).data.training_batch(places))
    torch.testing.assert_close(_losses(cohort, places), 0.7 * at.terms.label)


@pytest.mark.parametrize("distance", ["kl", "mse"])
@pytest.mark.parametrize("target", ["query", "interpolate"])
def test_the_whole_loss_is_that_of_the_formula(distance: str, target: str) -> None:
    values = {
        "alpha": 0.4, "sm_weight": 0.7, "tmkd_weight": 1.3, "kd_weight": 0.5, "temperature": 3.0,
        "distance": distance, "target": target, "bank": 0,
    }  # fmt: skip
    trials = [Trial("a", 3, values=values)]
    cohort = make_cohort("mixkd", trials)
    method, data, student = _begun(cohort), only(cohort).data, only(cohort).model
    places = _first(cohort, 12)
    found = _losses(cohort, places)[0]

    teacher = network_of(data, "strong")  # type: ignore[arg-type]
    partner, m = method._partner[0, :12], method._share[0, :12]
    ids = data.inputs_of("train", places)
    y = data.targets_of("train", places).labels[0]
    other = data.inputs_of("train", partner.unsqueeze(0))
    y_other = data.targets_of("train", partner.unsqueeze(0)).labels[0]
    mixed = mixture(ids, other, m.unsqueeze(0), WEIGHTS["soft"])
    z, z_mix, t, t_mix, t_other = (
        net(x).logits[0].detach()
        for net, x in (
            (student, ids), (student, mixed), (teacher, ids), (teacher, mixed), (teacher, other),
        )
    )  # fmt: skip
    if target == "interpolate":
        t_mix = m[:, None] * t + (1 - m[:, None]) * t_other

    def kl(t: Tensor, z: Tensor) -> Tensor:
        p, log_q = torch.softmax(t / 3, 1), torch.log_softmax(z / 3, 1)
        return 9 * (p * (p.log() - log_q)).sum(1)

    def ce(z: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(z, y, reduction="none")

    sm = m * ce(z_mix, y) + (1 - m) * ce(z_mix, y_other)
    tmkd = kl(t_mix, z_mix) if distance == "kl" else ((t_mix - z_mix) ** 2).mean(1)
    expected = 0.6 * (ce(z, y) + 0.7 * sm) / 1.7 + 0.4 * (0.5 * kl(t, z) + 1.3 * tmkd) / 1.8
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def _terms_at(cohort: Cohort, partner: Tensor | None, share: float | Tensor) -> tuple[Tensor, ...]:
    """SM and TMKD of the first examples with this partner and share, and CE and KD of those."""
    stack, method = only(cohort), _begun(cohort)
    if partner is not None:
        method._partner = partner
    method._share = torch.as_tensor(share, dtype=method._share.dtype).expand_as(method._share)
    at = step(stack, stack.data.training_batch(_first(cohort, 15)))
    return (*method._on_mixtures(at), at.terms.label, at.terms.teacher(0))


FRESH = Trial("a", 3, values={"bank": 0, "temperature": 2.0})


def test_a_share_of_one_gives_the_losses_of_the_text_alone() -> None:
    sm, tmkd, ce, kd = _terms_at(make_cohort("mixkd", [FRESH]), None, 1.0)
    torch.testing.assert_close(sm, ce, rtol=0, atol=1e-6)
    torch.testing.assert_close(tmkd, kd, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mask", ["union", "none"])
def test_with_other_masks_it_does_not_where_lengths_differ(mask: str) -> None:
    cohort = make_cohort("mixkd", [Trial("a", 3, values={**FRESH.values, "mask": mask})])
    sm, _, ce, _ = _terms_at(cohort, None, 1.0)
    assert (sm - ce).abs().max() > 1e-3


def test_a_share_of_nothing_gives_the_losses_of_the_partner() -> None:
    cohort = make_cohort("mixkd", [FRESH])
    n = only(cohort).data.size("train")
    partner = torch.roll(torch.arange(n), 15).unsqueeze(0)
    sm, tmkd, _, _ = _terms_at(cohort, partner, 0.0)
    stack = only(cohort)
    its = step(stack, stack.data.training_batch(partner[:, :15]))
    torch.testing.assert_close(sm, its.terms.label, rtol=0, atol=1e-6)
    torch.testing.assert_close(tmkd, its.terms.teacher(0), rtol=0, atol=1e-6)


def test_a_text_that_is_its_own_partner_is_not_changed() -> None:
    cohort = make_cohort("mixkd", [FRESH])
    itself = torch.arange(only(cohort).data.size("train")).unsqueeze(0)
    sm, tmkd, ce, kd = _terms_at(cohort, itself, 0.3)
    torch.testing.assert_close(sm, ce, rtol=0, atol=1e-6)
    torch.testing.assert_close(tmkd, kd, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mask", WEIGHTS)
def test_it_does_not_matter_which_of_two_is_called_the_partner(mask: str) -> None:
    data = lanes([FRESH])
    network = network_of(data, "strong")
    ids, other = (data.inputs_of("train", torch.arange(10).unsqueeze(0) + k) for k in (0, 10))
    share = torch.linspace(0, 1, 10).unsqueeze(0)
    one = network(mixture(ids, other, share, WEIGHTS[mask])).logits
    two = network(mixture(other, ids, 1 - share, WEIGHTS[mask])).logits
    torch.testing.assert_close(one, two, rtol=0, atol=1e-5)


def test_labels_on_mixtures_are_those_of_the_mixed_one_hot() -> None:
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    y, other = torch.arange(6) % 4, torch.arange(6) % 3
    m = torch.linspace(0, 1, 6)
    two = m * F.cross_entropy(z, y, reduction="none")
    two = two + (1 - m) * F.cross_entropy(z, other, reduction="none")
    hot = m[:, None] * F.one_hot(y, 4) + (1 - m[:, None]) * F.one_hot(other, 4)
    torch.testing.assert_close(two, F.cross_entropy(z, hot, reduction="none"), rtol=0, atol=1e-6)


def test_at_high_temperature_distillation_is_half_the_mean_square_of_centred_logits() -> None:
    rng = torch.Generator().manual_seed(2)
    t, z = (torch.randn(1, 5, 7, generator=rng) for _ in range(2))
    kl = distillation(t, z, torch.full((1, 5), 1e3))
    centred = (z - z.mean(2, keepdim=True)) - (t - t.mean(2, keepdim=True))
    torch.testing.assert_close(kl, centred.square().sum(2) / 14, rtol=2e-3, atol=1e-4)


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it() -> None:
    cohort = make_cohort("mixkd", [Trial("a", 3, values=FRESH.values)])
    stack, method = only(cohort), _begun(cohort)
    same = network_of(stack.data, "strong")  # type: ignore[arg-type]
    method._student = same
    same.requires_grad_(True)
    _, tmkd = method._on_mixtures(step(stack, stack.data.training_batch(_first(cohort, 9))))
    assert tmkd.abs().max() < 1e-10
    for gradient in torch.autograd.grad(tmkd.sum(), list(same.parameters())):
        assert gradient.abs().max() < 1e-6


def test_no_gradient_reaches_the_teacher() -> None:
    cohort = make_cohort("mixkd", [FRESH])
    method = _begun(cohort)
    _losses(cohort, _first(cohort, 9)).sum().backward()
    for model in method._ask._teachers[0]._models:  # type: ignore[attr-defined]
        assert all(p.grad is None for p in model.parameters())


def test_a_bank_holds_what_the_teacher_says_when_it_is_asked() -> None:
    values = {**FRESH.values, "bank": 3}
    trials = [Trial("a", 3, values=values), Trial("b", 4, values=values, teachers=("weak",))]
    cohort = make_cohort("mixkd", trials)
    method, places = _begun(cohort), _first(cohort, 20)
    kept = _losses(cohort, places)
    assert method._answers.abs().min(dim=2).values.max() > 0
    method.values.numbers["bank"].fill_(0)
    torch.testing.assert_close(kept, _losses(cohort, places), rtol=0, atol=1e-5)


def test_lanes_of_one_seed_and_beta_share_one_bank() -> None:
    values = {**FRESH.values, "bank": 2}
    trials = [
        Trial("a", 3, values={**values, "alpha": 0.2}),
        Trial("b", 3, values={**values, "alpha": 0.9}),
        Trial("c", 3, values={**values, "mix_alpha": 2.0}),
        Trial("d", 4, values=values),
    ]
    method = _begun(make_cohort("mixkd", trials))
    a, b, c, d = method._banks or []
    assert a is b
    assert a is not c
    assert a is not None
    assert c is not None
    assert d is not None
    # The pairs are the seed's, the shares Beta's too.
    assert torch.equal(a.pairs[0].partner, c.pairs[0].partner)
    assert not torch.equal(a.pairs[0].share, c.pairs[0].share)
    assert not torch.equal(a.pairs[0].partner, d.pairs[0].partner)


def test_lanes_of_one_seed_mix_the_same_whatever_their_alpha() -> None:
    trials = [Trial(n, 3, values={**FRESH.values, "alpha": x}) for n, x in (("a", 0.1), ("b", 0.9))]
    method = _begun(make_cohort("mixkd", trials))
    assert torch.equal(method._partner[0], method._partner[1])
    assert torch.equal(method._share[0], method._share[1])


def test_every_epoch_mixes_anew() -> None:
    for bank in (0, 4):
        cohort = make_cohort("mixkd", [Trial("a", 3, values={**FRESH.values, "bank": bank})])
        method, stack = _begun(cohort), only(cohort)
        first = method._share.clone()
        stack.method.begin_epoch(2, stack.model, torch.full((1,), 0.1))
        assert not torch.equal(first, method._share)


def test_shares_have_the_mean_and_variance_of_beta() -> None:
    for a in (0.1, 0.4, 2.0):
        share = mixtures.pairs_of_epoch(5, a, 40_000, 1).share.numpy()
        assert share.mean() == pytest.approx(0.5, abs=0.01)
        assert share.var() == pytest.approx(1 / (4 * (2 * a + 1)), rel=0.03)


def test_a_soft_mask_is_the_own_one_at_one_and_the_union_where_lengths_agree() -> None:
    ids = torch.tensor([[[1, 2, -1, -1]]])
    other = torch.tensor([[[3, 4, 5, -1]]])
    one = mixture(ids, other, torch.ones(1, 1), WEIGHTS["soft"])
    assert torch.equal(one.weight, as_tokens(ids, torch.float64).weight)
    as_long = torch.tensor([[[6, 7, -1, -1]]])
    same, union = (
        mixture(ids, as_long, torch.full((1, 1), 0.25), WEIGHTS[rule]) for rule in ("soft", "union")
    )
    assert torch.equal(same.weight, union.weight)


def test_without_a_network_to_ask_it_says_so() -> None:
    trial = Trial("a")
    data = lanes([trial])
    values = stack_values(TEXT.methods["mixkd"].hyperparameters, [{}], torch.device("cpu"))
    with pytest.raises(ValueError, match="give its network, not its outputs"):
        MixKd(Setup(data, values, (3,), Training(1, 8), network_of(data, "strong")))


def test_pairs_are_permutations() -> None:
    pairs: Pairs = mixtures.pairs_of_epoch(1, 1.0, 50, 2)
    assert sorted(pairs.partner.tolist()) == list(range(50))
