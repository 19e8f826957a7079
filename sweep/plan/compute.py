"""How many trials a search has where rows are given equal compute in place of equal trials.

Counted from the sizes of networks and inputs, never measured: a plan is the same on every machine.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep.errors import BadInput
from trainers.costs import Costs
from trainers.entries import Shape
from trainers.loading import changing, input_shape
from trainers.settings import NO_NETWORK, ModelSpec

if TYPE_CHECKING:
    from sweep.plan.plan import Cell, Plan
    from sweep.spec.spec import SweepSpec

FIELD = "search.fair: compute"
ELSE = "or drop search.fair for equal trials"
# What dividing costs may be off by.
TINY = 1e-9


@dataclass(frozen=True)
class TrialCost:
    """What a trial of a row takes.

    ``step``: a training step of one example, in forward passes of the row's student; ``work``:
    multiply-adds of such a pass; ``epochs``; ``examples``: of an epoch, 1 where that is all of the
    training split.
    """

    step: float
    work: int
    epochs: int
    examples: int = 1

    @property
    def multiply_adds(self) -> float:
        """Of a whole trial, for each example of the training split where an epoch is all of it."""
        return self.step * self.work * self.epochs * self.examples


@dataclass(frozen=True)
class Allotted:
    """The ``trials`` of a cell, what one costs, and that as a multiple of what one of the first
    baseline costs, ``relative``."""

    trials: int
    cost: TrialCost
    relative: float


def allotted(plan: "Plan") -> dict[str, Allotted]:
    """What every cell is given, by name: in each condition `search.trials` times what a trial of
    the first baseline costs there, as whole trials and one at least.

    A cell that is shown in several conditions has the fewest that one of them gives it. BadInput
    where a cost is not known, or a cell is told more configurations than it has trials.
    """
    costs = {cell.id: trial_cost(plan, cell) for cell in plan.cells}
    found: dict[str, Allotted] = {}
    for condition in plan.conditions:
        baseline = costs[plan.shown(condition, plan.baselines[0]).id]
        for use in plan.spec.methods:
            cell = plan.shown(condition, use.label)
            cost = costs[cell.id]
            _check_epochs(use.label, cost, baseline)
            relative = cost.multiply_adds / baseline.multiply_adds
            trials = max(1, math.floor(plan.spec.search.trials / relative + TINY))
            if cell.id not in found or trials < found[cell.id].trials:
                found[cell.id] = Allotted(trials, cost, relative)
    for cell in plan.cells:
        _check_enqueued(cell, found[cell.id].trials)
    return found


def trial_cost(plan: "Plan", cell: "Cell") -> TrialCost:
    """What a trial of ``cell`` costs, at the pinned hyperparameters and the defaults of others;
    BadInput where that is not known."""
    spec, label, entry = cell.spec, cell.use.label, cell.entry
    if spec.data.stream:
        raise BadInput(
            f"{FIELD}: what a training costs whose classes come task by task is not known; drop it"
        )
    shape = input_shape(spec.data_settings())
    if shape is None:
        raise BadInput(
            f"{FIELD}: inputs of {spec.data.dataset} are as large as its files say, which a plan "
            f"does not read; take another data set, {ELSE}"
        )
    student = spec.student.model.settings()
    work = work_of(spec, student, shape)
    if work is None:
        raise BadInput(
            f"{FIELD}: {label}: how much a forward pass of {student.name} takes is not known; take "
            f"another network, {ELSE}"
        )
    networks, training = plan.teacher_networks(cell), spec.student_training()
    asks = entry.changes_inputs or bool(changing(spec.data_settings()))
    of_teachers = tuple(_of_teacher(spec, network, shape, work) for network in networks)
    costs = Costs(training.batch_size, training.all_epochs, of_teachers, asks)
    values = {h.name: cell.use.pin.get(h.name, h.default) for h in entry.hyperparameters}
    step = entry.cost(costs, values)
    if math.isnan(step):
        names = [n.name for n, c in zip(networks, of_teachers, strict=True) if math.isnan(c)]
        raise BadInput(
            f"{FIELD}: {label} asks its teacher while it trains, and how much a forward pass of "
            f"{names[0]} takes is not known; take another network, {ELSE}"
        )
    examples = 1 if training.steps is None else training.steps * training.batch_size
    return TrialCost(step, work, training.all_epochs, examples)


def work_of(spec: "SweepSpec", network: ModelSpec, shape: Shape) -> int | None:
    """Multiply-adds of a forward pass of one example; None where that is not known."""
    row = spec.task_entry.networks[network.name]
    return None if row.work is None else row.work(row.complete(network), shape)


def _of_teacher(spec: "SweepSpec", network: ModelSpec, shape: Shape, student: int) -> float:
    """A forward pass of a teacher, in the student's; NaN where it is not known."""
    if network == NO_NETWORK:
        return 0.0
    work = work_of(spec, network, shape)
    return math.nan if work is None else work / student


def _check_epochs(label: str, cost: TrialCost, baseline: TrialCost) -> None:
    """BadInput where epochs of one of them are of so many steps, and those of the other a pass."""
    if (cost.examples == 1) != (baseline.examples == 1):
        raise BadInput(
            f"{FIELD}: {label} and the baseline train for epochs of so many steps and of passes "
            f"over the data, which cannot be counted against each other; give both "
            f"student.training.steps, {ELSE}"
        )


def _check_enqueued(cell: "Cell", trials: int) -> None:
    """BadInput where a cell is to try more configurations of the spec than it has trials."""
    if cell.space and len(cell.enqueued) > trials:
        raise BadInput(
            f"search.enqueue.{cell.use.label}: has {len(cell.enqueued)} configurations, which "
            f"count among the trials, and {FIELD} gives {cell.id} {trials}; raise search.trials, "
            "or drop some"
        )
