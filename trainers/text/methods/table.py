"""METHODS: the ways to train that know texts."""

from collections.abc import Mapping

from trainers.entries import MethodEntry
from trainers.fields import Field, Limit
from trainers.hyperparameters import ALPHA, OPTIMIZER, TEMPERATURE
from trainers.text.methods import costs

METHODS: Mapping[str, MethodEntry] = {
    "mixkd": MethodEntry(
        implementation="trainers.text.methods.mixkd:MixKd",
        summary="fixed mix of label and teacher, on texts and on mixtures of two, which the "
        "teacher is asked about",
        source="after Liang et al. 2021 (ICLR), arXiv 2011.00593, from its abstract",
        teachers="one",
        changes_inputs=True,
        cost=costs.mixkd,
        hyperparameters=(
            *OPTIMIZER,
            TEMPERATURE,
            ALPHA,
            Field(
                "mix_alpha", "float", 0.4, "a of Beta(a, a), from which the share of a text in its "
                "mixture is drawn", "own; mixup has 0.1 to 0.4", low=0.0, open_low=True, high=100.0,
            ),
            Field(
                "sm_weight", "float", 1.0, "weight of the labels on mixtures, beside 1 of those on "
                "texts", "own", low=0.0,
            ),
            Field(
                "tmkd_weight", "float", 1.0, "weight of the teacher on mixtures", "own", low=0.0,
            ),
            Field(
                "kd_weight", "float", 0.0, "weight of the teacher on texts, beside that", "own",
                low=0.0,
            ),
            Field(
                "distance", "choice", "kl", "from the teacher on mixtures: a divergence, or the "
                "mean square of the difference of logits", "own", choices=("kl", "mse"),
            ),
            Field(
                "mask", "choice", "soft", "how much the places of a mixture count where one text "
                "has ended: its share, all where either has not ended, or all", "own; union and "
                "none: public code of mixup for texts", choices=("soft", "union", "none"),
            ),
            Field(
                "target", "choice", "query", "what the teacher says of a mixture: asked about it, "
                "or what it says of the two texts, mixed", "query: the paper; interpolate: own",
                choices=("query", "interpolate"),
            ),
            Field(
                "bank", "int", 4, "mixtures of every text that the teacher is asked about before "
                "training; 0: it is asked about new ones at every step", "own", low=0, high=1000,
            ),
        ),
        limits=(Limit({"sm_weight": 0.0, "tmkd_weight": 0.0, "kd_weight": 1.0}, "fixed_kd"),),
    ),
}  # fmt: skip
