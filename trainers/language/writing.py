"""Responses written token by token: greedily, drawn, or drawn by a student and corrected by its
teacher.

L lanes, B prompts of P columns, R columns of responses, V tokens.

Whatever is drawn is drawn ahead, for all R columns of all prompts, from generators of each lane's
own: neither other lanes nor responses that end early move a stream. All writing goes through the
same cached steps, so that a response does not depend on why it is written. A token is drawn by a
uniform number u as the first at which the cumulated probability is over u.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.language.networks.network import LanguageNetwork


class Begun(NamedTuple):
    """A network that has read prompts: the logits (L, B, V) of the first token, and its cache."""

    logits: Tensor
    cache: Any


class Corrected(NamedTuple):
    """What a student wrote under its teacher: ``tokens`` (L, B, R); where the teacher ``replaced``
    one (L, B, R); the teacher's ``logits`` (L, B, R, V) of every token, at the prefix that is
    there."""

    tokens: Tensor
    replaced: Tensor
    logits: Tensor


def uniforms(generators: Sequence[torch.Generator], examples: int, columns: int) -> Tensor:
    """Numbers in [0, 1), one generator a lane: ``(L, examples, columns)`` in float64, on the
    CPU."""
    return torch.stack(
        [torch.rand(examples, columns, generator=g, dtype=torch.float64) for g in generators]
    )


def drawn(logits: Tensor, u: Tensor, temperature: Tensor) -> Tensor:
    """A token of each row: logits (L, B, V), u (L, B), temperatures (L,) to (L, B). At temperature
    0 the likeliest."""
    likeliest = logits.argmax(-1)
    if not bool((temperature > 0).any()):
        return likeliest
    tau = temperature.to(torch.float64).view(-1, 1, 1)
    p = torch.softmax(logits.double() / tau.where(tau > 0, 1.0), dim=-1)
    reached = p.cumsum(-1)
    # Times the total: a number below 1 then never points past the last token of some probability.
    found = (reached <= (u * reached[..., -1]).unsqueeze(-1)).sum(-1)
    found = found.clamp(max=logits.shape[-1] - 1)
    return torch.where(temperature.view(-1, 1) > 0, found, likeliest)


def among_top(logits: Tensor, tokens: Tensor, k: Tensor) -> Tensor:
    """Whether tokens (L, B) are among the k (L,) likeliest by logits (L, B, V); of equal ones those
    with lower numbers."""
    own = logits.gather(-1, tokens.unsqueeze(-1))
    number = torch.arange(logits.shape[-1], device=logits.device)
    before = (logits > own) | ((logits == own) & (number < tokens.unsqueeze(-1)))
    return before.sum(-1) < k.view(-1, 1)


@torch.no_grad()
def write(
    network: LanguageNetwork, prompts: Tensor, temperature: Tensor, u: Tensor | None = None
) -> Tensor:
    """Responses (L, B, R) to prompts (L, B, P), `PADDING` behind their ends.

    ``temperature``: of every lane, (L,); ``u`` (L, B, R) may be left out where all are 0.
    """
    logits, cache = network.begin(prompts)
    lanes, examples, _ = prompts.shape
    written = _Written(lanes, examples, network, logits.device)
    nothing = torch.zeros(lanes, examples, dtype=torch.float64, device=logits.device)
    for column in range(network.facts.responses):
        token = drawn(logits, nothing if u is None else u[:, :, column], temperature)
        if written.take(column, token):
            break
        logits = network.step(token, cache)
    return written.tokens


@torch.no_grad()
def write_corrected(
    student: LanguageNetwork,
    teacher: tuple[LanguageNetwork, Begun],
    prompts: Tensor,
    k: Tensor,
    temperatures: tuple[Tensor, Tensor],
    u: tuple[Tensor, Tensor],
) -> Corrected:
    """As `write`, but a token that is not among the teacher's ``k`` (L,) likeliest is replaced by
    one that the teacher draws from its whole distribution.

    ``teacher``: with what it has made of the prompts. ``temperatures`` (L,) and ``u`` (L, B, R): of
    the student's draws and of the teacher's. The next token then has the distribution
    q(v) [v in A] + (1 - q(A)) p(v), A the k likeliest.
    Source: Xu et al. 2025 (arXiv 2410.11325), algorithm 1, token by token.
    """
    said, cache = student.begin(prompts)
    network, (known, its_cache) = teacher
    lanes, examples, _ = prompts.shape
    columns = student.facts.responses
    written = _Written(lanes, examples, student, said.device)
    replaced = torch.zeros(lanes, examples, columns, dtype=torch.bool, device=said.device)
    logits = known.new_zeros(lanes, examples, columns, known.shape[-1])
    for column in range(columns):
        proposed = drawn(said, u[0][:, :, column], temperatures[0])
        corrected = drawn(known, u[1][:, :, column], temperatures[1])
        taken = among_top(known, proposed, k)
        token = torch.where(taken, proposed, corrected)
        logits[:, :, column] = known
        replaced[:, :, column] = ~taken
        if written.take(column, token):
            break
        said, known = student.step(token, cache), network.step(token, its_cache)
    return Corrected(written.tokens, replaced & (written.tokens != PADDING), logits)


class _Written:
    """Responses so far."""

    def __init__(
        self, lanes: int, examples: int, network: LanguageNetwork, device: torch.device
    ) -> None:
        shape = (lanes, examples, network.facts.responses)
        self.tokens = torch.full(shape, PADDING, dtype=torch.int64, device=device)
        self._end = network.facts.end
        self._over = torch.zeros(lanes, examples, dtype=torch.bool, device=device)

    def take(self, column: int, token: Tensor) -> bool:
        """Put the tokens (L, B) of a column where no end was before; whether all have ended."""
        self.tokens[:, :, column] = token.masked_fill(self._over, PADDING)
        self._over |= token == self._end
        return bool(self._over.all()) or column + 1 == self.tokens.shape[2]
