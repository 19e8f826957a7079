"""What is lost on responses: the terms, a mean over the tokens of each response.

L lanes, B examples, R columns of responses, V tokens, M teachers, tau and divergence D the lane's.

label     mean over tokens t of CE(y_t, z_t)
teacher   mean over tokens t of tau^2 D(softmax(t_t / tau), softmax(z_t / tau))

The end of a response is one of its tokens; what is behind it counts nothing, nor does a response
without a token.
"""

import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.lanes.values import LaneValues
from trainers.language.divergences import DIVERGENCES, Shape, log_probabilities
from trainers.task import Terms

# Without hyperparameters that say otherwise.
DIVERGENCE, BETA, SKEW, TAU = "fkl", 0.5, 0.1, 1.0


class SequenceTargets:
    """What the terms of some examples read.

    ``tokens`` (L, B, R): the response's, `PADDING` behind its end. ``labelled``: whether these are
    what the prompt should be answered by; of what a student wrote nobody knows. The teachers'
    logits are only fetched where a term asks for them.
    """

    def __init__(
        self, tokens: Tensor, fetch_teachers: Callable[[], Tensor], labelled: bool = True
    ) -> None:
        self.tokens, self.labelled = tokens, labelled
        self._fetch_teachers = fetch_teachers

    @cached_property
    def teachers(self) -> Tensor:
        """The teachers' logits, (L, M, B, R, V)."""
        return self._fetch_teachers()

    def part(self, at: slice) -> "SequenceTargets":
        """Those of some examples alone."""
        return SequenceTargets(self.tokens[:, at], lambda: self.teachers[:, :, at], self.labelled)

    @cached_property
    def share(self) -> Tensor:
        """What every column counts in its response's mean, (L, B, R); 0 where there is no token."""
        there = self.tokens != PADDING
        return there / there.sum(2, keepdim=True).clamp(min=1)


class SequenceTerms(Terms):
    """The terms of responses at logits (L, B, R, V)."""

    def __init__(self, targets: SequenceTargets, z: Tensor, values: LaneValues) -> None:
        self._targets, self._z, self._values = targets, z, values

    def of_label(self) -> Tensor:
        return self.label_rows.sum(2)

    def of_teachers(self) -> Tensor:
        return torch.stack([self.teacher(m) for m in range(self._targets.teachers.shape[1])], dim=1)

    def teacher(self, m: int) -> Tensor:
        return self.teacher_rows(m).sum(2)

    @property
    def label_rows(self) -> Tensor:
        """The label's term token by token, (L, B, R): their sum over R is the term. ValueError of
        what a student wrote itself."""
        return self._of_rows(self._z)

    def teacher_rows(self, m: int, tau: Tensor | None = None) -> Tensor:
        """That of teacher ``m``, (L, B, R); ``tau`` (L, B, R): a temperature for each token in
        place of the lane's."""
        lost = self._divergence(self._targets.teachers[:, m], tau)
        return self._targets.share.to(self._wide) * lost

    @property
    def label_at_teachers(self) -> Tensor:
        each = [self._of_rows(t).sum(2) for t in self._targets.teachers.unbind(1)]
        return torch.stack(each, dim=1)

    @property
    def uninformed(self) -> float:
        return math.log(self._z.shape[-1])

    def _of_rows(self, z: Tensor) -> Tensor:
        if not self._targets.labelled:
            raise ValueError("of a response that a student wrote there is no label")
        tokens = self._targets.tokens.clamp(min=0).unsqueeze(-1)
        lost = -log_probabilities(z).gather(-1, tokens).squeeze(-1)
        return self._targets.share.to(self._wide) * lost

    def _divergence(self, t: Tensor, tau: Tensor | None) -> Tensor:
        """tau^2 D of every column, (L, B, R), each lane by its own."""
        lanes = len(t)
        tau = self._number("temperature", TAU) if tau is None else tau.to(self._wide)
        over = tau.unsqueeze(-1)
        p, q = log_probabilities(t / over), log_probabilities(self._z / over)
        shape = Shape(self._number("beta", BETA), self._number("skew", SKEW))
        words = self._values.words.get("divergence", (DIVERGENCE,) * lanes)
        made = {word: DIVERGENCES[str(word)] for word in dict.fromkeys(words)}
        if len(made) == 1:
            (of,) = made.values()
            return tau.square() * of(p, q, shape)
        parts = [
            made[word](p[i : i + 1], q[i : i + 1], Shape(*(s[i : i + 1] for s in shape)))
            for i, word in enumerate(words)
        ]
        return tau.square() * torch.cat(parts)

    def _number(self, name: str, default: float) -> Tensor:
        """A hyperparameter of every lane, (L, 1, 1)."""
        found = self._values.numbers.get(name)
        if found is None:
            found = torch.full((len(self._z),), default, device=self._z.device)
        return found.to(self._wide).view(-1, 1, 1)

    @property
    def _wide(self) -> torch.dtype:
        """Of all that is computed here: single precision at least."""
        return torch.promote_types(self._z.dtype, torch.float32)
