"""Comparative KD: what differs between examples, in the student as in the teacher.

L lanes, B examples of a batch, C classes, e = z - t what the student's logits differ by from a
target t (the teacher's logits, or the one-hot label).

D_i(z, t)   how the differences between example i and others of the batch differ from the target's:
            all         2B / ((B - 1) C) |e_i - mean_j e_j|^2
            pairs       1 / C |e_i - e_p|^2
            two_to_one  1 / C |(e_i + e_p) / 2 - e_q|^2
            with p and q the next two after i on a random cycle through the batch
L_i         (1 - alpha) CE(y_i, z_i) + alpha D_i(z, t)          label_loss: cross_entropy
            (1 - alpha) D_i(z, onehot(y)) + alpha D_i(z, t)     label_loss: compare

``all`` is the mean of |(z_i - z_j) - (t_i - t_j)|^2 / C over all pairs of the batch, in closed
form: no pair is formed. Over cycles ``pairs`` has the same expectation and ``two_to_one`` 3/4 of
it, with more variance: the mean square of a difference of means of a and of b examples is 1/a + 1/b
times the variance of e, and says nothing else.

A comparison does not see a constant that all examples share: D is the same for z + c, c (C,), so
that its gradient by the bias of the last layer is zero. Where no other term sees it, which is with
``label_loss: compare`` or alpha 1, nothing determines one number per class, and that decides which
class is the largest. ``calibrate: bias`` adds to that bias, in a copy of the student that is
evaluated and kept, the mean over the examples that teachers were asked about of

            (1 - alpha) onehot(y_i) + alpha t_i - z_i,

which makes the whole a regression on that target (on t alone at alpha 1). Training goes on from the
student as it is.

Source: arXiv 2311.02253, read as its abstract and its authors' public code. The code has ``pairs``
and ``two_to_one``, ``label_loss: compare`` with both terms weighed 1, which is alpha 0.5 and twice
the loss, and no calibration. Departures: the others are own; tuples are drawn within each batch,
where the code draws 100,000 of them before training; a batch is of examples, and each is the first
of one tuple, where it is of tuples there.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.classification.data.lanes import LaneData
from trainers.evaluation import frozen_output
from trainers.lanes.network import LaneNetwork
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.method import Method, Setup, Step


def all_pairs(e: Tensor) -> Tensor:
    """The mean of |e_i - e_j|^2 / C over pairs, shared out over examples: ``(..., B, C) ->
    (..., B)``."""
    examples = e.shape[-2]
    centred = e - e.mean(-2, keepdim=True)
    return 2 * examples / max(examples - 1, 1) * centred.square().mean(-1)


def pairs(e: Tensor, cycle: Tensor) -> Tensor:
    """|e_i - e_p|^2 / C: ``(..., B, C) -> (..., B)``; ``cycle`` (..., B): who comes when."""
    return (e - _after(e, cycle, 1)).square().mean(-1)


def two_to_one(e: Tensor, cycle: Tensor) -> Tensor:
    """|(e_i + e_p) / 2 - e_q|^2 / C, likewise."""
    one, other = _after(e, cycle, 1), _after(e, cycle, 2)
    return ((e + one) / 2 - other).square().mean(-1)


def _after(e: Tensor, cycle: Tensor, steps: int) -> Tensor:
    """Of every example that which comes so many steps after it."""
    then = torch.empty_like(cycle).scatter_(-1, cycle, cycle.roll(-steps, -1))
    return e.gather(-2, then.unsqueeze(-1).expand_as(e))


# What compares along a cycle, by name.
ALONG_CYCLES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "pairs": pairs,
    "two_to_one": two_to_one,
}


class Ckd(Method):
    """Labels, and comparisons with a teacher."""

    data: LaneData

    def __init__(self, setup: Setup) -> None:
        """ValueError where a bias should be calibrated and there is none."""
        super().__init__(setup)
        self._cycles = [torch_generator(seed, "ckd", "cycles") for seed in setup.seeds]
        self._calibrated: LaneNetwork | None = None
        if bool(self._to_calibrate.any()) and setup.student.last_bias is None:
            raise ValueError(
                "calibrate: bias shifts the bias of the last layer, and the student has none; give "
                "it one, or pin calibrate: none"
            )

    def losses(self, step: Step) -> Tensor:
        z, given = step.output.logits, step.batch.targets
        if z.requires_grad:
            # Its parts add up to what lies in memory as the first of them does, and which that is
            # depends on the other lanes; the bits of the products behind it depend on that.
            z.register_hook(lambda gradient: gradient.mT.contiguous().mT)  # type: ignore[no-untyped-call]
        alpha = self.values.numbers["alpha"].view(-1, 1)
        cycle = self._drawn_cycles(z.shape[1])
        teacher = self._compared(z - given.teachers[:, 0], cycle)
        compares = self._lanes_with("label_loss", "compare")
        label = step.terms.label
        if bool(compares.any()):
            differences = self._compared(z - F.one_hot(given.labels, z.shape[-1]).to(z), cycle)
            label = torch.where(compares.unsqueeze(1), differences, label)
        return (1 - alpha) * label + alpha * teacher

    def end_step(self, student: LaneNetwork) -> None:
        self._calibrated = None

    def evaluated(self, student: LaneNetwork) -> LaneNetwork:
        if not bool(self._to_calibrate.any()):
            return student
        if self._calibrated is None:
            self._calibrated = copy.deepcopy(student)
            bias = self._calibrated.last_bias
            assert bias is not None
            with torch.no_grad():
                bias.add_(self._shift(student))
        return self._calibrated

    def state(self) -> dict[str, Any]:
        return {"cycles": places(self._cycles)}

    def load_state(self, state: State) -> None:
        wind(self._cycles, state["cycles"])
        self._calibrated = None

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._cycles = [self._cycles[i] for i in lanes.tolist()]
        self._calibrated = None

    def _lanes_with(self, name: str, word: str) -> Tensor:
        """Which lanes have that word, (L,)."""
        chosen = [own == word for own in self.values.words[name]]
        return torch.tensor(chosen, device=self.data.device)

    @property
    def _to_calibrate(self) -> Tensor:
        """The lanes in which a constant per class is free, and is to be set, (L,)."""
        free = self._lanes_with("label_loss", "compare") | (self.values.numbers["alpha"] == 1)
        return free & self._lanes_with("calibrate", "bias")

    def _drawn_cycles(self, examples: int) -> Tensor:
        """A random order of so many examples for each lane that needs one, (L, B)."""
        kinds = self.values.words["comparisons"]
        return torch.stack(
            [
                torch.arange(examples)
                if kind == "all"
                else torch.randperm(examples, generator=generator)
                for kind, generator in zip(kinds, self._cycles, strict=True)
            ]
        ).to(self.data.device)

    def _compared(self, e: Tensor, cycle: Tensor) -> Tensor:
        """D (L, B), of each lane by its own comparisons; what no lane has is not made."""
        kinds = self.values.words["comparisons"]
        compared = all_pairs(e)
        for kind, compare in ALONG_CYCLES.items():
            if kind in kinds:
                chosen = self._lanes_with("comparisons", kind).unsqueeze(1)
                compared = torch.where(chosen, compare(e, cycle), compared)
        return compared

    @torch.no_grad()
    def _shift(self, student: LaneNetwork) -> Tensor:
        """What is added to the bias of the last layer, (L, C); 0 where nothing is to be."""
        asked = self.data.learned_places
        given = self.data.targets_of("train", asked)
        z = frozen_output(student, self.data, "train").logits
        z = z.gather(1, asked.unsqueeze(2).expand(-1, -1, z.shape[2]))
        alpha = self.values.numbers["alpha"].view(-1, 1, 1)
        onehot = F.one_hot(given.labels, z.shape[2]).to(z)
        target = (1 - alpha) * onehot + alpha * given.teachers[:, 0]
        shift = (target - z).mT.contiguous().mean(-1)
        return torch.where(self._to_calibrate.unsqueeze(1), shift, torch.zeros_like(shift))
