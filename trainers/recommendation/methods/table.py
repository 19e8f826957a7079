"""METHODS: the ways to train that know lists of items; and what the mixing methods take here."""

from collections.abc import Mapping
from dataclasses import replace

from trainers.entries import MethodEntry
from trainers.fields import Field, Limit
from trainers.hyperparameters import (
    ALPHA,
    LOOK_AHEAD_LR,
    LR,
    OPTIMIZER,
    TEMPERATURE,
    WEIGHT_DECAY,
)
from trainers.mixing.table import anew, mixing_methods
from trainers.recommendation.methods import costs

UNKD = "UnKD's authors' code"
DECLARED_ANEW = (
    replace(LR, default=0.01, source="own, of Adam"),
    replace(
        WEIGHT_DECAY, default=0.01, source=UNKD,
        meaning="L2 penalty on the vectors of each example's user, item and negative",
    ),
    replace(TEMPERATURE, default=1.0, source="own, of scores that are standardised per user"),
    replace(ALPHA, default=0.5, source="own"),
    replace(
        LOOK_AHEAD_LR, default=100.0,
        source="own: 0.05 for each interaction of a batch of 2048, as BPR by single steps has",
    ),
    Field(
        "hypergradient", "choice", "full", "how much of the network the look-ahead step moves: all "
        "vectors, as there is no last layer", "own", choices=("full",),
    ),
)  # fmt: skip
KD_WEIGHT = Field(
    "kd_weight", "float", 0.3, "weight of the teacher's order beside the label's loss",
    "own; UnKD's authors' code: 1", low=0.0,
)  # fmt: skip
USERS = Field(
    "users", "int", 128, "users whose order a step reads", "own", unit="users", low=1,
)  # fmt: skip

OWN: Mapping[str, MethodEntry] = {
    "rd": MethodEntry(
        implementation="trainers.recommendation.methods.rd:Rd",
        cost=costs.rd,
        summary="labels, and the items that the teacher puts first as if they had been taken",
        source="Tang and Wang 2018 (KDD), arXiv 1809.07428",
        teachers="one",
        hyperparameters=(
            *OPTIMIZER,
            KD_WEIGHT,
            USERS,
            Field("top", "int", 30, "items of the teacher", UNKD, unit="items", low=1, high=1000),
            Field(
                "position_scale", "float", 1.0, "over how many ranks weights fall by a factor e",
                UNKD, low=0.0, open_low=True,
            ),
            Field(
                "dynamic_from", "int", 100, "the epoch from which items count less that the "
                "student ranks well", UNKD, unit="epochs", low=1,
            ),
            Field(
                "dynamic_scale", "float", 0.1, "how fast they count more with what is between the "
                "ranks", UNKD, low=0.0, open_low=True,
            ),
        ),
        limits=(Limit({"kd_weight": 0.0}, "labels_only"),),
    ),
    "rrd": MethodEntry(
        implementation="trainers.recommendation.methods.rrd:Rrd",
        cost=costs.rrd,
        summary="labels, and the likelihood of the order of the items that the teacher puts first",
        source="Kang et al. 2020 (CIKM), arXiv 2012.04357",
        teachers="one",
        hyperparameters=(
            *OPTIMIZER,
            KD_WEIGHT,
            USERS,
            Field("top", "int", 40, "items that are put in order", "authors' code", unit="items",
                  low=1, high=1000),
            Field("others", "int", 40, "drawn items that come after them", "authors' code",
                  unit="items", low=1, high=1000),
        ),
        limits=(Limit({"kd_weight": 0.0}, "labels_only"),),
    ),
    "unkd": MethodEntry(
        implementation="trainers.recommendation.methods.unkd:UnKd",
        cost=costs.unkd,
        summary="labels, and the teacher's order within groups of items that are equally popular",
        source="Chen et al. 2023 (WWW), and its authors' public code",
        teachers="one",
        hyperparameters=(
            *OPTIMIZER,
            KD_WEIGHT,
            USERS,
            Field(
                "groups", "int", 2, "of items, by popularity; 1: the teacher's order as it is",
                "own; its authors' code: 2 or 4", unit="groups", low=1, high=32,
            ),
            Field("pairs", "int", 30, "of items, of each user of a step", UNKD, unit="pairs",
                  low=1, high=1000),
            Field(
                "rank_scale", "float", 20.0, "over how many ranks they are drawn less often by a "
                "factor e; below 1 nearly all are the first", UNKD, low=1.0,
            ),
        ),
        limits=(Limit({"kd_weight": 0.0}, "labels_only"),),
    ),
}  # fmt: skip

METHODS: Mapping[str, MethodEntry] = {
    **mixing_methods(*DECLARED_ANEW),
    **anew(OWN, *DECLARED_ANEW),
}
