"""What every network of the task is: one that reads a prompt and its response, and can write on.

L lanes, B examples, P columns of prompts, R of responses, V tokens, H features.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from trainers.lanes.network import LaneNetwork, Output


@dataclass(frozen=True)
class SequenceFacts:
    """What networks are told of the examples: columns of ``prompts``, of ``responses``, the
    ``vocabulary`` V, and the number of what ends a response."""

    prompts: int
    responses: int
    vocabulary: int
    end: int


class LanguageNetwork(LaneNetwork):
    """A network of next tokens over lanes.

    ``forward``: of a prompt and its response (L, B, P + R), `PADDING` before the one and behind the
    other, features (L, B, R, H) and logits (L, B, R, V), those from which each token of the
    response is told: of the column before it.

    ``keeps_prompts``: whether what it makes of a prompt can be kept (`Prompts`).
    """

    facts: SequenceFacts
    keeps_prompts: bool = False

    @abstractmethod
    def forward(self, x: Tensor) -> Output: ...

    @property
    @abstractmethod
    def matrices(self) -> list[str]:
        """The names of the matrices (L, K, D) of its layers, without embeddings and the last
        layer."""

    @abstractmethod
    def begin(self, prompts: Tensor) -> tuple[Tensor, Any]:
        """Read prompts (L, B, P): the logits (L, B, V) of the first token of a response, and what
        `step` needs to go on, a cache."""

    @abstractmethod
    def step(self, tokens: Tensor, cache: Any) -> Tensor:
        """Take tokens (L, B) that come next, which changes ``cache``, to the logits (L, B, V) of
        those that follow. At most R times."""

    def follow(self, tokens: Tensor, cache: Any) -> Tensor:
        """Take tokens (L, B, T) that come next, `PADDING` behind an end, at once: logits
        (L, B, T, V), of each those of what follows it. Where it ``keeps_prompts``."""
        raise NotImplementedError(f"{type(self).__name__} keeps no prompts")

    def kept(self, cache: Any) -> tuple[Tensor, ...]:
        """What of a cache that `begin` gave has to be kept, (L, B, ...) each."""
        raise NotImplementedError(f"{type(self).__name__} keeps no prompts")

    def cache_of(self, kept: tuple[Tensor, ...]) -> Any:
        """A cache, ready for `follow`, of what was kept (L, B, ...)."""
        raise NotImplementedError(f"{type(self).__name__} keeps no prompts")
