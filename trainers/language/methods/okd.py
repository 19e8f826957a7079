"""Online distillation (OKD): a small module in the teacher learns beside the student.

L lanes, B examples, r rank of the module in each matrix of the teacher's layers (K, D).

p_w   the teacher with W + U A in the place of each matrix W: U (K, r) zero at first, A (r, D)
L_S   (1 - alpha) CE(y, q) + alpha D(p_w || q), by the student's optimizer; p_w fixed
L_T   CE(y, p_w) + gamma KL(q || p_w), by Adam on the modules alone; q fixed

Both steps are taken from the parameters before the step; nobody writes. What is trained of the
teacher is pulled to the labels, and to the student that hears it, so that its advice is within
reach.

The paper (arXiv 2409.12512) could be had as its abstract alone, and no code of its authors was
found: an online module, trained concurrently with the student, no sampling. The losses, the form
of the module and all defaults are a reading of that, and ours.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainers.lanes.adam import LaneAdam
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, numbered
from trainers.language.data.lanes import SequenceLanes
from trainers.language.methods.on_policy import PLAIN, Means, asked_of
from trainers.language.methods.teacher_written import network_of
from trainers.language.networks.network import LanguageNetwork
from trainers.language.terms import SequenceTargets, SequenceTerms
from trainers.method import Method, Setup, Step

# Room for the rank of every lane: a product does not change with the ranks of other lanes.
MOST_RANK = 8


class Online(Method):
    """A fixed mix with a teacher whose module learns."""

    data: SequenceLanes

    def __init__(self, setup: Setup) -> None:
        """ValueError where there is no teacher that can be trained on."""
        super().__init__(setup)
        self._ask = asked_of(setup)
        self._teacher: LanguageNetwork = network_of(self._ask)
        self._matrices = self._teacher.matrices
        ranks = [int(rank) for rank in self.values.numbers["rank"].tolist()]
        self._module = _Module(self._teacher, self._matrices, ranks, setup.seeds)
        self._module.to(self.data.device)
        lr = self.values.numbers["module_lr"]
        self._steps = LaneAdam(list(self._module.parameters()), lr, decay=0.0)
        # Gradients of the modules by the parts of a batch so far, and how many examples each had.
        self._gathered: list[tuple[list[Tensor], int]] = []
        self._shift, self._gap = self._nothing(), self._nothing()

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        self._shift, self._gap = self._nothing(), self._nothing()

    def losses(self, step: Step) -> Tensor:
        adapted = self._adapted(step.batch.inputs)
        told = adapted.logits.detach()
        targets: SequenceTargets = step.batch.targets
        moved = SequenceTargets(targets.tokens, lambda: told.unsqueeze(1))
        terms = self.data.terms(moved, step.output, self.values)
        self._learn(adapted, step)
        self._note(targets, told, step.output)
        alpha = self.values.numbers["alpha"].view(-1, 1)
        return (1 - alpha) * step.terms.label + alpha * terms.teacher(0)

    def end_step(self, student: LaneNetwork) -> None:
        """One step of the modules."""
        parts, self._gathered = self._gathered, []
        gradients = parts[0][0]
        if len(parts) > 1:
            examples = sum(count for _, count in parts)
            weighted = [[g * (count / examples) for g in each] for each, count in parts]
            gradients = [torch.stack(of_one).sum(0) for of_one in zip(*weighted, strict=True)]
        lanes = torch.arange(self.data.lanes, device=self.data.device)
        self._steps.step(gradients, lanes)

    def metrics(self) -> Mapping[str, Tensor]:
        return {"okd_shift": self._shift.value, "okd_gap": self._gap.value}

    def state(self) -> dict[str, Any]:
        return {
            "module": numbered([p.detach() for p in self._module.parameters()]),
            "steps": self._steps.state(),
        }

    @torch.no_grad()
    def load_state(self, state: State) -> None:
        parameters = self._module.parameters()
        for parameter, kept in zip(parameters, state["module"].values(), strict=True):
            parameter.copy_(kept)
        self._steps.load_state(state["steps"])

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._steps.keep(lanes)
        self._shift.keep(lanes)
        self._gap.keep(lanes)

    def _nothing(self) -> Means:
        return Means(self.data.lanes, self.data.device)

    def _adapted(self, inputs: Tensor) -> Output:
        """What the teacher says with its module, with the graph that leads to that."""
        fixed = {
            **dict(self._teacher.named_parameters()),
            **dict(self._teacher.named_buffers()),
        }
        fixed = {name: t.detach() for name, t in fixed.items()}
        changed = self._module.added(fixed)
        output: Output = functional_call(self._teacher, {**fixed, **changed}, (inputs,))
        return output

    def _learn(self, adapted: Output, step: Step) -> None:
        """Gather the gradients of the modules."""
        words = self.values.words["teacher_loss"]
        of_label, of_student = (
            torch.tensor([float(word in (only, "both")) for word in words]).to(adapted.logits)
            for only in ("label", "student")
        )
        q = step.output.logits.detach()
        towards = SequenceTargets(step.batch.targets.tokens, lambda: q.unsqueeze(1))
        terms = SequenceTerms(towards, adapted.logits, PLAIN)
        gamma = self.values.numbers["gamma"] * of_student
        lost = of_label.view(-1, 1) * terms.label + gamma.view(-1, 1) * terms.teacher(0)
        parameters = list(self._module.parameters())
        gradients = torch.autograd.grad(lost.mean(1).sum(), parameters)
        self._gathered.append((list(gradients), lost.shape[1]))

    @torch.no_grad()
    def _note(self, targets: SequenceTargets, told: Tensor, output: Output) -> None:
        shift = SequenceTerms(targets, told, PLAIN).teacher(0)
        moved = SequenceTargets(targets.tokens, lambda: told.unsqueeze(1))
        gap = SequenceTerms(moved, output.logits, PLAIN).teacher(0)
        count = torch.full((len(gap),), gap.shape[1])
        self._shift.add(shift.sum(1), count)
        self._gap.add(gap.sum(1), count)


class _Module(nn.Module):
    """U and A of every matrix, (L, K, r) and (L, r, D)."""

    def __init__(
        self, teacher: LanguageNetwork, names: list[str], ranks: list[int], seeds: tuple[int, ...]
    ) -> None:
        super().__init__()
        self._names = names
        generators = [torch_generator(seed, "okd", "module") for seed in seeds]
        lanes = len(ranks)
        for number, name in enumerate(names):
            _, outputs, inputs = teacher.get_parameter(name).shape
            bound = 1 / math.sqrt(inputs)
            drawn = torch.stack(
                [
                    torch.empty(MOST_RANK, inputs).uniform_(-bound, bound, generator=g)
                    for g in generators
                ]
            )
            for lane, rank in enumerate(ranks):
                # Rows beyond its rank: as U's columns are zero, so are all gradients of both.
                drawn[lane, rank:] = 0
            zero = torch.zeros(lanes, outputs, MOST_RANK)
            self.register_parameter(f"up_{number}", nn.Parameter(zero))
            self.register_parameter(f"down_{number}", nn.Parameter(drawn))

    def added(self, matrices: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """W + U A by name."""
        return {
            name: matrices[name]
            + self.get_parameter(f"up_{number}") @ self.get_parameter(f"down_{number}")
            for number, name in enumerate(self._names)
        }
