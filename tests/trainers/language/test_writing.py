"""Writing: the law of what is drawn, streams that nobody else moves."""

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from tests.trainers.language.cases import decoder, sums, teacher
from trainers.data.tokenizer import PADDING
from trainers.language.data.lanes import facts_of
from trainers.language.networks.decoder import Decoder
from trainers.language.writing import (
    Begun,
    Corrected,
    among_top,
    drawn,
    uniforms,
    write,
    write_corrected,
)

FACTS = facts_of(sums())
V, DRAWS = 5, 20_000


def _generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _prompts(n: int = 12, lanes: int = 1) -> Tensor:
    return torch.as_tensor(sums().prompts[:n]).long().expand(lanes, -1, -1)


def _corrected(
    network: Decoder, adviser: Decoder, k: Tensor, u: tuple[Tensor, Tensor]
) -> Corrected:
    prompts, one = _prompts(), torch.ones(1)
    begun = Begun(*adviser.begin(prompts))
    return write_corrected(network, (adviser, begun), prompts, k, (one, one), u)


def _law(tokens: Tensor, wanted: Tensor) -> float:
    counts = torch.bincount(tokens.flatten(), minlength=V).double()
    return float(chisquare(counts.numpy(), (wanted * counts.sum()).numpy()).pvalue)


def test_tokens_have_the_probabilities_that_they_are_drawn_with() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5]).expand(1, DRAWS, V)
    u = uniforms(_generators(0), DRAWS, 1)[:, :, 0]
    for tau in (1.0, 0.5):
        found = drawn(logits, u, torch.tensor([tau]))
        assert _law(found, torch.softmax(logits[0, 0].double() / tau, 0)) > 1e-3
    assert (drawn(logits, u, torch.zeros(1)) == 3).all()


@pytest.mark.parametrize("k", [0, 1, 2, 4, V])
def test_a_corrected_token_has_the_law_of_the_paper(k: int) -> None:
    q_logits = torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5]).expand(1, DRAWS, V)
    p_logits = torch.tensor([0.0, 1.5, 1.0, -1.0, 0.3]).expand(1, DRAWS, V)
    generators = _generators(1, 2)
    u, w = (uniforms([g], DRAWS, 1)[:, :, 0] for g in generators)
    one, many = torch.ones(1), torch.tensor([k])
    proposed = drawn(q_logits, u, one)
    taken = among_top(p_logits, proposed, many)
    found = torch.where(taken, proposed, drawn(p_logits, w, one))
    q, p = (torch.softmax(z[0, 0].double(), 0) for z in (q_logits, p_logits))
    among = torch.zeros(V, dtype=torch.float64)
    among[p.argsort(descending=True)[:k]] = 1.0
    law = q * among + (1 - (q * among).sum()) * p
    assert _law(found, law) > 1e-3
    assert float(taken.double().mean()) == pytest.approx(float((q * among).sum()), abs=0.02)


def test_of_equal_tokens_as_many_are_among_the_likeliest_as_asked() -> None:
    logits = torch.zeros(1, V, V)
    tokens = torch.arange(V).unsqueeze(0)
    for k in range(V + 1):
        assert int(among_top(logits, tokens, torch.tensor([k])).sum()) == k


def test_with_all_tokens_allowed_it_is_on_policy_writing() -> None:
    network, adviser = decoder(FACTS), teacher(FACTS, "strong")
    u, w = (uniforms(_generators(s), 12, FACTS.responses) for s in (3, 4))
    one = torch.ones(1)
    every = torch.tensor([FACTS.vocabulary])
    found = _corrected(network, adviser, every, (u, w))
    assert torch.equal(found.tokens, write(network, _prompts(), one, u))
    assert not found.replaced.any()
    none = _corrected(network, adviser, torch.tensor([0]), (u, w))
    assert torch.equal(none.tokens, write(adviser, _prompts(), one, w))
    assert torch.equal(none.replaced, none.tokens != PADDING)


def test_replaced_tokens_are_the_teachers_and_its_logits_are_of_these_prefixes() -> None:
    network, adviser, prompts = decoder(FACTS), teacher(FACTS, "strong"), _prompts()
    u, w = (uniforms(_generators(s), 12, FACTS.responses) for s in (5, 6))
    one, k = torch.ones(1), torch.tensor([2])
    found = _corrected(network, adviser, k, (u, w))
    inputs = torch.cat([prompts, found.tokens], 2)
    scored = adviser(inputs).logits
    there = found.tokens != PADDING
    assert (found.logits - scored)[there].abs().max() < 1e-4
    for column in range(FACTS.responses):
        tokens = found.tokens[:, :, column].clamp(min=0)
        taken = there[:, :, column] & ~found.replaced[:, :, column]
        assert among_top(found.logits[:, :, column], tokens, k)[taken].all()
        its = drawn(found.logits[:, :, column], w[:, :, column], one)
        replaced = found.replaced[:, :, column]
        assert torch.equal(its[replaced], tokens[replaced])


def test_other_lanes_and_other_lengths_move_no_stream() -> None:
    together, alone = decoder(FACTS, seeds=(0, 7, 1)), decoder(FACTS, seeds=(7,))
    u = uniforms(_generators(0, 1, 2), 12, FACTS.responses)
    one = torch.ones(3)
    written = write(together, _prompts(lanes=3), one, u)
    assert torch.equal(written[1], write(alone, _prompts(), one[:1], u[1:2])[0])


def test_nothing_stands_behind_an_end() -> None:
    network = decoder(FACTS)
    u = uniforms(_generators(8), 12, FACTS.responses)
    written = write(network, _prompts(), 2 * torch.ones(1), u)[0]
    for row in written.tolist():
        if FACTS.end in row:
            behind = row[row.index(FACTS.end) + 1 :]
            assert set(behind) <= {PADDING}
        else:
            assert PADDING not in row
    assert any(FACTS.end in row for row in written.tolist())


def test_a_cold_student_writes_greedily() -> None:
    network = decoder(FACTS)
    u = uniforms(_generators(9), 12, FACTS.responses)
    greedy = write(network, _prompts(), torch.zeros(1))
    assert torch.equal(write(network, _prompts(), torch.tensor([1e-6]), u), greedy)
