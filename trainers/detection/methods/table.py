"""METHODS: the ways to train that know pictures with boxes; and what the mixing methods take
here."""

from collections.abc import Mapping
from dataclasses import replace

from trainers.detection.methods import costs
from trainers.entries import MethodEntry
from trainers.fields import Field, Limit, Value
from trainers.hyperparameters import (
    ALPHA,
    LOOK_AHEAD_LR,
    LR,
    OPTIMIZER,
    TEMPERATURE,
    WEIGHT_DECAY,
)
from trainers.mixing.table import anew, mixing_methods

AUTHORS = "authors' code"
DECLARED_ANEW = (
    replace(LR, default=0.01, source="own, small convolutions from scratch"),
    replace(WEIGHT_DECAY, default=0.01, source="own"),
    replace(TEMPERATURE, default=1.0, source="own"),
    replace(ALPHA, default=0.5, source="own"),
    replace(LOOK_AHEAD_LR, default=0.1),
)
IN_TERMS = "terms"
FEATURE_WEIGHT = Field(
    "feature_weight", "float", 0.1, "weight of the teacher's features, by their mean square "
    "distance over their variance", "own; a weight of 1 costs a small student much", low=0.0,
)  # fmt: skip
TERMS = Field(
    IN_TERMS, "choice", "outputs", "what of the teacher is met: its classes and boxes, or its "
    "features besides, by their weight", "own", choices=("outputs", "all"),
)  # fmt: skip

OWN: Mapping[str, MethodEntry] = {
    "feature_kd": MethodEntry(
        implementation="trainers.detection.methods.feature_kd:FeatureKd",
        summary="labels, and the teacher's features",
        source="own, after Romero et al. 2015, arXiv 1412.6550",
        teachers="one",
        by_example=True,
        hyperparameters=(*OPTIMIZER, FEATURE_WEIGHT),
        limits=(Limit({"feature_weight": 0.0}, "labels_only"),),
    ),
    "fgd": MethodEntry(
        implementation="trainers.detection.methods.fgd:Fgd",
        summary="labels, and the teacher's features where things are and where it looks",
        source="Yang et al. 2022 (CVPR), arXiv 2111.11837, and its authors' public code",
        teachers="one",
        by_example=True,
        hyperparameters=(
            *OPTIMIZER,
            FEATURE_WEIGHT,
            Field(
                "background_share", "float", 0.5, "weight of features beside things, as a multiple "
                "of that of things", AUTHORS, low=0.0,
            ),
            Field(
                "attention_share", "float", 0.5, "the same of where the teacher looks", AUTHORS,
                low=0.0,
            ),
            Field(
                "attention_temperature", "float", 0.5, "of attention; high ones look everywhere "
                "alike", AUTHORS, low=0.0, open_low=True,
            ),
        ),
        limits=(Limit({"feature_weight": 0.0}, "labels_only"),),
    ),
    "ikd": MethodEntry(
        implementation="trainers.detection.methods.ikd:Ikd",
        summary="feature_kd on pictures that are changed by the size of what is on them, and on "
        "adversarial twins of them",
        source="Liang et al. 2022, arXiv 2209.05841, and its authors' public code",
        teachers="one",
        changes_inputs=True,
        cost=costs.ikd,
        hyperparameters=(
            *OPTIMIZER,
            FEATURE_WEIGHT,
            Field(
                "twin_weight", "float", 0.1, "the same of features of twins", "own",
                low=0.0,
            ),
            Field(
                "noise_prob", "float", 0.3, "share of the pictures without a box that is not "
                "small that have noise", AUTHORS, unit="share", low=0.0, high=1.0,
            ),
            Field(
                "noise_std", "float", 0.08, "standard deviation of that noise; white is 1", AUTHORS,
                low=0.0, high=1.0,
            ),
            Field(
                "crop_min", "float", 0.8, "of other pictures, the least share of either side that "
                "is left", AUTHORS, unit="share", low=0.0, open_low=True, high=1.0,
            ),
            Field(
                "attack_size", "float", 8 / 255, "how far a pixel of a twin may be from that of "
                "its picture, as a share of the picture's largest range", AUTHORS, unit="share",
                low=0.0, high=1.0,
            ),
            Field(
                "attack_step", "float", 2 / 255, "how far one step moves it", AUTHORS, unit="share",
                low=0.0, high=1.0,
            ),
            Field("attack_steps", "int", 5, "of an attack", AUTHORS, unit="steps", low=0, high=100),
            Field(
                "attack_momentum", "float", 1.0, "share of the steps before in a step", AUTHORS,
                low=0.0, high=1.0,
            ),
            Field(
                "ikd_until", "float", 2 / 3, "share of the epochs in which pictures are changed "
                "and have twins", AUTHORS, unit="share", low=0.0, high=1.0,
            ),
        ),
        limits=(
            Limit({"feature_weight": 0.0, "twin_weight": 0.0, "noise_prob": 0.0,
                   "crop_min": 1.0}, "labels_only"),
            Limit({"ikd_until": 0.0}, "feature_kd"),
        ),
    ),
}  # fmt: skip


def _problem(values: Mapping[str, Value]) -> str | None:
    """Features do not depend on the last layer, so that a step of it alone tells nothing of their
    weight."""
    if values[IN_TERMS] == "all" and values.get("hypergradient") == "last_layer":
        return (
            "terms: all weighs the teacher's features too, which a step of the last layer does not "
            "move; pin hypergradient: full, or terms: outputs"
        )
    return None


def _with_terms(entry: MethodEntry) -> MethodEntry:
    if not entry.uses_teacher:
        return entry
    weight = replace(FEATURE_WEIGHT, needs={IN_TERMS: "all"})
    own = (*entry.hyperparameters, TERMS, weight)
    return replace(entry, hyperparameters=own, problem=_problem)


METHODS: Mapping[str, MethodEntry] = {
    **{name: _with_terms(entry) for name, entry in mixing_methods(*DECLARED_ANEW).items()},
    **anew(OWN, *DECLARED_ANEW),
}
