"""The terms of interactions against plain formulas, and the limits at which they are others."""

import math

import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Diary, Trial, weights
from tests.trainers.recommendation.cases import drawn, lanes, make_cohort, teacher_scores, usual
from trainers.lanes.network import Output
from trainers.lanes.values import LaneValues
from trainers.recommendation.terms import PairTargets, PairTerms

L, M, B, S = 3, 2, 5, 4
TAU = (1.0, 0.4, 3.0)

pytestmark = pytest.mark.usefixtures("double_precision")


def _values(tau: tuple[float, ...] = TAU) -> LaneValues:
    return LaneValues({"temperature": torch.tensor(tau)}, {})


def _terms(scores: Tensor, teachers: Tensor, tau: tuple[float, ...] = TAU) -> PairTerms:
    return PairTerms(PairTargets(lambda: teachers), scores, _values(tau))


def _scores() -> tuple[Tensor, Tensor]:
    """Of the student (L, B, S), and of teachers (L, M, B, S)."""
    return 2 * drawn(L, B, S), drawn(L, M, B, S, seed=1)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_terms_are_those_of_a_loop() -> None:
    scores, teachers = _scores()
    terms = _terms(scores, teachers)
    for lane, tau in enumerate(TAU):
        for b in range(B):
            s = scores[lane, b].tolist()
            label = sum(-math.log(_sigmoid(s[0] - other)) for other in s[1:]) / (S - 1)
            assert float(terms.label[lane, b]) == pytest.approx(label)
            for m in range(M):
                t, kl = teachers[lane, m, b].tolist(), 0.0
                for j in range(1, S):
                    p, q = (_sigmoid((x[0] - x[j]) / tau) for x in (t, s))
                    kl += p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
                assert float(terms.teachers[lane, m, b]) == pytest.approx(tau**2 * kl / (S - 1))
                own = sum(-math.log(_sigmoid(t[0] - other)) for other in t[1:]) / (S - 1)
                assert float(terms.label_at_teachers[lane, m, b]) == pytest.approx(own)


def test_without_a_temperature_it_is_one() -> None:
    scores, teachers = _scores()
    bare = PairTerms(PairTargets(lambda: teachers), scores, LaneValues({}, {}))
    torch.testing.assert_close(bare.teachers, _terms(scores, teachers, (1.0,) * L).teachers)


def test_teachers_are_only_asked_where_a_term_asks_for_them() -> None:
    def nobody() -> Tensor:
        raise AssertionError

    scores, _ = _scores()
    terms = PairTerms(PairTargets(nobody).part(slice(0, 2)), scores[:, :2], _values())
    assert terms.label.shape == (L, 2)
    with pytest.raises(AssertionError):
        terms.teacher(0)


def test_a_part_has_the_terms_of_its_examples() -> None:
    scores, teachers = _scores()
    at = slice(1, 4)
    part = PairTerms(PairTargets(lambda: teachers).part(at), scores[:, at], _values())
    torch.testing.assert_close(part.teachers, _terms(scores, teachers).teachers[:, :, at])


def test_derivative_of_the_teachers_term_is_how_far_the_student_is_off() -> None:
    """tau (sigmoid(D / tau) - P) of each difference, and nothing where it is the teacher's."""
    scores, teachers = _scores()
    leaf = scores.clone().requires_grad_()
    terms = _terms(leaf, teachers)
    tau = torch.tensor(TAU).view(L, 1, 1)
    for m in range(M):
        (gradient,) = torch.autograd.grad(terms.teacher(m).sum(), leaf)
        above = [x[..., :1] - x[..., 1:] for x in (scores, teachers[:, m])]
        q, p = (torch.sigmoid(x / tau) for x in above)
        expected = tau * (q - p) / (S - 1)
        torch.testing.assert_close(gradient[..., 1:], -expected)
        torch.testing.assert_close(gradient[..., 0], expected.sum(2))
    # Any constant of an example may be between them.
    same = (teachers[:, 0] + drawn(L, B, 1, seed=2)).requires_grad_()
    lost = _terms(same, teachers).teacher(0)
    (gradient,) = torch.autograd.grad(lost.sum(), same)
    torch.testing.assert_close(lost, torch.zeros_like(lost))
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))


def test_a_teacher_that_is_sure_is_the_label() -> None:
    scores, teachers = _scores()
    sure = teachers.clone()
    sure[..., 0] += 1e4
    terms = _terms(scores, sure, (1.0,) * L)
    torch.testing.assert_close(terms.teacher(0), terms.label)


def test_scores_however_far_apart_have_finite_terms_and_gradients() -> None:
    for far in (1e3, -1e3):
        scores = torch.tensor([[[far, 0.0]]], requires_grad=True)
        for of_teacher in (1e3, 0.0, -1e3):
            teachers = torch.tensor([[[[of_teacher, 0.0]]]])
            terms = _terms(scores, teachers, (1.0,))
            lost = terms.label + terms.teacher(0)
            (gradient,) = torch.autograd.grad(lost.sum(), scores)
            assert torch.isfinite(lost).all()
            assert torch.isfinite(gradient).all()


def test_the_guess_that_knows_nothing_loses_what_is_said_of_it() -> None:
    _, teachers = _scores()
    terms = _terms(torch.zeros(L, B, S), teachers)
    torch.testing.assert_close(terms.label, torch.full((L, B), terms.uninformed))


def test_derivatives_that_methods_take_are_those_of_the_terms() -> None:
    trials = [
        Trial("a", 1, teachers=("strong", "weak")),
        Trial("b", 2, teachers=("weak", "strong")),
    ]
    data, values = lanes(trials), _values((0.7, 2.0))
    index = torch.arange(6).expand(2, -1)
    targets = data.targets_of("train", index)
    scores = drawn(2, 6, 6).requires_grad_()
    terms = data.terms(targets, Output(None, scores), values).first(3)
    tangent = drawn(2, 6, 6, seed=1)
    found = data.terms_along(targets, Output(None, scores), Output(None, tangent), values, 3)
    for k in range(3):
        (gradient,) = torch.autograd.grad(terms[:, k].sum(), scores, retain_graph=True)
        torch.testing.assert_close(found[:, k], (gradient * tangent).sum(2))


@pytest.mark.parametrize("split", ["train", "meta"])
def test_how_a_teacher_scales_and_shifts_its_scores_is_nothing_to_its_term(split: str) -> None:
    """User by user, as scores are standardised over what each has not taken."""
    outputs = teacher_scores(usual())
    scale, shift = (drawn(12, 1, seed=n).numpy() for n in (3, 4))
    scores = outputs["strong"]["scores"].astype(float)
    other = {"strong": {"scores": (0.1 + abs(scale)) * scores + 9 * shift}}
    trials = [Trial("a", 1), Trial("b", 2)]
    index, student = torch.arange(8).expand(2, -1), drawn(2, 8, 6)
    found = []
    for kept in (outputs, other):
        data = lanes(trials, outputs=kept)
        terms = data.terms(
            data.targets_of(split, index), Output(None, student), _values((0.5, 2.0))
        )
        found.append(terms.teachers)
    torch.testing.assert_close(found[1], found[0])


def test_no_weight_on_the_teacher_is_the_label_alone() -> None:
    """BPR, to the last bit."""
    trial = Trial("a", values={"lr": 0.02})
    fixed = Trial("a", values={"lr": 0.02, "alpha": 0.0})
    cohorts = make_cohort("labels_only", [trial]), make_cohort("fixed_kd", [fixed])
    for cohort in cohorts:
        cohort.train(Diary())
    bare, with_teacher = (weights(cohort, "a") for cohort in cohorts)
    assert all(torch.equal(bare[name], t) for name, t in with_teacher.items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("examples", [1, 7, 25])
def test_a_lanes_terms_are_those_it_has_alone(dtype: torch.dtype, examples: int) -> None:
    """To the last bit, wherever in a tensor its numbers are."""
    torch.set_default_dtype(dtype)
    trials = [Trial("a", 1), Trial("b", 2, teachers=("weak",)), Trial("c", 3)]
    together = lanes(trials)
    index, scores = torch.arange(examples), drawn(3, examples, 6)
    at_once = together.terms(
        together.targets_of("train", index.expand(3, -1)), Output(None, scores), _values()
    )
    for lane, trial in enumerate(trials):
        data, values = lanes([trial]), _values(TAU[lane : lane + 1])
        targets = data.targets_of("train", index.unsqueeze(0))
        alone = data.terms(targets, Output(None, scores[lane : lane + 1]), values)
        assert torch.equal(at_once.label[lane], alone.label[0])
        assert torch.equal(at_once.teachers[lane], alone.teachers[0])
        assert torch.equal(at_once.label_at_teachers[lane], alone.label_at_teachers[0])
