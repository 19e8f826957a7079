"""From a network's name and sizes to the network."""

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

import torch

from trainers.classification.networks.classifier import LaneClassifier
from trainers.classification.networks.table import NETWORKS, complete
from trainers.settings import ModelSpec


class _Builder(Protocol):
    def __call__(
        self,
        spec: ModelSpec,
        shape: tuple[int, ...],
        classes: int,
        generators: Sequence[torch.Generator],
    ) -> LaneClassifier: ...


def build_model(
    spec: ModelSpec,
    shape: tuple[int, ...],
    classes: int,
    generators: Sequence[torch.Generator],
) -> LaneClassifier:
    """The network over ``len(generators)`` lanes for inputs of ``shape`` (without examples).

    Each lane starts from its own generator. ValueError where the network has not these sizes, or
    cannot take such inputs.
    """
    module, _, name = NETWORKS[spec.name].implementation.partition(":")
    builder = cast(_Builder, getattr(importlib.import_module(module), name))
    return builder(complete(spec), shape, classes, generators)
