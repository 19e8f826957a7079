"""METHODS: the ways to train that see nothing but terms, and so serve every task; ROW_METHODS:
those that see each row's share of them, and serve tasks whose examples have several."""

from collections.abc import Mapping
from dataclasses import replace

from trainers.entries import MethodEntry
from trainers.fields import Field
from trainers.hyperparameters import (
    CLEAN_ALPHA,
    ENDS_OF_MIX,
    HELD_OUT_BATCH,
    LOOK_AHEAD_LR,
    MIX,
    NET_LR,
    OPTIMIZER,
    TEMPERATURE,
)
from trainers.mixing import costs

META_STEP = Field(
    "meta_step", "choice", "normalised", "whether a group's gradient is taken as it is, or divided "
    "by its root mean square at the group's first inner step", "raw: published; normalised: own",
    choices=("raw", "normalised"),
)  # fmt: skip

METHODS: Mapping[str, MethodEntry] = {
    "alm_kd": MethodEntry(
        implementation="trainers.mixing.alm_kd.rule:AlmKd",
        summary="weights of label and teachers learned per example by a meta-gradient",
        source="arXiv 2202.03250 and its authors' public code",
        teachers="any",
        uses_meta=True,
        by_example=True,
        one_teacher_only={"variant": ("convex",)},
        asks_held_out=(
            {"held_out_loss": "mixed"},
            {"held_out_loss": "teacher"},
            {"held_out_loss": "default", "variant": "max"},
            {"held_out_loss": "default", "variant": "softmax"},
        ),
        cost=costs.alm_kd,
        hyperparameters=(
            *OPTIMIZER,
            LOOK_AHEAD_LR,
            TEMPERATURE,
            Field(
                "variant", "choice", "box", "the constraint on the weights", "authors' code",
                choices=("convex", "box", "max", "softmax"),
            ),
            META_STEP,
            Field(
                "meta_lr", "float", "default", "step size of the weights; by default 1500 for raw, "
                "0.1 for normalised, where it is how far a typical weight moves",
                "authors' code, box; own", low=0.0, words=("default",),
            ),
            Field(
                "start", "float", "default", "a teacher's weight before the first update: a "
                "number, uniform (drawn per example), or the variant's default", "authors' code",
                low=0.0, high=1.0, words=("default", "uniform"),
            ),
            Field(
                "held_out", "float", "default", "share of the held-out batch in the loss that the "
                "weights lower, the rest is the training group's; or the variant's default",
                "authors' code", unit="share", low=0.0, high=1.0, words=("default",),
            ),
            Field(
                "held_out_loss", "choice", "default", "the loss that the weights lower: to the "
                "labels, to labels mixed with the last teacher, or to the last teacher",
                "authors' code", choices=("default", "labels", "mixed", "teacher"),
            ),
            Field(
                "hypergradient", "choice", "last_layer", "how much of the network the look-ahead "
                "step moves", "authors' code; full is the exact one-step look-ahead",
                choices=("last_layer", "full"),
            ),
            Field(
                "warmup_epochs", "int", 10, "how long the weights stay as they start",
                "authors' code, 200 epochs", unit="epochs", low=0,
            ),
            Field(
                "update_every", "int", 10, "how long between updates of the weights",
                "authors' code, 200 epochs", unit="epochs", low=1,
            ),
            Field(
                "grad_fit", "int", 3, "training batches whose gradients one update sums",
                "authors' code, 2 to 4", unit="batches", low=1,
            ),
            HELD_OUT_BATCH,
            Field(
                "inner_repeats", "int", 0, "updates per group of batches; 0: the variant's default",
                "authors' code", low=0,
            ),
            CLEAN_ALPHA,
        ),
    ),
    "fixed_kd": MethodEntry(
        implementation="trainers.mixing.fixed_kd:FixedKd",
        summary="one fixed mix of label and teachers for all examples",
        source="Hinton et al. 2015, arXiv 1503.02531",
        teachers="any",
        uses_meta=False,
        by_example=True,
        hyperparameters=MIX,
        limits=ENDS_OF_MIX,
    ),
    "labels_only": MethodEntry(
        implementation="trainers.mixing.labels_only:LabelsOnly",
        summary="the given labels alone, no teacher",
        source="standard",
        teachers="none",
        uses_meta=False,
        by_example=True,
        hyperparameters=OPTIMIZER,
    ),
    "fine_tuning": MethodEntry(
        implementation="trainers.mixing.fine_tuning:FineTuning",
        summary="the given labels, in the last epochs of the clean examples alone, no teacher",
        source="standard",
        teachers="none",
        uses_meta=False,
        by_example=True,
        needs_clean_rows=True,
        hyperparameters=(
            *OPTIMIZER,
            Field(
                "fine_tune_epochs", "int", 5, "the last epochs, on the clean examples alone", "own",
                unit="epochs", low=1, below_epochs=True,
            ),
            Field(
                "fine_tune_scale", "float", 0.1, "the learning rate at the first of them, as a "
                "multiple of lr; from there the schedule begins anew", "own", low=0.0,
                open_low=True,
            ),
        ),
    ),
    "superloss": MethodEntry(
        implementation="trainers.mixing.superloss:SuperLoss",
        summary="fixed mix in which examples with a large loss count less",
        source="Castells et al. 2020 (NeurIPS); on the mix as in the code of arXiv 2202.03250",
        teachers="any",
        uses_meta=False,
        by_example=True,
        hyperparameters=(
            *MIX,
            Field(
                "regularization", "float", 1.0, "how much confidence stays near 1",
                "code of arXiv 2202.03250: 1 for 10 classes, 0.25 for 100", low=0.0, open_low=True,
            ),
        ),
    ),
    "meta_weight_net": MethodEntry(
        implementation="trainers.mixing.meta_weight_net:MetaWeightNet",
        summary="labels weighted by a net of their loss that looks ahead on clean data, no teacher",
        source="Shu et al. 2019, arXiv 1902.07379, and its authors' public code",
        teachers="none",
        uses_meta=True,
        cost=costs.learned_weights,
        by_example=True,
        hyperparameters=(*OPTIMIZER, LOOK_AHEAD_LR, NET_LR, HELD_OUT_BATCH),
    ),
    "bikd": MethodEntry(
        implementation="trainers.mixing.bikd:Bikd",
        summary="label and teacher weighted by a net that looks ahead on clean data",
        source="arXiv 2605.17839 and its authors' public code",
        teachers="one",
        uses_meta=True,
        cost=costs.learned_weights,
        by_example=True,
        hyperparameters=(
            *OPTIMIZER,
            LOOK_AHEAD_LR,
            replace(TEMPERATURE, source="authors' code"),
            replace(NET_LR, source="authors' code"),
            Field(
                "net_lr_decay", "float", 0.8, "what net_lr is multiplied by whenever the student's "
                "learning rate falls from one epoch to the next",
                "authors' code, where it falls twice in 120 epochs", low=0.0, high=1.0,
            ),
            HELD_OUT_BATCH,
            Field(
                "held_out_batches", "int", 5, "steps of the student, each with a held-out batch of "
                "its own, whose gradients one step of the net takes together", "authors' code",
                unit="batches", low=1,
            ),
            CLEAN_ALPHA,
        ),
    ),
    "aver": MethodEntry(
        implementation="trainers.mixing.aver:Aver",
        summary="several teachers with equal weights",
        source="You et al. 2017 (KDD)",
        teachers="any",
        uses_meta=False,
        by_example=True,
        hyperparameters=MIX,
        limits=ENDS_OF_MIX,
    ),
}  # fmt: skip

ROW_METHODS: Mapping[str, MethodEntry] = {
    "alm_kd_token": replace(
        METHODS["alm_kd"],
        implementation="trainers.mixing.alm_kd.by_row:AlmKdByRow",
        summary="weights of label and teachers learned per row of an example by a meta-gradient",
        source="own, on alm_kd",
        hyperparameters=tuple(
            replace(h, meaning=h.meaning.replace("drawn per example", "drawn per row"))
            if h.name == "start" else h
            for h in METHODS["alm_kd"].hyperparameters
        ),
    ),
}  # fmt: skip


def mixing_methods(
    *declared_anew: Field, without: tuple[str, ...] = ()
) -> Mapping[str, MethodEntry]:
    """The methods for a task that declares some hyperparameters anew, by name, and drops some.

    A task without a temperature, say, or with another default or another legal range.
    """
    return anew(METHODS, *declared_anew, without=without)


def row_methods(*declared_anew: Field, without: tuple[str, ...] = ()) -> Mapping[str, MethodEntry]:
    """The same of those for a task whose terms have rows (`trainers.task.Terms.label_rows`)."""
    return anew(ROW_METHODS, *declared_anew, without=without)


def anew(
    methods: Mapping[str, MethodEntry], *declared: Field, without: tuple[str, ...] = ()
) -> Mapping[str, MethodEntry]:
    """The same of any methods."""
    own = {h.name: h for h in declared}
    return {
        name: replace(
            entry,
            hyperparameters=tuple(
                own.get(h.name, h) for h in entry.hyperparameters if h.name not in without
            ),
        )
        for name, entry in methods.items()
    }
