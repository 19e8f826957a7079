"""Teachers that look at what the student sees, where that changes from batch to batch.

L lanes, B examples of a batch, M teachers of a lane.

Where inputs are as they are, a teacher's outputs are computed once and kept; where they are
changed, the teachers go along and are asked anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call
from torch.utils._pytree import tree_map

from trainers.entries import TaskEntry
from trainers.evaluation import joined
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.weights import keep_lanes, put_lane_weights
from trainers.settings import ModelSpec
from trainers.task import Task, TaskData

# Parameters and buffers of one network, by name.
Weights = Mapping[str, NDArray[np.float32]]


class LiveTeachers:
    """M networks for each of L lanes, in evaluation mode."""

    def __init__(
        self,
        networks: Sequence[ModelSpec],
        weights: Sequence[Sequence[Weights]],
        data: TaskData,
        task: Task,
        entry: TaskEntry,
    ) -> None:
        """``networks``: M architectures, the same in every lane; ``weights``: per lane, M of them.

        KeyError where weights lack a parameter of the network.
        """
        self._teachers = [
            _Teacher(network, [lane[m] for lane in weights], data, task, entry)
            for m, network in enumerate(networks)
        ]

    @torch.no_grad()
    def outputs(self, inputs: Any) -> list[Output]:
        """What the M teachers of every lane make of inputs."""
        return [teacher.output(inputs) for teacher in self._teachers]

    @torch.no_grad()
    def outputs_of(self, lane: int, inputs: Any) -> list[Output]:
        """What the M teachers of one lane make of inputs with that lane alone."""
        return [teacher.output_of(lane, inputs) for teacher in self._teachers]

    def network(self, m: int) -> LaneNetwork:
        """Teacher ``m`` (from 0) of every lane; ValueError where it is a network for each."""
        return self._teachers[m].network()

    def keep(self, lanes: torch.Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices)."""
        for teacher in self._teachers:
            teacher.keep(lanes)


class _Teacher:
    """One teacher of every lane: stacked where that is how the network trains, else one by one."""

    def __init__(
        self,
        network: ModelSpec,
        weights: Sequence[Weights],
        data: TaskData,
        task: Task,
        entry: TaskEntry,
    ) -> None:
        row = entry.networks[network.name]
        network = row.complete(network)
        self._stacked = data.device.type in row.together
        groups = [list(weights)] if self._stacked else [[lane] for lane in weights]
        self._models = [_built(network, group, data, task) for group in groups]

    def output(self, inputs: Any) -> Output:
        if self._stacked or len(self._models) == 1:
            return self._models[0](inputs)
        parts = [
            model(tree_map(lambda t, i=i: t[i : i + 1], inputs))
            for i, model in enumerate(self._models)
        ]
        return _stacked(parts)

    def network(self) -> LaneNetwork:
        if len(self._models) > 1:
            raise ValueError(
                "the teachers of several lanes are a network for each here; train a lane at a "
                "time (resources.max_lanes: 1), or take a teacher that trains in lanes"
            )
        return self._models[0]

    def output_of(self, lane: int, inputs: Any) -> Output:
        if not self._stacked:
            return self._models[lane](inputs)
        (model,) = self._models
        own = {name: tensor[lane : lane + 1] for name, tensor in model.held().items()}
        output: Output = functional_call(model, own, (inputs,))
        return output

    def keep(self, lanes: torch.Tensor) -> None:
        if not self._stacked:
            self._models = [self._models[i] for i in lanes.tolist()]
            return
        keep_lanes(self._models[0], lanes)


def _built(
    network: ModelSpec, weights: Sequence[Weights], data: TaskData, task: Task
) -> LaneNetwork:
    generators = [torch.Generator() for _ in weights]
    model = task.network(network, data, generators).to(data.device).eval()
    put_lane_weights(model, weights)
    return model


def _stacked(parts: Sequence[Output]) -> Output:
    """Outputs of single lanes as one."""
    turned = [part.each(lambda t: t.transpose(0, 1)) for part in parts]
    return joined(turned).each(lambda t: t.transpose(0, 1))
