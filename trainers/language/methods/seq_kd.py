"""Sequence-level distillation: L_i = the label's term, with a response of the teacher's in the
place of the given one.

Source: Kim and Rush 2016, arXiv 1606.07947; one drawn response a prompt, as in public code for
language models. Departure: clean examples that are trained on keep their own responses.
"""

import torch
from torch import Tensor

from trainers.language.data.lanes import SequenceLanes
from trainers.language.methods.on_policy import asked_of
from trainers.language.methods.teacher_written import TeacherWritten
from trainers.language.terms import SequenceTargets
from trainers.method import Method, Setup, Step
from trainers.task import Batch


class SeqKd(Method):
    """The label's term of what the teacher wrote."""

    data: SequenceLanes

    def __init__(self, setup: Setup) -> None:
        """ValueError where there is no teacher that writes."""
        super().__init__(setup)
        self._written = TeacherWritten(self.data, asked_of(setup), setup.seeds)

    def show(self, batch: Batch) -> Batch:
        """Responses of the teacher are what the prompts should be answered by."""
        temperature = self.values.numbers["teacher_temperature"]
        written = self._written.at(batch.places, temperature)
        certain = batch.places >= self.data.size("train") - self.data.certain
        tokens = torch.where(certain.unsqueeze(2), batch.targets.tokens, written)
        prompts = self.data.prompts_of(batch.inputs)
        targets = SequenceTargets(tokens, _nobody)
        inputs = torch.cat([prompts, tokens], dim=2)
        return batch._replace(inputs=inputs, targets=targets, changed=False)

    def losses(self, step: Step) -> Tensor:
        return step.terms.label

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._written.keep(lanes.tolist())


def _nobody() -> Tensor:
    raise ValueError("no teacher is asked about what a teacher wrote")
