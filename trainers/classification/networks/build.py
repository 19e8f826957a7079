"""From a network's name and sizes to the network."""

from collections.abc import Sequence
from typing import Protocol, cast

import torch

from trainers.classification.networks.table import NETWORKS
from trainers.entries import load
from trainers.lanes.network import LaneNetwork
from trainers.settings import ModelSpec


class _Builder(Protocol):
    def __call__(
        self,
        spec: ModelSpec,
        shape: tuple[int, ...],
        classes: int,
        generators: Sequence[torch.Generator],
    ) -> LaneNetwork: ...


def build_model(
    spec: ModelSpec,
    shape: tuple[int, ...],
    classes: int,
    generators: Sequence[torch.Generator],
) -> LaneNetwork:
    """The network over ``len(generators)`` lanes for inputs of ``shape`` (without examples).

    Each lane starts from its own generator. ValueError where the network has not these sizes, or
    cannot take such inputs.
    """
    whole = spec if spec.implementation else NETWORKS[spec.name].complete(spec)
    builder = cast(_Builder, load(whole.implementation))
    return builder(whole, shape, classes, generators)
