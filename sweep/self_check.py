"""A first look at the user's own code that a sweep names: a few steps on its own data, in this
process, before anything is written."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.domains import Choice, Domain, Int
from sweep.errors import BadInput
from sweep.plan.plan import Cell, Plan
from sweep.plan.tasks import CohortTask, search_cohort
from trainers.data.dataset import Dataset
from trainers.fields import Value
from trainers.lanes.seeds import torch_generator
from trainers.loading import content_key, subset
from trainers.loop.live_teachers import LiveTeachers, Weights
from trainers.loop.self_check import Unsound, check_lanes
from trainers.loop.stack import Stack
from trainers.own import is_path
from trainers.registry import TASKS
from trainers.settings import NO_NETWORK, DataSpec, Lane, LaneSource, ModelSpec
from trainers.task import KeptOutputs, Task

# Where on the scale of every searched hyperparameter the lanes of the check are, one each.
SHARES = (0.25, 0.6, 0.75, 0.4)
# What they train: steps of an epoch, and examples of a batch at most.
STEPS, BATCH = 2, 16
# Steps so short that no training diverges: their first rate, and what a gradient is cut to.
LR, CLIP_NORM = 0.01, 1.0
# Examples of the data set: so many of the smallest split and of each class, on average.
OF_A_SPLIT, OF_A_CLASS = 8, 8
CPU = torch.device("cpu")


def check_own_code(plan: Plan, datasets: Mapping[str, Dataset]) -> None:
    """BadInput where a method or a network of the user's own does something wrong.

    ``datasets``: by content. Networks come first, each by the method that teachers train by.
    """
    checks: dict[tuple[str, str], tuple[CohortTask, Cell]] = {}
    for cell in plan.cells:
        cohort = cohort_of(plan, cell)
        for model in (model.settings() for _, model in cell.spec.models()):
            if is_path(model.name):
                checks.setdefault((model.name, ""), (_labels_only(cohort, model), cell))
        if is_path(cell.use.method):
            checks.setdefault((cell.use.method, cell.use.label), (cohort, cell))
    for (path, _), (cohort, cell) in sorted(checks.items(), key=lambda item: item[0][1] != ""):
        check_cohort(plan, path, cohort, datasets[content_key(cell.spec.data_settings())])


def _labels_only(cohort: CohortTask, model: ModelSpec) -> CohortTask:
    """The same lanes of a network, by the labels alone."""
    lanes = tuple(replace(lane, lane=Lane(lane.key, 0, {"lr": LR})) for lane in cohort.lanes)
    spec = replace(cohort.spec, model=model, method="labels_only")
    return replace(cohort, spec=spec, lanes=lanes, teacher_networks=())


def cohort_of(plan: Plan, cell: Cell) -> CohortTask:
    """Trials of a cell, one for each share."""
    values = {
        number: {**_values(cell.space, share), "lr": LR * (1 + share)}
        for number, share in enumerate(SHARES)
    }
    return search_cohort(plan, plan.searches_of(cell)[0], values, 0)


def check_cohort(plan: Plan, path: str, cohort: CohortTask, dataset: Dataset) -> None:
    """BadInput that names ``path`` where something goes wrong in that cohort."""
    entry = TASKS[cohort.spec.task]
    stacks = entry.methods[cohort.spec.method].stacks
    together = entry.networks[cohort.spec.model.name].together
    threads = torch.get_num_threads()
    # With several, a product is divided by the shape of the whole stack.
    torch.set_num_threads(1)
    try:
        bench = _Bench.of(cohort, _few(dataset, cohort.data))
        check_lanes(bench.stack, alone=not (stacks and together))
    except Unsound as error:
        raise BadInput(f"{plan.spec.name}: {path} {error}") from error
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class _Bench:
    """What stacks of the check are made from; the teachers are as they started."""

    cohort: CohortTask
    dataset: Dataset
    task: Task
    outputs: dict[str, KeptOutputs]
    networks: list[ModelSpec]
    weights: list[Weights]

    @staticmethod
    def of(cohort: CohortTask, dataset: Dataset) -> "_Bench":
        entry = TASKS[cohort.spec.task]
        task, labels = entry.load(), cohort.lanes[0].source.labels
        data = task.data(dataset, cohort.data, [LaneSource(0, labels)], {}, CPU)
        outputs: dict[str, KeptOutputs] = {}
        # For logits from a file, and of light teachers, those of some network stand in.
        known = cohort.teacher_networks
        networks = [cohort.spec.model if model == NO_NETWORK else model for model in known]
        weights: list[Weights] = []
        for number, model in enumerate(networks):
            whole = entry.networks[model.name].complete(model)
            network = task.network(whole, data, [torch_generator(number, "teacher")])
            held = network.held()
            weights.append({name: t.detach()[0].numpy() for name, t in held.items()})
            (kept,) = task.kept_outputs(network, data)
            outputs[str(number)] = {name: _tamed(array) for name, array in kept.items()}
        return _Bench(cohort, dataset, task, outputs, networks, weights)

    def stack(self, lanes: Sequence[int]) -> Stack:
        """These lanes, each under a seed of its own, as they start."""
        entry, own = TASKS[self.cohort.spec.task], [self.cohort.lanes[i] for i in lanes]
        sources = [
            replace(lane.source, seed=i, teachers=tuple(self.outputs))
            for i, lane in zip(lanes, own, strict=True)
        ]
        data = self.task.data(self.dataset, self.cohort.data, sources, self.outputs, CPU)
        live = None
        if self.cohort.asks_teachers and self.weights:
            weights = [self.weights for _ in lanes]
            live = LiveTeachers(self.networks, weights, data, self.task, entry)
        training = self.cohort.spec.training
        short = replace(
            training,
            steps=STEPS,
            batch_size=min(BATCH, training.batch_size),
            warmup_steps=0,
            clip_norm=CLIP_NORM,
        )
        spec = replace(self.cohort.spec, training=short)
        named = [
            Lane(str(i), i, lane.lane.hyperparameters) for i, lane in zip(lanes, own, strict=True)
        ]
        return Stack(spec, named, data, self.task, entry, live)


def _values(space: dict[str, Domain], share: float) -> dict[str, Value]:
    """A configuration: every hyperparameter at that share of its range."""
    return {name: _at(domain, share) for name, domain in space.items()}


def _at(domain: Domain, share: float) -> Value:
    if isinstance(domain, Choice):
        return domain.choices[int(share * len(domain.choices))]
    low, high = domain.low, domain.high
    value = low * (high / low) ** share if domain.log else low + share * (high - low)
    return round(value) if isinstance(domain, Int) else value


def _tamed(outputs: NDArray[Any]) -> NDArray[Any]:
    """Numbers of a teacher no larger than a trained one's: deep networks start with huge ones."""
    if outputs.dtype.kind != "f":
        return outputs
    return (outputs / max(1.0, float(outputs.std()))).astype(outputs.dtype)


def _few(dataset: Dataset, spec: DataSpec) -> Dataset:
    """A part of the data set, the whole where a part would not do."""
    if spec.fractions.given:
        return dataset
    asked = spec.fractions.train * (spec.calls.share if spec.calls else 1.0)
    smallest = min(*spec.fractions.drawn().values(), asked)
    strata = len(np.unique(dataset.strata))
    wanted = max(math.ceil(OF_A_SPLIT / smallest), OF_A_CLASS * strata)
    if wanted >= len(dataset):
        return dataset
    part = subset(dataset, wanted)
    return dataset if part.problem(spec) else part
