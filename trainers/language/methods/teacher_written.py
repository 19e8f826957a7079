"""One response of the teacher's own to every prompt of the training split, written once.

L lanes, N examples of the training split, R columns of responses.

Kim and Rush 2016 (arXiv 1606.07947) take the likeliest responses, by beam search; here they are
drawn, as in public code for language models, or at temperature 0 greedy.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainers.lanes.batches import batch_sizes
from trainers.lanes.seeds import torch_generator
from trainers.language.data.lanes import SequenceLanes
from trainers.language.networks.network import LanguageNetwork
from trainers.language.writing import uniforms, write
from trainers.task import Teachers

PURPOSE = "teacher written"
# Prompts that are answered at once.
AT_ONCE = 512


class TeacherWritten:
    """The responses, from when they are first asked for."""

    def __init__(self, data: SequenceLanes, ask: Teachers, seeds: Sequence[int]) -> None:
        self._data, self._ask = data, ask
        self._seeds = list(seeds)
        self._tokens: Tensor | None = None

    def at(self, index: Tensor, temperature: Tensor) -> Tensor:
        """Those to training prompts at places (L, B), drawn at temperatures (L,): (L, B, R)."""
        if self._tokens is None:
            self._tokens = self._written(temperature)
        return self._tokens.gather(1, index.unsqueeze(2).expand(-1, -1, self._tokens.shape[2]))

    def keep(self, lanes: Sequence[int]) -> None:
        """Cut them down to ``lanes`` (indices)."""
        self._seeds = [self._seeds[i] for i in lanes]
        if self._tokens is not None:
            self._tokens = self._tokens[list(lanes)]

    def _written(self, temperature: Tensor) -> Tensor:
        generators = [torch_generator(seed, PURPOSE) for seed in self._seeds]
        n, device = self._data.size("train"), self._data.device
        u = uniforms(generators, n, self._data.facts.responses).to(device)
        every = torch.arange(n, device=device).expand(len(self._seeds), -1)
        prompts = self._data.prompts_of(self._data.inputs_of("train", every))
        sizes, network = batch_sizes(n, AT_ONCE), network_of(self._ask)
        parts = zip(torch.split(prompts, sizes, dim=1), torch.split(u, sizes, dim=1), strict=True)
        return torch.cat([write(network, part, temperature, of) for part, of in parts], dim=1)


def network_of(ask: Teachers) -> LanguageNetwork:
    """The only teacher of every lane, which can write."""
    network = ask.network(0)
    assert isinstance(network, LanguageNetwork)
    return network
