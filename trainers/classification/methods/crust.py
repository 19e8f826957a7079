"""CRUST: train on a coreset of each class whose gradients stand for those of the class.

n      training examples with one label; d_ij the distance of their last-layer gradients
F(S)   sum_i max_{j in S} (max d - d_ij), the facility location function
S      the coreset: ceil(ratio n) of them. ``selection: greedy`` chooses one by one what F gains
       most by; ``central`` takes those that have the largest F on their own
w_j    how many of the n are within radius * median(d) of j in S; zero outside S; scaled so that the
       mean over the training split is 1

L_i    w_i CE(y_i, z_i)

Clean examples of a class have much the same gradient and so many neighbours, corrupted ones few.

Before every epoch after ``coreset_after``, with the student as it is then. The gradient of one
example is r (x) (h, 1) with r = softmax(z) - onehot(y); distances need inner products alone, and
these are (r_i . r_j) (h_i . h_j + 1).

Source: Mirzasoleiman et al. 2020, arXiv 2011.07451, and its authors' public code. ``greedy`` is
what the paper says; ``central`` is what the code does: it compares the whole F(S + j) with what
other candidates had before, where it should compare gains, so that it accepts them in the order of
F({j}). Departures: gradients by the last layer's parameters, where the code has those by its
inputs; a radius in medians, where the code's is a length (2) that fits its network; examples
outside the coreset stay in their batches with weight zero, so that all methods take the same number
of steps; the scale of w is set over the whole split, not in each batch; no mixing of inputs.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy_gradient
from trainers.classification.data.lanes import LaneData
from trainers.evaluation import frozen_output
from trainers.lanes.network import LaneNetwork, Output
from trainers.method import Method, Setup, Step


def squared_distances(r: Tensor, h: Tensor) -> Tensor:
    """Between the gradients r (x) (h, 1) of n examples: r (n, C), h (n, H) -> (n, n)."""
    gram = (r @ r.T) * (h @ h.T + 1)
    lengths = gram.diagonal()
    return (lengths.unsqueeze(0) + lengths.unsqueeze(1) - 2 * gram).clamp(min=0.0)


def greedy_coresets(d: Tensor, size: Tensor, chosen: Tensor) -> Tensor:
    """Coresets of several classes, each example that which F gains most by: ``(K, n)`` bool.

    Distances ``d`` (K, n, n), where a class has fewer than n examples only its first ``size``
    (K,) count; ``chosen`` (K,) how many of them to choose.
    """
    classes, n, _ = d.shape
    near, real = _nearness(d, size)
    best = d.new_zeros(classes, n)
    inside = torch.zeros_like(real)
    at = torch.arange(classes, device=d.device)
    for step in range(int(chosen.max())):
        gain = (near - best.unsqueeze(2)).clamp(min=0.0).sum(1)
        pick = gain.masked_fill(inside | ~real, -1.0).argmax(1)
        grows = step < chosen
        inside[at, pick] |= grows
        best = torch.where(grows.unsqueeze(1), torch.maximum(best, near[at, :, pick]), best)
    return inside


def central_coresets(d: Tensor, size: Tensor, chosen: Tensor) -> Tensor:
    """As `greedy_coresets`, but the examples with the largest F on their own; first of equals."""
    near, real = _nearness(d, size)
    alone = near.sum(1).masked_fill(~real, -1.0)
    rank = alone.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return rank < chosen.unsqueeze(1)


def _nearness(d: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """max d - d_ij of every class, 0 for what only fills up, (K, n, n); what does not, (K, n)."""
    real = torch.arange(d.shape[1], device=d.device) < size.unsqueeze(1)
    pairs = real.unsqueeze(1) & real.unsqueeze(2)
    near = torch.where(pairs, d.amax((1, 2), keepdim=True) - d, d.new_zeros(()))
    return near, real


SELECTIONS: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "greedy": greedy_coresets,
    "central": central_coresets,
}


def coreset_weights(
    output: Output, y: Tensor, ratio: float, radius: float, selection: str
) -> Tensor:
    """w (N,) for one lane: features (N, H), logits (N, C), labels (N,)."""
    assert output.features is not None
    r = cross_entropy_gradient(output.logits, y)
    members = [(y == c).nonzero().squeeze(1) for c in torch.unique(y)]
    size = torch.tensor([len(m) for m in members], device=y.device)
    n = int(size.max())
    d = output.logits.new_zeros(len(members), n, n)
    for k, m in enumerate(members):
        d[k, : len(m), : len(m)] = squared_distances(r[m], output.features[m]).sqrt()
    chosen = torch.tensor([math.ceil(ratio * len(m)) for m in members], device=y.device)
    inside = SELECTIONS[selection](d, size, chosen)
    w = output.logits.new_zeros(len(y))
    for k, m in enumerate(members):
        own = d[k, : len(m), : len(m)]
        neighbours = (own <= radius * own.median()).sum(1)
        w[m] = (neighbours * inside[k, : len(m)]).to(w.dtype)
    return w / w.mean()


class Crust(Method):
    """Cross-entropy on weighted coresets."""

    data: LaneData

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        y = self.data.labels("train")
        self._weights = torch.ones(y.shape, device=y.device)

    def losses(self, step: Step) -> Tensor:
        return self._weights.gather(1, step.batch.places) * step.terms.label

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        numbers = self.values.numbers
        due = [i for i, after in enumerate(numbers["coreset_after"].tolist()) if epoch > after]
        if not due:
            return
        output, y = frozen_output(student, self.data, "train"), self.data.labels("train")
        for i in due:
            lane = output.each(lambda t, i=i: t[i])  # type: ignore[misc]
            ratio, radius = (float(numbers[f"coreset_{x}"][i]) for x in ("ratio", "radius"))
            selection = str(self.values.words["selection"][i])
            self._weights[i] = coreset_weights(lane, y[i], ratio, radius, selection)

    def metrics(self) -> Mapping[str, Tensor]:
        clean = self._weights * ~self.data.corrupted
        return {"coreset_clean": clean.sum(1) / self._weights.sum(1)}

    def tables(self) -> Mapping[str, Tensor]:
        return {"weight": self._weights}

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._weights = self._weights[lanes]
