"""The terms of utterances against loops over paths and frames."""

import math
from collections.abc import Mapping, Sequence
from itertools import product

import pytest
import torch
from torch import Tensor

from trainers.ctc.data.dataset import BLANK
from trainers.ctc.terms import (
    CtcTargets,
    CtcTerms,
    best_path,
    collapsed,
    label_loss,
    spikes,
)
from trainers.data.tokenizer import PADDING
from trainers.fields import Value
from trainers.lanes.values import LaneValues

SYMBOLS, FRAMES = 5, 7
# Lengths and repeats mixed, one target that takes every frame, and one utterance of one frame.
LABELS = ((1, 1), (2, 3, 2), (4,), (3, 3, 4, 4), (2,))
LENGTHS = (7, 6, 3, 6, 1)
LANES, EXAMPLES = 2, len(LABELS)

pytestmark = pytest.mark.usefixtures("double_precision")


def _logits(seed: int, lanes: int = LANES) -> Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(lanes, EXAMPLES, FRAMES, SYMBOLS, generator=drawn)


def _labels(rows: Sequence[Sequence[int]] = LABELS, lanes: int = LANES) -> Tensor:
    """Targets (L, B, U), of every lane in another order of its symbols."""
    columns = max(map(len, rows))
    padded = torch.tensor([[*row, *[PADDING] * (columns - len(row))] for row in rows])
    each = [padded.where(padded == PADDING, 1 + (padded - 1 + lane) % 4) for lane in range(lanes)]
    return torch.stack(each)


def _targets(teachers: Tensor | None = None, labels: Tensor | None = None) -> CtcTargets:
    """``teachers`` (L, M, B, T, C)."""
    labels = _labels() if labels is None else labels
    frames = torch.tensor(LENGTHS).expand(len(labels), -1)
    return CtcTargets(labels, frames, lambda: torch.zeros(()) if teachers is None else teachers)


def _values(**given: Sequence[Value]) -> LaneValues:
    numbers = {k: torch.tensor(v) for k, v in given.items() if not isinstance(v[0], str)}
    return LaneValues(numbers, {k: tuple(v) for k, v in given.items() if isinstance(v[0], str)})


def _terms(z: Tensor, t: Tensor, **given: Sequence[Value]) -> CtcTerms:
    return CtcTerms(_targets(t.unsqueeze(1)), z, _values(**given))


def _collapse(path: Sequence[int]) -> list[int]:
    kept = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
    return [c for c in kept if c != BLANK]


def _over_paths(log_p: Tensor, said: Sequence[int]) -> float:
    """-log of the sum over all paths of log_p (T, C) that are ``said``."""
    frames, symbols = log_p.shape
    total = [
        sum(float(log_p[t, c]) for t, c in enumerate(path))
        for path in product(range(symbols), repeat=frames)
        if _collapse(path) == list(said)
    ]
    return -float(torch.tensor(total).logsumexp(0))


def _forward(log_p: Tensor, said: Sequence[int]) -> float:
    """The same by the forward recursion over ``said`` with blanks around every label."""
    states = [BLANK]
    for label in said:
        states += [label, BLANK]
    alpha = [-math.inf] * len(states)
    alpha[0] = float(log_p[0, BLANK])
    if said:
        alpha[1] = float(log_p[0, said[0]])
    for frame in log_p[1:]:
        before, alpha = alpha, []
        for s, symbol in enumerate(states):
            ways = [before[s]] + [before[s - 1]] * (s > 0)
            if s > 1 and symbol not in (BLANK, states[s - 2]):
                ways.append(before[s - 2])
            alpha.append(float(torch.tensor(ways).logsumexp(0)) + float(frame[symbol]))
    return -float(torch.tensor(alpha[-2:]).logsumexp(0))


def _said(labels: Tensor) -> list[int]:
    return [int(c) for c in labels if c != PADDING]


def _pairs() -> list[tuple[int, int]]:
    return list(product(range(LANES), range(EXAMPLES)))


# The label's term.


def test_the_label_term_is_the_sum_over_all_paths() -> None:
    z = torch.randn(1, 1, 5, 4, generator=torch.Generator().manual_seed(0))
    targets = CtcTargets(torch.tensor([[[1, 1]]]), torch.tensor([[5]]), lambda: z)
    wanted = _over_paths(z[0, 0].log_softmax(1), [1, 1]) / 2
    assert label_loss(targets, z).item() == pytest.approx(wanted, abs=1e-10)


def test_so_it_is_by_the_forward_recursion_whatever_lengths_and_repeats() -> None:
    z, targets = _logits(1), _targets()
    found = label_loss(targets, z)
    for lane, i in _pairs():
        said = _said(targets.labels[lane, i])
        log_p = z[lane, i, : LENGTHS[i]].log_softmax(1)
        assert found[lane, i].item() == pytest.approx(_forward(log_p, said) / len(said), abs=1e-10)


def test_the_label_gradient_is_of_real_frames_alone_and_sums_to_0() -> None:
    z = _logits(2).requires_grad_()
    (gradient,) = torch.autograd.grad(label_loss(_targets(), z).sum(), z)
    there = torch.arange(FRAMES) < torch.tensor(LENGTHS).unsqueeze(1)
    assert (gradient[:, there].abs().sum(-1) > 0).all()
    assert not gradient[:, ~there].any()
    torch.testing.assert_close(gradient.sum(3), torch.zeros(z.shape[:3]), rtol=0, atol=1e-12)


def test_the_label_gradient_is_that_of_central_differences() -> None:
    z = _logits(3).requires_grad_()
    torch.autograd.gradcheck(lambda x: label_loss(_targets(), x), z, eps=1e-5, atol=1e-6)


def test_the_label_gradient_is_likelihood_less_occupancy() -> None:
    """Occupancy from the paths themselves."""
    z = torch.randn(1, 1, 4, 3, generator=torch.Generator().manual_seed(4)).requires_grad_()
    targets = CtcTargets(torch.tensor([[[2, 1]]]), torch.tensor([[4]]), lambda: z)
    (gradient,) = torch.autograd.grad(label_loss(targets, z).sum(), z)
    p = z.detach()[0, 0].softmax(1)
    occupied, total = torch.zeros(4, 3), 0.0
    for path in product(range(3), repeat=4):
        if _collapse(path) == [2, 1]:
            likely = math.prod(float(p[t, c]) for t, c in enumerate(path))
            total += likely
            for t, c in enumerate(path):
                occupied[t, c] += likely
    torch.testing.assert_close(gradient[0, 0], (p - occupied / total) / 2)


def test_logits_are_normalised_inside() -> None:
    z = _logits(5)
    shifted = z + torch.randn(*z.shape[:3], 1, generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(label_loss(_targets(), shifted), label_loss(_targets(), z))


def test_what_cannot_be_said_loses_infinitely_much_and_what_says_nothing_its_blanks() -> None:
    z = _logits(7, lanes=1)[:, :2]
    labels = torch.tensor([[[1, 1, 1, 1], [PADDING] * 4]])
    found = label_loss(CtcTargets(labels, torch.tensor([[6, 5]]), lambda: z), z)[0]
    assert found[0].item() == math.inf
    blanks = z[0, 1, :5].log_softmax(1)[:, BLANK].sum()
    assert found[1].item() == pytest.approx(-blanks.item(), abs=1e-12)


def test_logits_in_another_order_of_memory_lose_the_same() -> None:
    z = _logits(8)
    turned = z.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    assert torch.equal(label_loss(_targets(), turned), label_loss(_targets(), z))


def test_uninformed_is_every_symbol_alike() -> None:
    z, targets = _logits(9), _targets()
    found = CtcTerms(targets, z, _values()).uninformed
    log_p = torch.zeros(FRAMES, SYMBOLS).log_softmax(1)
    for lane, i in _pairs():
        said = _said(targets.labels[lane, i])
        wanted = _forward(log_p[: LENGTHS[i]], said) / len(said)
        assert found[lane, i].item() == pytest.approx(wanted, abs=1e-10)


# The teachers' terms.


def _counts(t: Tensor, frames: str) -> list[bool]:
    """Which frames of a teacher (T_i, C) count."""
    says = [int(frame.argmax()) != BLANK for frame in t]
    near = [any(says[max(i - 1, 0) : i + 2]) for i in range(len(says))]
    return {"all": [True] * len(says), "not_blank": says, "near": near}[frames]


def _loop(level: str, frames: str, z: Tensor, t: Tensor, said: list[int], tau: float) -> float:
    """A teacher's term of one utterance, frame by frame, (T_i, C)."""
    if level == "sequence":
        path = _collapse([int(frame.argmax()) for frame in t])
        return _forward(z.log_softmax(1), path) / max(len(path), 1)
    if level == "guided":
        hits = [
            float(own.softmax(0)[its.argmax()])
            for own, its in zip(z, t, strict=True)
            if int(its.argmax()) != BLANK
        ]
        return (_forward(z.log_softmax(1), said) - sum(hits)) / len(said)
    total = 0.0
    for own, its, counts in zip(z, t, _counts(t, frames), strict=True):
        if not counts:
            continue
        if level == "softmax":
            total += float((its.softmax(0) - own.softmax(0)).square().sum())
            continue
        p, q = (its / tau).softmax(0), (own / tau).softmax(0)
        total += tau * tau * sum(float(a * (a / b).log()) for a, b in zip(p, q, strict=True))
    return total / len(said)


LEVELS = ("frame", "softmax", "sequence", "guided")
SELECTED = ("all", "not_blank", "near")


@pytest.mark.parametrize("frames", SELECTED)
@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_its_loop(level: str, frames: str) -> None:
    z, tau = _logits(10), (0.7, 2.0)
    # Blanks are likelier than each symbol, so that frames differ in whether they say one.
    t = _logits(11) + 1.5 * (torch.arange(SYMBOLS) == BLANK)
    terms = _terms(z, t, level=[level] * 2, frames=[frames] * 2, temperature=tau)
    found, labels = terms.teachers, _labels()
    assert found.shape == (LANES, 1, EXAMPLES)
    for lane, i in _pairs():
        own, its = z[lane, i, : LENGTHS[i]], t[lane, i, : LENGTHS[i]]
        wanted = _loop(level, frames, own, its, _said(labels[lane, i]), tau[lane])
        assert found[lane, 0, i].item() == pytest.approx(wanted, abs=1e-10)
    counted = [any(_counts(t[lane, i, : LENGTHS[i]], "not_blank")) for lane, i in _pairs()]
    assert any(counted)


def test_several_teachers_have_a_term_each() -> None:
    z, t, s = _logits(12), _logits(13), _logits(14)
    both = CtcTerms(_targets(torch.stack([t, s], dim=1)), z, _values()).teachers
    each = torch.cat([_terms(z, own).teachers for own in (t, s)], dim=1)
    assert torch.equal(both, each)
    at = CtcTerms(_targets(torch.stack([t, s], dim=1)), z, _values()).label_at_teachers
    assert torch.equal(at[:, 1], label_loss(_targets(), s))


def test_a_student_that_is_the_teacher_loses_nothing_by_frames() -> None:
    z = _logits(15)
    for level, tau in (("frame", 1.0), ("frame", 3.0), ("softmax", 1.0)):
        leaf = z.clone().requires_grad_()
        lost = _terms(leaf, z, level=[level] * 2, temperature=[tau] * 2).teachers
        (gradient,) = torch.autograd.grad(lost.sum(), leaf)
        torch.testing.assert_close(lost, torch.zeros_like(lost), rtol=0, atol=1e-12)
        torch.testing.assert_close(gradient, torch.zeros_like(z), rtol=0, atol=1e-12)


def _of_path(paths: Sequence[Sequence[int]]) -> Tensor:
    """Logits of a teacher whose likeliest symbols these are, (B, T, C)."""
    padded = [[*path, *[1] * (FRAMES - len(path))] for path in paths]
    return 4 * torch.nn.functional.one_hot(torch.tensor(padded), SYMBOLS).to(torch.float64)


def test_by_sequence_a_teacher_that_says_the_labels_is_the_label() -> None:
    paths = ([1, 0, 1, 1, 0, 0, 0], [0, 2, 3, 3, 0, 2], [4, 4, 0], [3, 0, 3, 4, 0, 4], [2])
    assert [_collapse(path) for path in paths] == [list(said) for said in LABELS]
    t, z = _of_path(paths).unsqueeze(0), _logits(16, lanes=1)
    targets = _targets(t.unsqueeze(1), _labels(lanes=1))
    terms = CtcTerms(targets, z, _values(level=["sequence"]))
    assert torch.equal(terms.teacher(0), terms.label)


def test_guided_by_a_teacher_that_says_nothing_is_the_label() -> None:
    t = _of_path([[BLANK] * n for n in LENGTHS]).expand(LANES, -1, -1, -1)
    terms = _terms(_logits(17), t, level=["guided"] * 2)
    assert torch.equal(terms.teacher(0), terms.label)
    by_sequence = _terms(_logits(17), t, level=["sequence"] * 2).teacher(0)
    log_p = _logits(17).log_softmax(3)[..., BLANK]
    wanted = [-log_p[lane, i, : LENGTHS[i]].sum() for lane, i in _pairs()]
    torch.testing.assert_close(by_sequence.flatten(), torch.stack(wanted))


def test_by_frames_labels_say_nothing_but_how_many_they_are() -> None:
    z, t = _logits(18), _logits(19)
    other = _labels(((2, 4), (1, 1, 3), (2,), (1, 2, 3, 4), (4,)))
    for level in ("frame", "softmax"):
        values = _values(level=[level] * 2)
        found, changed = (
            CtcTerms(_targets(t.unsqueeze(1), labels), z, values).teachers
            for labels in (_labels(), other)
        )
        assert torch.equal(found, changed)


def test_a_lane_loses_the_same_beside_lanes_of_other_levels() -> None:
    kinds = [*product(LEVELS, SELECTED)]
    # Not one after the other, so that lanes of a kind are apart.
    kinds = kinds[::2] + kinds[1::2] + kinds[:3]
    lanes, tau = len(kinds), torch.linspace(0.5, 3, len(kinds)).tolist()
    z, t, labels = _logits(20, lanes), _logits(21, lanes), _labels(lanes=lanes)
    words: Mapping[str, Sequence[Value]] = {
        "level": [level for level, _ in kinds], "frames": [frames for _, frames in kinds],
        "temperature": tau,
    }  # fmt: skip

    def lost(at: slice) -> tuple[Tensor, Tensor]:
        """The teacher's term, and the gradient of a mix of both."""
        leaf = z[at].clone().requires_grad_()
        own = _targets(t[at].unsqueeze(1), labels[at])
        terms = CtcTerms(own, leaf, _values(**{name: of[at] for name, of in words.items()}))
        mix = 0.3 * terms.label + 0.7 * terms.teacher(0)
        (gradient,) = torch.autograd.grad(mix.sum(), leaf)
        return terms.teachers, gradient

    together = lost(slice(None))
    for lane in range(lanes):
        at = slice(lane, lane + 1)
        for found, alone in zip(together, lost(at), strict=True):
            assert torch.equal(found[at], alone)


def test_the_gradient_reaches_lanes_of_every_level() -> None:
    z, t = _logits(22, 4), _logits(23, 4)
    labels = _labels(lanes=4)
    values = _values(level=LEVELS, temperature=[1.0] * 4)
    leaf = z.clone().requires_grad_()
    terms = CtcTerms(_targets(t.unsqueeze(1), labels), leaf, values)
    # Read first where there is no gradient, as when a method looks at what is lost.
    with torch.no_grad():
        assert terms.label.isfinite().all()
    first = terms.first(2)
    (gradient,) = torch.autograd.grad(first.sum(), leaf)
    assert (gradient.abs().flatten(1).sum(1) > 0).all()


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_teacher_says_behind_the_end_changes_nothing(level: str) -> None:
    z, t, drawn = _logits(24), _logits(25), torch.Generator().manual_seed(26)
    there = torch.arange(FRAMES) < torch.tensor(LENGTHS).unsqueeze(1)
    other = t.where(there.unsqueeze(2), 50 * torch.randn(t.shape, generator=drawn))
    for frames in SELECTED:
        words = {"level": [level] * 2, "frames": [frames] * 2}
        leaves = [z.clone().requires_grad_() for _ in range(2)]
        found = [
            _terms(leaf, own, **words).first(2)
            for leaf, own in zip(leaves, (t, other), strict=True)
        ]
        assert torch.equal(*found)
        a, b = (torch.autograd.grad(f.sum(), x)[0] for f, x in zip(found, leaves, strict=True))
        assert torch.equal(a, b)
        assert not a[:, ~there].any()


def test_a_part_of_utterances_loses_what_it_does_among_all() -> None:
    z, t = _logits(27), _logits(28).unsqueeze(1)
    whole, at = _targets(t), slice(1, 4)
    part = CtcTerms(whole.part(at), z[:, at], _values())
    torch.testing.assert_close(part.first(2), CtcTerms(whole, z, _values()).first(2)[:, :, at])


# Paths.


def test_paths_are_collapsed_by_hand() -> None:
    paths = torch.tensor([[1, 1, 0, 1], [0, 0, 0, 0], [1, 2, 2, 1], [0, 3, 3, 0], [4, 4, 4, 4]])
    assert [_said(row) for row in collapsed(paths)] == [[1, 1], [], [1, 2, 1], [3], [4]]
    assert spikes(paths)[0].tolist() == [True, False, False, True]


def test_a_best_path_ends_with_its_utterance() -> None:
    z = _logits(29, lanes=1)
    path = best_path(z, torch.tensor([LENGTHS]))
    for i, length in enumerate(LENGTHS):
        assert path[0, i, :length].tolist() == z[0, i, :length].argmax(1).tolist()
        assert not path[0, i, length:].any()
        assert _said(collapsed(path[0, i])) == _collapse(path[0, i].tolist())
