"""Token-adaptive distillation (AdaKD): the teacher's term of the hardest tokens alone, each at a
temperature of its own.

L lanes, B examples, R columns, s_it the Hellinger distance of p and q at token t of response i,
T_i its tokens, all without gradient but D.

K      the share r of the batch's tokens where s is largest, at least one
tau_it exp(-c tanh(log(s_it / median of s over K))), c ``temperature_scale``: lower where it is hard
L_i    (1 - alpha) l_i0 + alpha w sum of tau_it^2 D(p, q; tau_it) / T_i over its tokens in K,
       w = B / sum of 1 / T_i over K

so that the batch's mean is the mean over K, a token counting 1 / T_i as everywhere in this task; a
response without a token in K hears the label alone. With r = 1 and c = 0 it is the fixed mix. r is
1 at first. With e a running mean of the teacher's term and e_0 what it was when r last changed,
e < (1 - epsilon) e_0 makes r smaller by the share ``share_step``, e > (1 + epsilon) e_0 larger,
within [0.1, 1]; the first e_0 is that after a twentieth of training.

Source: Xie et al. 2026 (AAAI), arXiv 2510.11615, and its authors' public code, in which all tokens
count alike; its scripts take reverse KL, and name a loss that its dispatcher does not find.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainers.lanes.network import LaneNetwork
from trainers.lanes.state import State
from trainers.language.data.lanes import SequenceLanes
from trainers.language.divergences import log_probabilities
from trainers.language.methods.progress import Progress
from trainers.language.terms import SequenceTargets, SequenceTerms
from trainers.method import Method, Setup, Step

LEAST_SHARE = 0.1
# The share of training before r may change.
WARMUP = 0.05
# Keeps the logarithm finite where teacher and student agree.
LEAST_DISTANCE = 1e-8


class Kept(NamedTuple):
    """Which tokens are kept (L, B, R), and the median (L,) of their scores."""

    there: Tensor
    median: Tensor


def hellinger(p: Tensor, q: Tensor) -> Tensor:
    """Of log-probabilities (..., V): in [0, 1], (...)."""
    apart = (0.5 * p).exp() - (0.5 * q).exp()
    return (0.5 * apart.square().sum(-1)).sqrt()


def hardest(scores: Tensor, there: Tensor, share: Tensor) -> Kept:
    """The share (L,) of every lane's tokens ``there`` (L, B, R) with the largest scores (L, B, R)
    of at least 0, rounded down, but one at least; of equal ones the first. As torch has it the
    median of an even number is the lower of the two."""
    flat = scores.masked_fill(~there, -1).flatten(1)
    found, order = flat.sort(dim=1, descending=True, stable=True)
    many = (there.sum((1, 2)) * share).long().clamp(min=1).unsqueeze(1)
    first = torch.arange(flat.shape[1], device=flat.device) < many
    kept = torch.zeros_like(first).scatter(1, order, first).view_as(there) & there
    return Kept(kept, found.gather(1, many // 2).squeeze(1))


class AdaKd(Method):
    """A mix of the label with the teacher's term of the hardest tokens."""

    data: SequenceLanes

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._progress = Progress(setup.training, self.data.size("train"))
        self._share = torch.ones_like(self.values.numbers["alpha"])
        self._mean = torch.full_like(self._share, torch.nan)
        self._then = torch.full_like(self._share, torch.nan)

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        self._progress.begin_epoch(epoch)

    def losses(self, step: Step) -> Tensor:
        targets: SequenceTargets = step.batch.targets
        terms = step.terms
        assert isinstance(terms, SequenceTerms)
        kept, tau = self._chosen(targets, step.output.logits.detach())
        weight = targets.share.shape[1] / (targets.share * kept).sum((1, 2))
        teacher = weight.view(-1, 1) * (kept * terms.teacher_rows(0, tau)).sum(2)
        self._follow(teacher.detach().mean(1))
        alpha = self.values.numbers["alpha"].view(-1, 1)
        return (1 - alpha) * terms.label + alpha * teacher

    def end_step(self, student: LaneNetwork) -> None:
        self._progress.end_step()

    def metrics(self) -> Mapping[str, Tensor]:
        return {"adakd_share": 100 * self._share}

    def state(self) -> dict[str, Any]:
        return {"share": self._share, "mean": self._mean, "then": self._then}

    def load_state(self, state: State) -> None:
        self._share, self._mean, self._then = state["share"], state["mean"], state["then"]

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._share, self._mean = self._share[lanes], self._mean[lanes]
        self._then = self._then[lanes]

    def _chosen(self, targets: SequenceTargets, z: Tensor) -> tuple[Tensor, Tensor]:
        """Which tokens count (L, B, R), and the temperature of each."""
        p, q = log_probabilities(targets.teachers[:, 0]), log_probabilities(z)
        scores = hellinger(p, q)
        kept = hardest(scores, self.data.rows_there(targets), self._share)
        median = kept.median.view(-1, 1, 1).clamp(min=LEAST_DISTANCE)
        harder = torch.log(scores.clamp(min=LEAST_DISTANCE) / median)
        c = self.values.numbers["temperature_scale"].view(-1, 1, 1)
        return kept.there, torch.exp(-c * torch.tanh(harder))

    def _follow(self, now: Tensor) -> None:
        """Let more or fewer tokens count, by how the teacher's term (L,) has changed."""
        numbers = self.values.numbers
        decay, epsilon = numbers["loss_decay"], numbers["share_tolerance"]
        mean = torch.where(self._mean.isnan(), now, decay * self._mean + (1 - decay) * now)
        fell, rose = mean < (1 - epsilon) * self._then, mean > (1 + epsilon) * self._then
        fewer = (self._share * (1 - numbers["share_step"])).clamp(min=LEAST_SHARE)
        more = (self._share * (1 + numbers["share_step"])).clamp(max=1)
        self._share = torch.where(fell, fewer, torch.where(rose, more, self._share))
        begins = self._then.isnan() & (self._progress.share >= WARMUP)
        self._mean, self._then = mean, torch.where(fell | rose | begins, mean, self._then)
