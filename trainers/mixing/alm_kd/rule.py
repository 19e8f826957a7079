"""ALM-KD: how far each training example trusts its label and its teachers, learned.

L lanes, N training examples, C classes, H features of the student's last layer, M teachers,
K = 1 + M losses per example.

lam   weights of the label's loss (column 0) and the teachers' (columns 1 to M)     (L, N, K)
L_i   lam_i0 CE(y_i, z_i) + sum_m lam_im tau^2 KL(t_im || z_i)

Before every ``update_every``-th epoch after the warm-up, with the student frozen, the weights of
each group of ``grad_fit`` training batches take ``inner_repeats`` projected gradient steps of size
``meta_lr`` down the loss that a look-ahead step would leave on a clean held-out mini-batch, one
mini-batch per group, drawn in turn. The step is that of the last layer
(`trainers.mixing.hypergradient`) or, with ``hypergradient: full``, of the whole network
(`trainers.mixing.look_ahead`).

Source: arXiv 2202.03250 and its authors' public code. Where the versions of the paper differ, a
variant of `trainers.mixing.alm_kd.variants` says what holds. Departure: as the student stands still
during an update, all groups take their steps side by side, which changes no number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy, distillation
from trainers.classification.data.lanes import Batch
from trainers.classification.networks.classifier import LaneClassifier
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.method import Method, Setup
from trainers.mixing.alm_kd.descent import Descent, Slope
from trainers.mixing.alm_kd.groups import Deal
from trainers.mixing.alm_kd.sides import HeldOut, LastLayer, Seen
from trainers.mixing.alm_kd.variants import VARIANTS, Constraint
from trainers.mixing.detector import auroc
from trainers.mixing.held_out_loss import Goal
from trainers.mixing.look_ahead import Network, Parameters, evaluation_mode, look_ahead_gradient

LABEL = 0


@dataclass(frozen=True)
class _Walk:
    """What lanes must share to take their steps side by side."""

    constraint: Constraint
    repeats: int
    grad_fit: int
    held_out: HeldOut
    hypergradient: str


class AlmKd(Method):
    """Distillation with a learned weight per training example and loss."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        n, words = self.data.size("train"), self.values.words
        variants = [VARIANTS[str(name)] for name in words["variant"]]
        starts = [
            variant.starting_weights(start, n, self.data.teachers, seed)
            for variant, start, seed in zip(variants, words["start"], setup.seeds, strict=True)
        ]
        free = [v.constraint.coordinates(lam) for v, lam in zip(variants, starts, strict=True)]
        self.lam = torch.stack(starts).to(self.data.inputs.device)
        self._coordinates = torch.stack(free).to(self.data.inputs.device)
        self._order = [torch_generator(seed, "alm_kd", "order") for seed in setup.seeds]
        self._diagnostics = self._diagnose()

    def losses(self, batch: Batch, z: Tensor) -> Tensor:
        lam = self.lam.gather(1, batch.places.unsqueeze(-1).expand(-1, -1, self.lam.shape[2]))
        tau = self.values.numbers["temperature"].view(-1, 1)
        loss = lam[..., LABEL] * cross_entropy(z, batch.labels)
        for m in range(batch.teachers.shape[1]):
            loss = loss + lam[..., 1 + m] * distillation(batch.teachers[:, m], z, tau)
        return loss

    def begin_epoch(self, epoch: int, student: LaneClassifier, lr: Tensor) -> None:
        due = [lane for lane in range(len(self._order)) if self._is_due(lane, epoch)]
        if due:
            self._update(due, student, lr)
            self._diagnostics = self._diagnose()

    def metrics(self) -> Mapping[str, Tensor]:
        return self._diagnostics

    def tables(self) -> Mapping[str, Tensor]:
        return {"lambda": self.lam}

    def state(self) -> dict[str, Any]:
        return {
            "lambda": self.lam,
            "coordinates": self._coordinates,
            "order": places(self._order),
            "diagnostics": self._diagnostics,
        }

    def load_state(self, state: State) -> None:
        self.lam, self._coordinates = state["lambda"], state["coordinates"]
        wind(self._order, state["order"])
        self._diagnostics = state["diagnostics"]

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self.lam = self.lam[lanes]
        self._coordinates = self._coordinates[lanes]
        self._order = [self._order[i] for i in lanes.tolist()]
        self._diagnostics = {name: t[lanes] for name, t in self._diagnostics.items()}

    def _diagnose(self) -> dict[str, Tensor]:
        label, corrupted = self.lam[..., LABEL], self.data.corrupted
        teachers = [self.lam[..., 1 + m].mean(-1) for m in range(self.data.teachers)]
        each = {f"lambda_teacher_{m}": mean for m, mean in enumerate(teachers, start=1)}
        return {
            "lambda_label": label.mean(-1),
            "lambda_label_clean": _mean_where(label, ~corrupted),
            "lambda_label_corrupted": _mean_where(label, corrupted),
            "lambda_teacher": torch.stack(teachers).mean(0),
            "lambda_auroc": auroc(label, ~corrupted),
            **(each if len(each) > 1 else {}),
        }

    def _is_due(self, lane: int, epoch: int) -> bool:
        """Epochs count from 1; the first update comes right after the warm-up."""
        numbers = self.values.numbers
        since = epoch - 1 - int(numbers["warmup_epochs"][lane])
        return since >= 0 and since % int(numbers["update_every"][lane]) == 0

    def _update(self, due: list[int], student: LaneClassifier, lr: Tensor) -> None:
        seen: Seen | None = None
        tau = self.values.numbers["temperature"]
        for walk, lanes in self._walks(due).items():
            at = torch.tensor(lanes, device=self.lam.device)
            order = [self._order[lane] for lane in lanes]
            deal = Deal.draw(order, at, self.batch_size, walk.grad_fit, self.data)
            held_out = walk.held_out.targets(self.data, tau)
            meta_lr = deal.per_group(self.values.numbers["meta_lr"]).view(-1, 1, 1)
            descent = Descent(walk.constraint, walk.repeats, meta_lr)
            s = deal.train(self._coordinates).mT.contiguous()
            if walk.hypergradient == "full":
                s = descent.down(s, self._whole_network(student, deal, held_out.goal(deal), lr))
            else:
                seen = seen or Seen.by(student, self.data, tau)
                eta = deal.per_group(lr)
                last_layer = LastLayer(deal, seen, held_out, eta, self.batch_size)
                s = descent.down_by_last_layer(s, self.data.classes, last_layer.sides)
            deal.put_back(s.mT, self._coordinates)
            deal.put_back(walk.constraint.weights(s).mT, self.lam)

    def _walks(self, due: list[int]) -> dict[_Walk, list[int]]:
        """Lanes by what they must share."""
        numbers, words = self.values.numbers, self.values.words
        walks: dict[_Walk, list[int]] = {}
        for lane in due:
            variant = VARIANTS[str(words["variant"][lane])]
            share, loss = words["held_out"][lane], str(words["held_out_loss"][lane])
            held_out = HeldOut(
                variant.held_out if share == "default" else float(share),
                variant.held_out_loss if loss == "default" else loss,
            )
            walk = _Walk(
                variant.constraint,
                int(numbers["inner_repeats"][lane]) or variant.inner_repeats,
                int(numbers["grad_fit"][lane]),
                held_out,
                str(words["hypergradient"][lane]),
            )
            walks.setdefault(walk, []).append(lane)
        return walks

    def _whole_network(self, student: LaneClassifier, deal: Deal, goal: Goal, lr: Tensor) -> Slope:
        """The gradient through a step of all layers, one group after the other."""
        network = Network(student, deal.at)
        groups = [self._group(network, deal, goal, j) for j in range(deal.groups)]
        step = lr[deal.at] / self.batch_size

        def slope(lam: Tensor) -> Tensor:
            with evaluation_mode(student):
                gradients = [
                    look_ahead_gradient(
                        network.parameters, losses, deal.group(j, lam), step, held_out
                    )
                    for j, (losses, held_out) in enumerate(groups)
                ]
            return torch.stack(gradients, dim=1).flatten(0, 1)

        return slope

    def _group(
        self, network: Network, deal: Deal, goal: Goal, j: int
    ) -> tuple[Callable[[Parameters], Tensor], Callable[[Parameters], Tensor]]:
        """The weighted losses (len(at), K, G) and the held-out loss (len(at),) of group ``j``."""
        batch = _rows(self._batch("train", deal.train_index[:, j], deal), deal.at)
        x = self._batch("meta", deal.meta_index[:, j], deal).inputs[deal.at]
        p, w, s = (deal.group(j, t) for t in (goal.p, goal.w, goal.s))
        if w.shape[1] > x.shape[1]:
            x = torch.cat([x, batch.inputs], dim=1)
        tau = self.values.numbers["temperature"][deal.at].view(-1, 1)
        filled = deal.group(j, deal.filled).unsqueeze(1)

        def losses(theta: Parameters) -> Tensor:
            z = network.logits(theta, batch.inputs)
            teachers = [distillation(t, z, tau) for t in batch.teachers.unbind(1)]
            return filled * torch.stack([cross_entropy(z, batch.labels), *teachers], dim=1)

        return losses, lambda theta: Goal(p, w, s).loss(network.logits(theta, x).mT)

    def _batch(self, split: str, index: Tensor, deal: Deal) -> Batch:
        """The examples at ``index`` (len(at), G) of the lanes of the deal, in their rows of L."""
        places = index.new_zeros(self.data.lanes, index.shape[1])
        places[deal.at] = index
        return self.data.batch(split, places)


def _rows(batch: Batch, lanes: Tensor) -> Batch:
    """The same examples of ``lanes`` (indices) alone."""
    places, inputs = batch.places[lanes], batch.inputs[lanes]
    labels, teachers = batch.labels[lanes], batch.teachers[lanes]
    return batch._replace(places=places, inputs=inputs, labels=labels, teachers=teachers)


def _mean_where(x: Tensor, chosen: Tensor) -> Tensor:
    """The mean of x (L, N) over the chosen examples (L, N) -> (L,); NaN where there is none."""
    return (x * chosen).sum(-1) / chosen.sum(-1)
