"""METHODS: every way to train a student, in one table.

Free of torch, so that a spec can be checked without loading it; a method's class is named by path
and loaded where it trains.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainers.hyperparameters import ALPHA, LR, TEMPERATURE, WEIGHT_DECAY, Hyperparameter

if TYPE_CHECKING:
    from trainers.method import Method


@dataclass(frozen=True)
class MethodEntry:
    """One row of the table.

    ``uses_teacher``: its loss reads teacher logits. ``uses_meta``: it learns from the meta split.
    """

    implementation: str
    summary: str
    source: str
    uses_teacher: bool
    uses_meta: bool
    hyperparameters: tuple[Hyperparameter, ...]

    def hyperparameter(self, name: str) -> Hyperparameter:
        """The hyperparameter of that name; KeyError if the method has none."""
        return {h.name: h for h in self.hyperparameters}[name]

    def load(self) -> "type[Method]":
        """The class that trains by this method."""
        module, _, name = self.implementation.partition(":")
        loaded: type[Method] = getattr(importlib.import_module(module), name)
        return loaded


_OPTIMIZER = (LR, WEIGHT_DECAY)

METHODS: Mapping[str, MethodEntry] = {
    "alm_kd": MethodEntry(
        implementation="trainers.alm_kd:AlmKd",
        summary="weights of label and teacher learned per example by a meta-gradient",
        source="arXiv 2202.03250 and its authors' public code",
        uses_teacher=True,
        uses_meta=True,
        hyperparameters=(
            *_OPTIMIZER,
            TEMPERATURE,
            Hyperparameter(
                "variant", "choice", "box", "the constraint on the weights", "authors' code",
                choices=("convex", "box"),
            ),
            Hyperparameter(
                "meta_lr", "float", 1500.0, "step size of the weights", "authors' code, box",
                low=0.0,
            ),
            Hyperparameter(
                "start", "float", "default", "teacher's weight before the first update: a number, "
                "uniform (drawn per example), or the variant's default", "authors' code",
                low=0.0, high=1.0, words=("default", "uniform"),
            ),
            Hyperparameter(
                "warmup_epochs", "int", 10, "epochs at the starting weights",
                "authors' code, 200 epochs", low=0,
            ),
            Hyperparameter(
                "update_every", "int", 10, "epochs between updates of the weights",
                "authors' code, 200 epochs", low=1,
            ),
            Hyperparameter(
                "grad_fit", "int", 3, "training batches whose gradients one update sums",
                "authors' code, 2 to 4", low=1,
            ),
            Hyperparameter(
                "inner_repeats", "int", 0, "updates per group of batches; 0: the variant's default",
                "authors' code", low=0,
            ),
        ),
    ),
    "fixed_kd": MethodEntry(
        implementation="trainers.fixed_kd:FixedKd",
        summary="one fixed mix of label and teacher for all examples",
        source="Hinton et al. 2015, arXiv 1503.02531",
        uses_teacher=True,
        uses_meta=False,
        hyperparameters=(*_OPTIMIZER, TEMPERATURE, ALPHA),
    ),
    "cross_entropy": MethodEntry(
        implementation="trainers.cross_entropy:CrossEntropy",
        summary="the given labels alone, no teacher",
        source="standard",
        uses_teacher=False,
        uses_meta=False,
        hyperparameters=_OPTIMIZER,
    ),
}  # fmt: skip
