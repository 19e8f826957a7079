"""What is lost on examples whose classes come task by task.

L lanes, B examples, C classes, of which `new` come in the task and `old` came before; z, t logits
of student and teacher, z_new and z_old those of these classes; tau the lane's temperature.

label     CE(y, z_new): among the classes of the task alone; with ``joint`` among all so far
teacher   by ``kd_form``:
  global    tau^2 KL(softmax(t_old / tau) || softmax(z_old / tau)): LwF's
  tasks     the sum over the tasks before of that among the classes of each
  sigmoid   the sum over the old classes of the binary cross-entropy of sigmoid(t) and sigmoid(z)

Source: arXiv 2308.09544 and its authors' public code; Li and Hoiem 2017 (LwF, arXiv 1606.09282);
sigmoid: as LwF.MC of Rebuffi et al. 2017 (iCaRL, arXiv 1611.07725), of the old classes alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.classes.losses import cross_entropy, distillation
from trainers.classes.terms import ClassTargets, temperature
from trainers.lanes.network import Output
from trainers.lanes.values import LaneValues
from trainers.task import Part, SumOfTerms, Terms

KD_FORM, RHO = "kd_form", "rho"


@dataclass(frozen=True)
class Shown:
    """The classes of a phase, lane by lane: those of the task (L, new), with ``joint`` all so far;
    those before (L, old), and how many of these each task had; where each class is among those of
    the task (L, C)."""

    new: Tensor
    old: Tensor
    of_tasks: tuple[int, ...]
    place: Tensor

    def keep(self, lanes: Tensor) -> "Shown":
        """The same for ``lanes`` (indices) alone."""
        return Shown(self.new[lanes], self.old[lanes], self.of_tasks, self.place[lanes])


class StreamTargets(ClassTargets):
    """What the terms of some examples read: also the classes of their lanes."""

    def __init__(self, labels: Tensor, fetch_teachers: Callable[[], Tensor], shown: Shown) -> None:
        super().__init__(labels, fetch_teachers)
        self.shown = shown

    def part(self, at: slice) -> "StreamTargets":
        return StreamTargets(self.labels[:, at], lambda: self.teachers[:, :, at], self.shown)


def at_classes(z: Tensor, classes: Tensor) -> Tensor:
    """Logits (L, B, C) of some classes (L, k) alone: ``(L, B, k)``."""
    return z.gather(2, classes.unsqueeze(1).expand(-1, z.shape[1], -1))


def of_task(z: Tensor, labels: Tensor, shown: Shown) -> tuple[Tensor, Tensor]:
    """Logits (L, B, C) and labels (L, B) among the classes of a task alone; as they are where
    these are all."""
    if shown.new.shape[1] == z.shape[2]:
        return z, labels
    return at_classes(z, shown.new), shown.place.gather(1, labels)


class StreamTerms(Terms):
    """The terms of examples of a task, at logits (L, B, C)."""

    def __init__(self, targets: StreamTargets, z: Tensor, values: LaneValues) -> None:
        self._targets, self._shown, self._z, self._values = targets, targets.shown, z, values

    def of_label(self) -> Tensor:
        return cross_entropy(*of_task(self._z, self._targets.labels, self._shown))

    def of_teachers(self) -> Tensor:
        z, t = (at_classes(x, self._shown.old) for x in (self._z, self._targets.teachers[:, 0]))
        forms = self._values.words[KD_FORM]
        made = {form: FORMS[str(form)](t, z, self) for form in dict.fromkeys(forms)}
        if len(made) == 1:
            return made[forms[0]].unsqueeze(1)
        return torch.stack([made[form][lane] for lane, form in enumerate(forms)]).unsqueeze(1)

    @property
    def label_at_teachers(self) -> Tensor:
        raise NotImplementedError("a teacher of the tasks before knows no class of this one")

    @property
    def uninformed(self) -> float:
        return math.log(self._shown.new.shape[1])

    def _global(self, t: Tensor, z: Tensor) -> Tensor:
        return distillation(t, z, temperature(self._values, z).view(-1, 1))

    def _tasks(self, t: Tensor, z: Tensor) -> Tensor:
        parts = (torch.split(x, list(self._shown.of_tasks), dim=2) for x in (t, z))
        each = [self._global(of_t, of_z) for of_t, of_z in zip(*parts, strict=True)]
        return torch.stack(each).sum(0)

    def _sigmoid(self, t: Tensor, z: Tensor) -> Tensor:
        # By `logsigmoid`: torch's sigmoid, which is in the gradient of its binary cross-entropy,
        # rounds the last elements of a tensor unlike those before them.
        p = F.logsigmoid(t).exp()
        return -(p * F.logsigmoid(z) + (1 - p) * F.logsigmoid(-z)).sum(2)


# By the word of `KD_FORM`: from logits of teacher and student for the old classes, (L, B, old)
# each, to (L, B).
FORMS: dict[str, Callable[[Tensor, Tensor, StreamTerms], Tensor]] = {
    "global": lambda t, z, terms: terms._global(t, z),
    "tasks": lambda t, z, terms: terms._tasks(t, z),
    "sigmoid": lambda t, z, terms: terms._sigmoid(t, z),
}


class StreamObjective(SumOfTerms):
    """The same of held-out examples of a task: ``mixed`` is 1 - rho of the label's term and rho of
    the teacher's, at the lane's own temperature.

    With the labels alone nothing would be learned of teachers' weights where the last layer alone
    is looked ahead with: the label's term and the teacher's read different rows of it.
    """

    def _of(self, part: Part, output: Output) -> Tensor:
        if part.goal != "mixed":
            return super()._of(part, output)
        terms = self.data.terms(part.targets, output, self.values)
        rho = self.values.numbers[RHO].unsqueeze(1)
        return (1 - rho) * terms.label + rho * terms.teacher(-1)
