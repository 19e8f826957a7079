"""ALM-KD with a weight for each row of an example: how far each of its labels is trusted.

L lanes, B examples of a batch, N training examples, T rows of an example (the longest has as many),
M teachers, K = 1 + M terms per row, J groups of G examples.

lam     weights of a row's share of the terms                               (L, N, T, K)
l_itk   share of row t in term k of example i, the mean over its rows in it
L_i     sum_t sum_k lam_itk l_itk

All else is the rule for examples, with each row as an example of its own: with
r_itk = dl_itk/dz_it, which carries the example's mean over its rows,

    dL_val/dlam_itk = -(eta / B) r_itk . (G_W h_it + G_b),

whose sum over t is the derivative by the example's one weight. Examples with one row have the
weights that `trainers.mixing.alm_kd.rule` gives them, to the last bit.

Rows that are not there start with the weights (1, 0, ...), which no update moves, and count in no
diagnostic and in no root mean square of a normalised step. A start that is drawn is drawn for each
row that is there, in order.

Source: own; the rule is that of `trainers.mixing.alm_kd.rule`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainers.lanes.network import Output
from trainers.lanes.values import LaneValues
from trainers.method import Setup, Step
from trainers.mixing.alm_kd.diagnostics import LABEL, diagnostics
from trainers.mixing.alm_kd.rule import AlmKd
from trainers.mixing.alm_kd.sides import with_rows
from trainers.mixing.alm_kd.variants import Variant
from trainers.task import TaskData


class AlmKdByRow(AlmKd):
    """Distillation with a learned weight per row of a training example and loss.

    NotImplementedError where the task's terms have no rows.
    """

    _there: Tensor

    def __init__(self, setup: Setup) -> None:
        self._there = _rows_there(setup.data)
        super().__init__(setup)

    def losses(self, step: Step) -> Tensor:
        label = step.terms.label_rows
        at = step.batch.places.view(*step.batch.places.shape, 1, 1)
        lam = self.lam.gather(1, at.expand(-1, -1, *self.lam.shape[2:]))
        lam = with_rows(lam, label.shape[2], 2)
        loss = lam[..., LABEL] * label
        for m in range(self.data.teachers):
            loss = loss + lam[..., 1 + m] * step.terms.teacher_rows(m)
        return loss.sum(-1)

    def tables(self) -> Mapping[str, Tensor]:
        """``lambda``: of an example the mean over its rows, (L, N, K). ``lambda_rows``: of each
        row, (L, N, T, K), NaN where there is none."""
        there = self._there.unsqueeze(-1)
        mean = (self.lam * there).sum(2) / there.sum(2)
        return {"lambda": mean, "lambda_rows": self.lam.masked_fill(~there, torch.nan)}

    def _starting_weights(self, lane: int, variant: Variant, seed: int) -> Tensor:
        start, teachers = self.values.words["start"][lane], self.data.teachers
        there = self._there[lane].cpu()
        lam = torch.eye(1 + teachers)[LABEL].repeat(*there.shape, 1)
        lam[there] = variant.starting_weights(start, int(there.sum()), teachers, seed)
        return lam

    def _diagnose(self) -> dict[str, Tensor]:
        corrupted = self.data.corrupted_rows
        if corrupted is None:
            corrupted = self.data.corrupted.unsqueeze(-1).expand_as(self._there)
        corrupted = with_rows(corrupted, self._there.shape[2], 2)
        learned = [self._learned(x) for x in (self._there, self.lam, corrupted)]
        # Lanes may have more or fewer rows than others.
        of_lanes = [
            diagnostics(lam[there].unsqueeze(0), wrong[there].unsqueeze(0), high.unsqueeze(0))
            for there, lam, wrong, high in zip(*learned, self._high(), strict=True)
        ]
        return {name: torch.cat([told[name] for told in of_lanes]) for name in of_lanes[0]}

    def _terms(self, targets: Any, values: LaneValues, shown: Output) -> Tensor:
        terms = self.data.terms(targets, shown, values).first_rows(1 + self.data.teachers)
        return with_rows(terms, self._there.shape[2], 3).flatten(2)

    def _along(self, targets: Any, values: LaneValues, shown: Output, tangent: Output) -> Tensor:
        count = 1 + self.data.teachers
        along = self.data.row_terms_along(targets, shown, tangent, values, count)
        return with_rows(along, self._there.shape[2], 3).flatten(2)


def _rows_there(data: TaskData) -> Tensor:
    """Which rows the training examples have, (L, N, T)."""
    everything = torch.arange(data.size("train"), device=data.device).expand(data.lanes, -1)
    return data.rows_there(data.targets_of("train", everything))
