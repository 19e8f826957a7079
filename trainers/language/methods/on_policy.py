"""Distillation on what the student writes (GKD): L_i = D(p || q) on its own responses in a share of
the steps, and on fixed ones in the others.

L lanes, B examples of a batch, N of the training split, R columns of responses.

Before each step every lane draws u from U(0, 1); where u < on_policy its student answers the
prompts of the batch, token by token, and both networks are compared on that. No gradient flows
through the writing. The labels come in as prefixes of fixed responses alone, and where on_policy is
1 they are never read. Fixed responses are those of the data or, with ``fixed_data: teacher``, one
that the teacher wrote to each prompt before training.

Source: Agarwal et al. 2024, arXiv 2306.13649, algorithm 1; a coin a step, as there. With on_policy
0 and fkl it is distillation on fixed data, with 1 on-policy distillation; the divergence is at
temperature 1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainers.lanes.network import LaneNetwork
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.lanes.values import LaneValues
from trainers.language.data.lanes import SequenceLanes
from trainers.language.methods.prompts import Prompts
from trainers.language.methods.teacher_written import TeacherWritten, network_of
from trainers.language.networks.network import LanguageNetwork
from trainers.language.terms import SequenceTargets, SequenceTerms
from trainers.language.writing import uniforms, write
from trainers.method import Method, Setup, Step
from trainers.task import Batch, Teachers

# Names the random streams.
PURPOSE = "writing"
# The divergence of teacher and student without hyperparameters: KL(p || q).
PLAIN = LaneValues({}, {})


class Means:
    """Means over an epoch, of every lane, by name; NaN where there was nothing."""

    def __init__(self, lanes: int, device: torch.device) -> None:
        self._sums = torch.zeros(2, lanes, device=device)

    def add(self, sums: Tensor, counts: Tensor) -> None:
        """Take in sums (L,) over so many (L,)."""
        self._sums = self._sums + torch.stack([sums.to(self._sums), counts.to(self._sums)])

    @property
    def value(self) -> Tensor:
        return self._sums[0] / self._sums[1]

    def keep(self, lanes: Tensor) -> None:
        self._sums = self._sums[:, lanes]


class OnPolicy(Method):
    """The teacher's term, on responses of which the student writes a share itself."""

    data: SequenceLanes

    def __init__(self, setup: Setup) -> None:
        """ValueError where there is no teacher to ask about what is written."""
        super().__init__(setup)
        self.ask = asked_of(setup)
        assert isinstance(setup.student, LanguageNetwork)
        self.student = setup.student
        self._coins = [torch_generator(seed, PURPOSE, "coin") for seed in setup.seeds]
        self._draws = [torch_generator(seed, PURPOSE, "student") for seed in setup.seeds]
        self.prompts = Prompts(self.data, network_of(self.ask))
        self._teacher_written = TeacherWritten(self.data, self.ask, setup.seeds)
        self._writes = torch.zeros(self.data.lanes, dtype=torch.bool, device=self.data.device)
        self._gap = self._nothing()

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        self._gap = self._nothing()

    def show(self, batch: Batch) -> Batch:
        coin = torch.stack([torch.rand((), generator=g) for g in self._coins])
        # Drawn whether they are used or not, so that no hyperparameter moves a stream.
        u = self.drawn_ahead(batch.places.shape[1])
        self._writes = coin.to(self.data.device) < self.values.numbers["on_policy"]
        batch = self._fixed(batch)
        if not bool(self._writes.any()):
            return batch
        tokens, logits = self.written(batch, u)
        return self._merged(batch, tokens, logits, self._writes)

    def drawn_ahead(self, examples: int) -> Sequence[Tensor]:
        """The uniform numbers of a batch, (L, B, R) each."""
        return [uniforms(self._draws, examples, self.data.facts.responses).to(self.data.device)]

    def written(self, batch: Batch, u: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """What the student answers (L, B, R), and the teacher's logits for it, where they are known
        already."""
        prompts = self.data.prompts_of(batch.inputs)
        return write(self.student, prompts, self.values.numbers["sampling_temperature"], u[0]), None

    def losses(self, step: Step) -> Tensor:
        with torch.no_grad():
            plain = SequenceTerms(step.batch.targets, step.output.logits, PLAIN).teacher(0)
            examples = plain.shape[1] * self._writes
            self._gap.add(plain.sum(1) * self._writes, examples)
        return step.terms.teacher(0)

    def metrics(self) -> Mapping[str, Tensor]:
        return {"teacher_gap": self._gap.value}

    def state(self) -> dict[str, Any]:
        return {"coins": places(self._coins), "draws": places(self._draws)}

    def load_state(self, state: State) -> None:
        wind(self._coins, state["coins"])
        wind(self._draws, state["draws"])

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        chosen = lanes.tolist()
        self._coins = [self._coins[i] for i in chosen]
        self._draws = [self._draws[i] for i in chosen]
        self._writes = self._writes[lanes]
        self._gap.keep(lanes)
        self._teacher_written.keep(chosen)
        self.prompts.keep(lanes)

    @torch.no_grad()
    def _told(self, index: Tensor, inputs: Tensor) -> Tensor:
        """What the teacher says (L, B, R, V) of responses to the training prompts at places
        (L, B)."""
        return self.prompts.told(index, inputs)

    def _nothing(self) -> Means:
        return Means(self.data.lanes, self.data.device)

    def _fixed(self, batch: Batch) -> Batch:
        """The fixed responses of each lane: the data's, or the teacher's."""
        words = self.values.words.get("fixed_data", ("given",) * self.data.lanes)
        theirs = torch.tensor([word == "teacher" for word in words], device=self.data.device)
        if not bool(theirs.any()):
            return batch
        tokens = self._teacher_written.at(batch.places, torch.ones_like(self._writes).float())
        return self._merged(batch, tokens, None, theirs)

    def _merged(self, batch: Batch, tokens: Tensor, logits: Tensor | None, lanes: Tensor) -> Batch:
        """``batch`` with responses (L, B, R) in the chosen lanes (L,), about which teachers are
        asked, unless their logits (L, B, R, V) are known."""
        chosen = lanes.view(-1, 1, 1)
        old: SequenceTargets = batch.targets
        prompts = self.data.prompts_of(batch.inputs)
        inputs = torch.where(chosen, torch.cat([prompts, tokens], dim=2), batch.inputs)

        def teachers() -> Tensor:
            known = self._told(batch.places, inputs) if logits is None else logits
            known = known.unsqueeze(1).to(torch.get_default_dtype())
            if bool(lanes.all()):
                return known
            # Other lanes have what was kept for them: it is the same to the last bit alone.
            return torch.where(lanes.view(-1, 1, 1, 1, 1), known, old.teachers)

        targets = SequenceTargets(torch.where(chosen, tokens, old.tokens), teachers, labelled=False)
        return batch._replace(inputs=inputs, targets=targets)


def asked_of(setup: Setup) -> Teachers:
    """The teachers; ValueError where there are none to be asked."""
    if setup.ask is None:
        raise ValueError("the teacher is asked about what is written; give its network")
    return setup.ask
