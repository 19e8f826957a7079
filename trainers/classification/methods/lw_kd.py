"""LW-KD: a fixed mix of label and teacher, and outputs that cannot be told from the teacher's.

L lanes, B examples of a batch, C classes, H hidden units.

z, t   logits of the student, and of the teacher for the same example         (L, B, C)
p      softmax(z / tau), what the discriminator sees of the student; of the teacher softmax(t / tau)
D      the discriminator C-H-1, ReLU between: its logit that p is the teacher's   (L, B)
L_i    (1 - alpha) CE(y_i, z_i) + alpha KD(t_i, z_i) + beta softplus(-D(p_i))

In every step D first takes one step of Adam down the mean of softplus(-D(teacher)) +
softplus(D(student)), in which the student stands still; then the student steps, in whose last term
D stands still. The gradient of that term raises D at the student's outputs: the loss of a
generator in its form that does not saturate (Goodfellow et al. 2014, arXiv 1406.2661).

Source: Liu et al. 2020, arXiv 2005.09163, of which no more than the abstract could be had, and no
code: a light teacher, trained on a made-up simple set with as many classes as the data, guides the
student by distillation and by an adversarial loss that makes its outputs indistinguishable from the
teacher's. The form of every term, D, its size and optimizer, what it sees, when it steps, all
defaults and ranges are ours. The light teacher is `trainers.classification.data.light_sets` and
`trainers.classes.teacher_logits`; the method takes any teacher.

With beta 0 this is fixed-alpha distillation, and with a light teacher then label smoothing by
class: KD is linear in the teacher's probabilities, so that over the draws the target of an example
is the mean of what the teacher says of its class.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.classes.lanes import ClassLanes
from trainers.classes.losses import softmax
from trainers.lanes.adam import LaneAdam
from trainers.lanes.layers import Linear, affine
from trainers.lanes.network import LaneNetwork
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State
from trainers.method import Setup, Step
from trainers.mixing.fixed_kd import FixedKd

HIDDEN = 64  # units of the discriminator


class Discriminator(nn.Module):
    """The logit that probabilities are the teacher's: ``(L, B, C) -> (L, B)``."""

    def __init__(self, classes: int, seeds: tuple[int, ...]) -> None:
        super().__init__()
        generators = [torch_generator(seed, "lw_kd", "discriminator") for seed in seeds]
        self.hidden = Linear(classes, HIDDEN, generators)
        self.out = Linear(HIDDEN, 1, generators)

    def forward(self, p: Tensor) -> Tensor:
        return affine(self.out, affine(self.hidden, p.mT.contiguous()).relu()).squeeze(1)


def passes_for_teacher(d: Tensor) -> Tensor:
    """softplus(-d), how surely the logits d are not those of a teacher; the other way round of -d.

    By `logsigmoid`: torch's softplus rounds the last elements of a tensor unlike those before them.
    """
    return -functional.logsigmoid(d)


class LwKd(FixedKd):
    """Fixed-alpha distillation with an adversarial term."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        assert isinstance(setup.data, ClassLanes)
        self.discriminator = Discriminator(setup.data.classes, setup.seeds).to(self.data.device)
        lr = self.values.numbers["discriminator_lr"]
        self._adam = LaneAdam(list(self.discriminator.parameters()), lr, 0.0)
        self._lanes = self._with_weight()
        # Of the epoch so far: outputs that were told right, and all.
        self._right, self._seen = torch.zeros_like(lr), torch.zeros_like(lr)

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        self._right, self._seen = torch.zeros_like(self._right), torch.zeros_like(self._seen)

    def losses(self, step: Step) -> Tensor:
        mixed = super().losses(step)
        if not len(self._lanes):
            return mixed
        beta = self.values.numbers["adversarial_weight"].view(-1, 1)
        tau = self.values.numbers["temperature"].view(-1, 1, 1)
        p = softmax(step.output.logits / tau)
        self._step_discriminator(softmax(step.batch.targets.teachers[:, 0] / tau), p.detach())
        return mixed + beta * passes_for_teacher(self.discriminator(p))

    def metrics(self) -> Mapping[str, Tensor]:
        return {"discriminator_accuracy": 100 * self._right / self._seen}

    def state(self) -> dict[str, Any]:
        return {
            "discriminator": dict(self.discriminator.named_parameters()),
            "adam": self._adam.state(),
        }

    @torch.no_grad()
    def load_state(self, state: State) -> None:
        for name, p in self.discriminator.named_parameters():
            p.copy_(state["discriminator"][name])
        self._adam.load_state(state["adam"])

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._adam.keep(lanes)
        self._lanes = self._with_weight()
        self._right, self._seen = self._right[lanes], self._seen[lanes]

    def _with_weight(self) -> Tensor:
        """The lanes, as indices, in which the adversarial term has weight."""
        return self.values.numbers["adversarial_weight"].nonzero().squeeze(1)

    def _step_discriminator(self, teacher: Tensor, student: Tensor) -> None:
        """One step where the adversarial term has weight, on probabilities (L, B, C)."""
        lanes = self._lanes
        with torch.enable_grad():
            of_teacher, of_student = self.discriminator(teacher), self.discriminator(student)
            loss = passes_for_teacher(of_teacher) + passes_for_teacher(-of_student)
            total = loss.mean(1).sum()
        gradients = torch.autograd.grad(total, list(self.discriminator.parameters()))
        self._adam.step([gradient[lanes] for gradient in gradients], lanes)
        right = (of_teacher > 0).sum(1) + (of_student < 0).sum(1)
        self._right[lanes] += right[lanes]
        self._seen[lanes] += 2 * loss.shape[1]
