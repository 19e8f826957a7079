"""METHODS: every way to train a student, in one table.

Free of torch, so that a spec can be checked without loading it; a method's class is named by path
and loaded where it trains.
"""

from collections.abc import Mapping

from trainers.hyperparameters import ALPHA, LR, TEMPERATURE, WEIGHT_DECAY, Hyperparameter
from trainers.method_entry import MethodEntry

__all__ = ["METHODS", "MethodEntry"]

_OPTIMIZER = (LR, WEIGHT_DECAY)

METHODS: Mapping[str, MethodEntry] = {
    "alm_kd": MethodEntry(
        implementation="trainers.alm_kd:AlmKd",
        summary="weights of label and teachers learned per example by a meta-gradient",
        source="arXiv 2202.03250 and its authors' public code",
        teachers="any",
        uses_meta=True,
        one_teacher_only={"variant": ("convex",)},
        hyperparameters=(
            *_OPTIMIZER,
            TEMPERATURE,
            Hyperparameter(
                "variant", "choice", "box", "the constraint on the weights", "authors' code",
                choices=("convex", "max", "softmax", "box"),
            ),
            Hyperparameter(
                "meta_lr", "float", 1500.0, "step size of the weights", "authors' code, box",
                low=0.0,
            ),
            Hyperparameter(
                "start", "float", "default", "a teacher's weight before the first update: a "
                "number, uniform (drawn per example), or the variant's default", "authors' code",
                low=0.0, high=1.0, words=("default", "uniform"),
            ),
            Hyperparameter(
                "held_out", "float", "default", "share of the held-out batch in the loss that the "
                "weights lower, the rest is the training group's; or the variant's default",
                "authors' code", low=0.0, high=1.0, words=("default",),
            ),
            Hyperparameter(
                "held_out_loss", "choice", "default", "the loss that the weights lower: to the "
                "labels, to labels mixed with the last teacher, or to the last teacher",
                "authors' code", choices=("default", "labels", "mixed", "teacher"),
            ),
            Hyperparameter(
                "hypergradient", "choice", "last_layer", "how much of the network the look-ahead "
                "step moves", "authors' code; full is the exact one-step look-ahead",
                choices=("last_layer", "full"),
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
        summary="one fixed mix of label and teachers for all examples",
        source="Hinton et al. 2015, arXiv 1503.02531",
        teachers="any",
        uses_meta=False,
        hyperparameters=(*_OPTIMIZER, TEMPERATURE, ALPHA),
    ),
    "cross_entropy": MethodEntry(
        implementation="trainers.cross_entropy:CrossEntropy",
        summary="the given labels alone, no teacher",
        source="standard",
        teachers="none",
        uses_meta=False,
        hyperparameters=_OPTIMIZER,
    ),
}  # fmt: skip
