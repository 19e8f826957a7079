"""What a teacher makes of the training prompts, kept: of what is written to them it then reads the
new tokens alone.

L lanes, B examples of a batch, N of the training split, R columns of responses, V tokens.
"""

import torch
from torch import Tensor

from trainers.lanes.batches import batch_sizes
from trainers.language.data.lanes import SequenceLanes
from trainers.language.networks.network import LanguageNetwork
from trainers.language.writing import Begun

# Prompts that are read at once.
AT_ONCE = 512
# Bytes that are kept for one lane at most; beyond them prompts are read anew at every step.
MOST_BYTES = 2**28


class Prompts:
    """The teacher of every lane, as it has read each prompt."""

    def __init__(self, data: SequenceLanes, network: LanguageNetwork) -> None:
        self._data, self._network = data, network
        self._kept: tuple[Tensor, ...] | None = None
        self._tried = False

    def begun(self, index: Tensor, prompts: Tensor) -> Begun:
        """Having read the training prompts (L, B, P) at places (L, B): the logits (L, B, V) of the
        first token, and a cache of its own."""
        if not self._tried:
            self._tried = True
            self._kept = self._read()
        if self._kept is None:
            return Begun(*self._network.begin(prompts))
        lane = torch.arange(len(index), device=index.device).unsqueeze(1)
        logits, *of_cache = (t[lane, index] for t in self._kept)
        return Begun(logits, self._network.cache_of(tuple(of_cache)))

    def told(self, index: Tensor, inputs: Tensor) -> Tensor:
        """Logits (L, B, R, V) of the responses to these prompts in inputs (L, B, P + R)."""
        if not self._network.keeps_prompts:
            logits: Tensor = self._network(inputs).logits
            return logits
        first, cache = self.begun(index, self._data.prompts_of(inputs))
        tokens = inputs[:, :, self._data.facts.prompts : -1]
        if not tokens.shape[2]:
            return first.unsqueeze(2)
        after = self._network.follow(tokens.clamp(min=0), cache)
        return torch.cat([first.unsqueeze(2), after], dim=2)

    def keep(self, lanes: Tensor) -> None:
        """Cut it down to ``lanes`` (indices)."""
        if self._kept is not None:
            self._kept = tuple(t[lanes] for t in self._kept)

    @torch.no_grad()
    def _read(self) -> tuple[Tensor, ...] | None:
        """Logits and parts of caches (L, N, ...), where that is not too much."""
        if not self._network.keeps_prompts:
            return None
        n = self._data.size("train")
        every = torch.arange(n, device=self._data.device).expand(self._data.lanes, -1)
        prompts = self._data.prompts_of(self._data.inputs_of("train", every))
        parts: list[list[Tensor]] = []
        for part in torch.split(prompts, batch_sizes(n, AT_ONCE), dim=1):
            logits, cache = self._network.begin(part)
            read = [logits, *self._network.kept(cache)]
            of_example = sum(t[0, 0].numel() * t.element_size() for t in read)
            if of_example * n > MOST_BYTES:
                return None
            parts.append(read)
        return tuple(torch.cat(list(of), dim=1) for of in zip(*parts, strict=True))
