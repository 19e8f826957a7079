"""Distillation on sequences with holes: what a method may do beside a loss.

It shows students other inputs (`show`), about which teachers are asked anew; it draws at random
(`state`); and what is evaluated and kept is an average of the student over its steps (`evaluated`).
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from toys.sequences import NOTHING
from trainers.lanes.network import LaneNetwork
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.method import Setup
from trainers.mixing.fixed_kd import FixedKd
from trainers.task import Batch

DECAY = 0.5


class Dropping(FixedKd):
    """The fixed mix, on sequences some of whose tokens are gone."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._draws = [torch_generator(seed, "dropping") for seed in setup.seeds]
        self._dropped = torch.zeros(len(setup.seeds))
        self._average = copy.deepcopy(setup.student)

    def show(self, batch: Batch) -> Batch:
        share = self.values.numbers["dropped"].view(-1, 1, 1)
        shape = batch.inputs.shape[1:]
        gone = torch.stack([torch.rand(shape, generator=g) for g in self._draws]) < share
        self._dropped = gone.float().mean((1, 2))
        return batch._replace(inputs=batch.inputs.masked_fill(gone, NOTHING), changed=True)

    @torch.no_grad()
    def end_step(self, student: LaneNetwork) -> None:
        for name, parameter in self._average.named_parameters():
            parameter.lerp_(student.get_parameter(name), 1 - DECAY)

    def evaluated(self, student: LaneNetwork) -> LaneNetwork:
        return self._average

    def metrics(self) -> Mapping[str, Tensor]:
        return {"dropped": self._dropped}

    def state(self) -> dict[str, Any]:
        return {
            "draws": places(self._draws),
            "dropped": self._dropped,
            "average": dict(self._average.named_parameters()),
        }

    @torch.no_grad()
    def load_state(self, state: State) -> None:
        wind(self._draws, state["draws"])
        self._dropped = state["dropped"]
        for name, parameter in self._average.named_parameters():
            parameter.copy_(state["average"][name])

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._draws = [self._draws[i] for i in lanes.tolist()]
        self._dropped = self._dropped[lanes]
        for parameter in self._average.parameters():
            parameter.data = parameter.data[lanes]
