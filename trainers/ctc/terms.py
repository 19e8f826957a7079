"""What is lost on utterances: the terms, in nats per label of the target.

L lanes, B utterances, T frames of output, T_i those of utterance i, U columns of targets, U_i
labels of a target y, C symbols with the blank, M teachers, tau the lane's temperature; z student's
and t teacher's logits of a frame, y^ the teacher's best path without repeats and blanks, and U^ its
labels, 1 at least.

label      CTC(y, z) / U_i
teacher, by the lane's ``level``:
frame      tau^2 / U_i  sum_t KL(softmax(t / tau) || softmax(z / tau))
softmax    1 / U_i  sum_t |softmax(t) - softmax(z)|^2
sequence   CTC(y^, z) / U^
guided     label - 1 / U_i  sum_t softmax(z)[argmax t], over frames whose argmax is no blank

Frames t <= T_i count alone; of ``frame`` and ``softmax`` by the lane's ``frames`` ``all`` of them,
those that the teacher gives no blank (``not_blank``), or these and their neighbours (``near``).

CTC(y, z) = -log of the sum, over the paths that are y without repeats and blanks, of their
probabilities. Sources: Graves et al. 2006 (ICML); softmax: Yoon et al. 2020, arXiv 2008.00671;
guided: Kurata and Audhkhasi 2019, arXiv 1904.08311, which adds it to the label's loss, as here.
"""

from collections.abc import Callable, Mapping
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.ctc.data.dataset import BLANK
from trainers.data.tokenizer import PADDING
from trainers.lanes.values import LaneValues
from trainers.task import Terms

# Without hyperparameters that say otherwise.
LEVEL, FRAMES, TAU = "frame", "all", 1.0


class CtcTargets:
    """What the terms of some utterances read.

    ``labels`` (L, B, U), `PADDING` behind the end of a target; ``frames`` (L, B): T_i. The
    teachers' logits are only fetched where a term asks for them.
    """

    def __init__(
        self, labels: Tensor, frames: Tensor, fetch_teachers: Callable[[], Tensor]
    ) -> None:
        self.labels, self.frames = labels, frames
        self._fetch_teachers = fetch_teachers

    @cached_property
    def teachers(self) -> Tensor:
        """The teachers' logits, (L, M, B, T, C); behind the end of an utterance of some frame."""
        return self._fetch_teachers()

    def part(self, at: slice) -> "CtcTargets":
        """Those of some utterances alone."""
        return CtcTargets(self.labels[:, at], self.frames[:, at], lambda: self.teachers[:, :, at])

    def of_lanes(self, lanes: Tensor) -> "CtcTargets":
        """Those of ``lanes`` (indices) alone."""
        return CtcTargets(self.labels[lanes], self.frames[lanes], lambda: self.teachers[lanes])

    @cached_property
    def lengths(self) -> Tensor:
        """U_i, (L, B)."""
        return (self.labels != PADDING).sum(2)

    def there(self, frames: int) -> Tensor:
        """Which of so many frames of output an utterance has, (L, B, T)."""
        return torch.arange(frames, device=self.labels.device) < self.frames.unsqueeze(2)


class CtcTerms(Terms):
    """The terms of utterances at logits (L, B, T, C)."""

    def __init__(self, targets: CtcTargets, z: Tensor, values: LaneValues) -> None:
        self._targets, self._values = targets, values
        self._z = z.to(torch.promote_types(z.dtype, torch.float32))

    def of_label(self) -> Tensor:
        return label_loss(self._targets, self._z)

    def of_teachers(self) -> Tensor:
        return torch.stack([self.teacher(m) for m in range(self._targets.teachers.shape[1])], dim=1)

    def teacher(self, m: int) -> Tensor:
        words = list(zip(self._words("level", LEVEL), self._words("frames", FRAMES), strict=True))
        distinct = list(dict.fromkeys(words))
        if len(distinct) == 1:
            return self._teacher(m, *distinct[0])
        parts, places = [], []
        for word in distinct:
            lanes = torch.tensor([i for i, own in enumerate(words) if own == word])
            lanes = lanes.to(self._z.device)
            own = CtcTerms(self._targets.of_lanes(lanes), self._z[lanes], self._values.keep(lanes))
            # Not computed anew, so that gradients add up in the order that they do in a lane alone.
            own.label = self.label[lanes]
            parts.append(own._teacher(m, *word))
            places.append(lanes)
        return torch.cat(parts)[torch.cat(places).argsort()]

    @property
    def label_at_teachers(self) -> Tensor:
        each = [label_loss(self._targets, t) for t in self._targets.teachers.unbind(1)]
        return torch.stack(each, dim=1)

    @property
    def uninformed(self) -> Tensor:
        """That of every utterance, (L, B): its targets and frames count."""
        return label_loss(self._targets, torch.zeros_like(self._z))

    def _teacher(self, m: int, level: str, frames: str) -> Tensor:
        """The term of teacher ``m``, where all lanes have one level."""
        t = self._targets.teachers[:, m].to(self._z)
        if level == "sequence":
            path = collapsed(best_path(t, self._targets.frames))
            said = CtcTargets(path, self._targets.frames, lambda: t.unsqueeze(1))
            return label_loss(said, self._z)
        there = self._targets.there(self._z.shape[2])
        if level == "guided":
            return self.label + self._per_label(_missed(t, self._z), there)
        lost = LEVELS[level](t, self._z, self._temperature)
        return self._per_label(lost, there & SELECTED[frames](t, there))

    def _per_label(self, lost: Tensor, counts: Tensor) -> Tensor:
        """Of frames (L, B, T), the sum of those that count over U_i."""
        return (lost * counts).sum(2) / self._targets.lengths.clamp(min=1)

    @property
    def _temperature(self) -> Tensor:
        """tau of every lane, (L, 1, 1, 1)."""
        found = self._values.numbers.get("temperature")
        if found is None:
            found = torch.full((len(self._z),), TAU, device=self._z.device)
        return found.to(self._z).view(-1, 1, 1, 1)

    def _words(self, name: str, default: str) -> tuple[str, ...]:
        found = self._values.words.get(name, (default,) * len(self._z))
        return tuple(str(word) for word in found)


def label_loss(targets: CtcTargets, z: Tensor) -> Tensor:
    """CTC(y, z) / U_i at logits (L, B, T, C), with U_i 1 at least; infinite where a target has too
    few frames."""
    lanes, examples, frames, symbols = z.shape
    log_p = torch.log_softmax(z, dim=3).view(lanes * examples, frames, symbols)
    lengths = targets.lengths.flatten()
    losses = F.ctc_loss(
        log_p.transpose(0, 1),
        targets.labels.flatten(0, 1).clamp(min=0),
        targets.frames.flatten(),
        lengths,
        blank=BLANK,
        reduction="none",
    )
    return (losses / lengths.clamp(min=1)).view(lanes, examples)


def best_path(z: Tensor, frames: Tensor) -> Tensor:
    """The likeliest symbol of each frame, (..., T); the blank behind the end of an utterance, which
    has ``frames`` (...,) of them."""
    there = torch.arange(z.shape[-2], device=z.device) < frames.unsqueeze(-1)
    return z.argmax(-1).masked_fill(~there, BLANK)


def spikes(path: Tensor) -> Tensor:
    """In which frames a path (..., T) says a symbol: the first of those that repeat it."""
    before = torch.cat([torch.full_like(path[..., :1], BLANK), path[..., :-1]], dim=-1)
    return (path != BLANK) & (path != before)


def collapsed(path: Tensor) -> Tensor:
    """A path (..., T) without repeats and blanks: labels (..., T), `PADDING` behind their end."""
    says = spikes(path)
    # What is said comes first, in its order.
    order = (~says).to(torch.int8).argsort(dim=-1, stable=True)
    return path.masked_fill(~says, PADDING).gather(-1, order)


def _divergence(t: Tensor, z: Tensor, tau: Tensor) -> Tensor:
    """tau^2 KL of every frame, (L, B, T)."""
    p, q = torch.log_softmax(t / tau, dim=3), torch.log_softmax(z / tau, dim=3)
    return tau.squeeze(3).square() * (p.exp() * (p - q)).sum(3)


def _square(t: Tensor, z: Tensor, tau: Tensor) -> Tensor:
    return (torch.softmax(t, dim=3) - torch.softmax(z, dim=3)).square().sum(3)


def _missed(t: Tensor, z: Tensor) -> Tensor:
    """Less than 0 by how likely the student has what the teacher says in a frame, (L, B, T)."""
    said = t.argmax(3)
    likely = torch.softmax(z, dim=3).gather(3, said.unsqueeze(3)).squeeze(3)
    return -likely * (said != BLANK)


def _not_blank(t: Tensor, there: Tensor) -> Tensor:
    return t.argmax(3) != BLANK


def _near(t: Tensor, there: Tensor) -> Tensor:
    said = (t.argmax(3) != BLANK) & there
    before, behind = F.pad(said, (1, 0))[..., :-1], F.pad(said, (0, 1))[..., 1:]
    return said | before | behind


# What is lost in every frame by level, and which frames count: (L, B, T) each.
LEVELS: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "frame": _divergence,
    "softmax": _square,
}
SELECTED: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "all": lambda t, there: there,
    "not_blank": _not_blank,
    "near": _near,
}
