"""Speculative distillation (SKD): the student proposes each token, the teacher replaces those that
it holds for unlikely, and both are compared on what comes of it.

At each place v ~ q; where v is not among the teacher's k likeliest it is drawn from all of p
instead. Then L_i = D(p || q) on that response, tokens that were taken and that were replaced alike.
As training goes on more is taken, so that the responses go over from the teacher's to the
student's by themselves. With k = V nothing is replaced, and it is on-policy distillation.

Source: Xu et al. 2025, arXiv 2410.11325, algorithm 1; not as the released code has it, which tests
other tokens than it keeps. Departure: token by token with two caches, which has the same law as
blocks of five; what the teacher said while it checked is the target of the loss.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.lanes.network import LaneNetwork
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.language.methods.on_policy import PURPOSE, OnPolicy
from trainers.language.methods.teacher_written import network_of
from trainers.language.writing import uniforms, write_corrected
from trainers.method import Setup
from trainers.task import Batch


class Speculative(OnPolicy):
    """The teacher's term on responses that student and teacher write together."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._corrections = [torch_generator(seed, PURPOSE, "teacher") for seed in setup.seeds]
        self._accepted = self._nothing()

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        super().begin_epoch(epoch, student, lr)
        self._accepted = self._nothing()

    def drawn_ahead(self, examples: int) -> Sequence[Tensor]:
        columns, device = self.data.facts.responses, self.data.device
        its = uniforms(self._corrections, examples, columns).to(device)
        return [*super().drawn_ahead(examples), its]

    def written(self, batch: Batch, u: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        numbers, prompts = self.values.numbers, self.data.prompts_of(batch.inputs)
        found = write_corrected(
            self.student,
            (network_of(self.ask), self.prompts.begun(batch.places, prompts)),
            prompts,
            numbers["top_k"],
            (numbers["sampling_temperature"], numbers["teacher_temperature"]),
            (u[0], u[1]),
        )
        tokens = (found.tokens != PADDING).sum((1, 2)) * self._writes
        replaced = found.replaced.sum((1, 2)) * self._writes
        self._accepted.add(100.0 * (tokens - replaced), tokens)
        return found.tokens, found.logits

    def metrics(self) -> Mapping[str, Tensor]:
        return {**super().metrics(), "skd_accepted": self._accepted.value}

    def state(self) -> dict[str, Any]:
        return {**super().state(), "corrections": places(self._corrections)}

    def load_state(self, state: State) -> None:
        super().load_state(state)
        wind(self._corrections, state["corrections"])

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._corrections = [self._corrections[i] for i in lanes.tolist()]
        self._accepted.keep(lanes)
