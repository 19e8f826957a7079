"""ALM-KD: how far each training example trusts its label and its teachers, learned.

L lanes, N training examples, M teachers, K = 1 + M terms per example.

lam   weights of the label's loss (column 0) and the teachers' (columns 1 to M)     (L, N, K)
L_i   lam_i0 l_i0 + sum_m lam_im l_im, the label's term and the teachers'

Before every ``update_every``-th epoch after the warm-up, with the student frozen, the weights of
each group of ``grad_fit`` training batches take ``inner_repeats`` projected gradient steps of size
``meta_lr`` down the loss that a look-ahead step would leave on a clean held-out mini-batch, one
mini-batch per group, drawn in turn. The step is that of the last layer
(`trainers.mixing.hypergradient`) or, with ``hypergradient: full``, of the whole network
(`trainers.mixing.look_ahead`).

Clean examples that are trained on keep the weights of `trainers.mixing.certain`, those that
teachers may not be asked about have lam = (1, 0, ...); both are in no group.

Source: arXiv 2202.03250 and its authors' public code. Where the versions of the paper differ, a
variant of `trainers.mixing.alm_kd.variants` says what holds. Departure: as the student stands still
during an update, all groups take their steps side by side, which changes no number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from trainers.evaluation import evaluation_mode, joined
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.lanes.values import LaneValues
from trainers.method import Method, Setup, Step
from trainers.mixing.alm_kd.descent import Descent, Slope
from trainers.mixing.alm_kd.diagnostics import LABEL, diagnostics
from trainers.mixing.alm_kd.groups import Deal
from trainers.mixing.alm_kd.sides import HeldOut, LastLayer, Seen
from trainers.mixing.alm_kd.variants import VARIANTS, Constraint, Variant
from trainers.mixing.certain import certain_weights
from trainers.mixing.held_out_batches import held_out_sizes
from trainers.mixing.look_ahead import Group, Network, Parameters, look_ahead_gradient
from trainers.task import Goal

# The step size of the weights where none is given, by what becomes of the gradient.
META_LR: Mapping[str, float] = {"raw": 1500.0, "normalised": 0.1}


@dataclass(frozen=True)
class _Walk:
    """What lanes must share to take their steps side by side."""

    constraint: Constraint
    repeats: int
    grad_fit: int
    held_out: HeldOut
    held_out_batch: int
    hypergradient: str
    normalised: bool


class AlmKd(Method):
    """Distillation with a learned weight per training example and loss.

    `trainers.mixing.alm_kd.by_row` has one per row of an example in its place: lam (L, N, T, K),
    and ``_there`` (L, N, T) says which rows there are.
    """

    _there: Tensor | None = None

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        variants = [VARIANTS[str(name)] for name in self.values.words["variant"]]
        starts = [
            self._starting_weights(lane, variant, seed)
            for lane, (variant, seed) in enumerate(zip(variants, setup.seeds, strict=True))
        ]
        free = [v.constraint.coordinates(lam) for v, lam in zip(variants, starts, strict=True)]
        self.lam = torch.stack(starts).to(self.data.device)
        self._fix_the_rest()
        self._coordinates = torch.stack(free).to(self.data.device)
        self._meta_lr = _meta_lr(self.values, self.lam)
        self._order = [torch_generator(seed, "alm_kd", "order") for seed in setup.seeds]
        self._diagnostics = self._diagnose()

    def losses(self, step: Step) -> Tensor:
        at = step.batch.places.unsqueeze(-1).expand(-1, -1, self.lam.shape[2])
        lam = self.lam.gather(1, at)
        loss = lam[..., LABEL] * step.terms.label
        for m in range(self.data.teachers):
            loss = loss + lam[..., 1 + m] * step.terms.teacher(m)
        return loss

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
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
        self._meta_lr = self._meta_lr[lanes]
        if self._there is not None:
            self._there = self._there[lanes]
        self._order = [self._order[i] for i in lanes.tolist()]
        self._diagnostics = {name: t[lanes] for name, t in self._diagnostics.items()}

    def _starting_weights(self, lane: int, variant: Variant, seed: int) -> Tensor:
        """Of one lane, (N[, T], K)."""
        start, n = self.values.words["start"][lane], self.data.size("train")
        return variant.starting_weights(start, n, self.data.teachers, seed)

    def _fix_the_rest(self) -> None:
        """Give clean examples that are trained on the weights that they keep, and those that
        teachers may not be asked about all weight on their labels."""
        if self.data.certain:
            fixed = certain_weights(self.values, self.data.teachers, self.lam)
            rows = [1] * (self.lam.dim() - 3)
            self.lam[:, -self.data.certain :] = fixed.view(len(fixed), 1, *rows, -1)
        if self.data.asked is not None:
            self.lam[~self.data.asked] = torch.eye(self.lam.shape[-1])[LABEL].to(self.lam)

    def _learned(self, x: Tensor) -> Tensor:
        """x (L, N, ...) of the examples whose weights are learned alone."""
        if self.data.asked is None:
            return x[:, : x.shape[1] - self.data.certain]
        return x[self.data.asked].view(len(x), -1, *x.shape[2:])

    def _diagnose(self) -> dict[str, Tensor]:
        learned, corrupted = self._learned(self.lam), self._learned(self.data.corrupted)
        return diagnostics(learned, corrupted, self._high())

    def _high(self) -> Tensor:
        """The largest weight that each lane may give, (L,)."""
        highs = [VARIANTS[str(name)].constraint.high for name in self.values.words["variant"]]
        return torch.tensor(highs, device=self.lam.device)

    def _is_due(self, lane: int, epoch: int) -> bool:
        """Epochs count from 1; the first update comes right after the warm-up."""
        numbers = self.values.numbers
        since = epoch - 1 - int(numbers["warmup_epochs"][lane])
        return since >= 0 and since % int(numbers["update_every"][lane]) == 0

    def _update(self, due: list[int], student: LaneNetwork, lr: Tensor) -> None:
        seen: Seen | None = None
        for walk, lanes in self._walks(due).items():
            at = torch.tensor(lanes, device=self.lam.device)
            order = [self._order[lane] for lane in lanes]
            deal = Deal.draw(
                order, at, self.batch_size, walk.grad_fit, walk.held_out_batch, self.data
            )
            meta_lr = deal.per_group(self._meta_lr).view(-1, 1, 1)
            real = self._real(deal).unsqueeze(1) if walk.normalised else None
            descent = Descent(walk.constraint, walk.repeats, meta_lr, real)
            s = deal.train(self._coordinates).flatten(1, -2).mT.contiguous()
            if walk.hypergradient == "full":
                s = descent.down(s, self._whole_network(student, deal, walk.held_out, lr))
            else:
                seen = seen or Seen.by(student, self.data, self.values)
                eta = deal.per_group(lr)
                last_layer = LastLayer(
                    self.data, deal, seen, walk.held_out, eta, self.batch_size, self.values,
                    self._rows,
                )  # fmt: skip
                each = seen.r[0, 0, 0] if self._rows is None else seen.r[0, 0, 0, 0]
                s = descent.down_by_last_layer(s, each.numel(), last_layer.sides)
            self._put_back(deal, s, self._coordinates)
            self._put_back(deal, walk.constraint.weights(s), self.lam)

    @property
    def _rows(self) -> int | None:
        """T, where every row has weights of its own."""
        return None if self._there is None else self._there.shape[2]

    def _of_weights(self, x: Tensor) -> Tensor:
        """What examples have (J, G), for each of their weights: (J, G[ * T])."""
        return x if self._rows is None else x.repeat_interleave(self._rows, 1)

    def _real(self, deal: Deal) -> Tensor:
        """1 where a weight is learned, 0 where it only fills up: (J, G[ * T])."""
        if self._there is None:
            return deal.filled
        return self._of_weights(deal.filled) * deal.train(self._there).flatten(1)

    def _put_back(self, deal: Deal, x: Tensor, everyone: Tensor) -> None:
        """Write x (J, K, G[ * T]) to its places in (L, N[, T], K); rows that are not there keep
        what they have."""
        x = x.mT.reshape(len(x), -1, *everyone.shape[2:])
        if self._there is not None:
            x = torch.where(deal.train(self._there).unsqueeze(-1), x, deal.train(everyone))
        deal.put_back(x, everyone)

    def _walks(self, due: list[int]) -> dict[_Walk, list[int]]:
        """Lanes by what they must share."""
        numbers, words = self.values.numbers, self.values.words
        sizes = held_out_sizes(self.values, self.batch_size, self.data)
        walks: dict[_Walk, list[int]] = {}
        for lane in due:
            variant = VARIANTS[str(words["variant"][lane])]
            share, goal = words["held_out"][lane], str(words["held_out_loss"][lane])
            held_out = HeldOut(
                variant.held_out if share == "default" else float(share),
                cast(Goal, variant.held_out_loss if goal == "default" else goal),
            )
            walk = _Walk(
                variant.constraint,
                int(numbers["inner_repeats"][lane]) or variant.inner_repeats,
                int(numbers["grad_fit"][lane]),
                held_out,
                sizes[lane],
                str(words["hypergradient"][lane]),
                words["meta_step"][lane] == "normalised",
            )
            walks.setdefault(walk, []).append(lane)
        return walks

    def _whole_network(
        self, student: LaneNetwork, deal: Deal, held_out: HeldOut, lr: Tensor
    ) -> Slope:
        """The gradient through a step of all layers, one group after the other."""
        network, values = Network(student, deal.at), self.values.keep(deal.at)
        step = lr[deal.at] / self.batch_size
        sides = [
            self._sides(network, deal, held_out, values, group) for group in range(deal.groups)
        ]

        def slope(lam: Tensor) -> Tensor:
            with evaluation_mode(student):
                gradients = [
                    look_ahead_gradient(network.parameters, group, deal.group(j, lam), step, lower)
                    for j, (group, lower) in enumerate(sides)
                ]
            return torch.stack(gradients, dim=1).flatten(0, 1)

        return slope

    def _sides(
        self, network: Network, deal: Deal, held_out: HeldOut, values: LaneValues, j: int
    ) -> tuple[Group, Callable[[Parameters], Tensor]]:
        """The training side of group ``j``, and the loss that it should lower."""
        batch = self.data.batch("train", deal.train_index[:, j], deal.at)
        shown = partial(network.output, x=batch.inputs)
        terms = partial(self._terms, batch.targets, values)
        along = partial(self._along, batch.targets, values)
        group = Group(shown, terms, along, self._of_weights(deal.group(j, deal.scale)))
        alone = deal.only(j)
        objective = held_out.objective(self.data, values, alone)
        x = self.data.inputs_of("meta", alone.index("meta"), deal.at)

        def lower(theta: Parameters) -> Tensor:
            output = network.output(theta, x)
            if held_out.share < 1:
                output = joined([output, shown(theta)])
            return objective.loss(output)

        return group, lower

    def _terms(self, targets: Any, values: LaneValues, shown: Output) -> Tensor:
        """What the weights weigh at an output, (L, K, G)."""
        return self.data.terms(targets, shown, values).first(1 + self.data.teachers)

    def _along(self, targets: Any, values: LaneValues, shown: Output, tangent: Output) -> Tensor:
        """How fast it changes along a tangent, (L, K, G)."""
        return self.data.terms_along(targets, shown, tangent, values, 1 + self.data.teachers)


def _meta_lr(values: LaneValues, like: Tensor) -> Tensor:
    """The step size of every lane, (L,)."""
    given = zip(values.words["meta_lr"], values.words["meta_step"], strict=True)
    return torch.tensor(
        [META_LR[str(step)] if lr == "default" else float(lr) for lr, step in given],
        device=like.device,
    )
