"""METHODS: every way to train a student, in one table.

Free of torch, so that a spec can be checked without loading it; a method's class is named by path
and loaded where it trains.
"""

from collections.abc import Mapping
from dataclasses import replace

from trainers.hyperparameters import (
    ALPHA,
    LR,
    NET_LR,
    TEMPERATURE,
    WEIGHT_DECAY,
    Hyperparameter,
)
from trainers.method_entry import MethodEntry

__all__ = ["METHODS", "MethodEntry"]

_OPTIMIZER = (LR, WEIGHT_DECAY)
_MIX = (*_OPTIMIZER, TEMPERATURE, ALPHA)

METHODS: Mapping[str, MethodEntry] = {
    "alm_kd": MethodEntry(
        implementation="trainers.mixing.alm_kd.rule:AlmKd",
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
                choices=("convex", "box", "max", "softmax"),
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
        implementation="trainers.mixing.fixed_kd:FixedKd",
        summary="one fixed mix of label and teachers for all examples",
        source="Hinton et al. 2015, arXiv 1503.02531",
        teachers="any",
        uses_meta=False,
        hyperparameters=_MIX,
    ),
    "cross_entropy": MethodEntry(
        implementation="trainers.mixing.labels_only:CrossEntropy",
        summary="the given labels alone, no teacher",
        source="standard",
        teachers="none",
        uses_meta=False,
        hyperparameters=_OPTIMIZER,
    ),
    "label_smoothing": MethodEntry(
        implementation="trainers.classification.methods.label_smoothing:LabelSmoothing",
        summary="the given labels, softened towards all classes alike, no teacher",
        source="Szegedy et al. 2016, arXiv 1512.00567",
        teachers="none",
        uses_meta=False,
        hyperparameters=(
            *_OPTIMIZER,
            Hyperparameter(
                "smoothing", "float", 0.1, "share of the label given to all classes alike",
                "Szegedy et al. 2016", low=0.0, high=1.0,
            ),
        ),
    ),
    "wsld": MethodEntry(
        implementation="trainers.classification.methods.wsld:Wsld",
        summary="teacher weighted per example by whether it or the student knows the label better",
        source="Zhou et al. 2021, arXiv 2102.00650, and its authors' public code",
        teachers="one",
        uses_meta=False,
        hyperparameters=(
            *_OPTIMIZER,
            replace(TEMPERATURE, default=2.0, source="authors' code, ImageNet"),
            Hyperparameter(
                "kd_weight", "float", 2.5, "weight of distillation beside the label's 1",
                "authors' code, ImageNet", low=0.0,
            ),
        ),
    ),
    "superloss": MethodEntry(
        implementation="trainers.mixing.superloss:SuperLoss",
        summary="fixed mix in which examples with a large loss count less",
        source="Castells et al. 2020 (NeurIPS); on the mix as in the code of arXiv 2202.03250",
        teachers="any",
        uses_meta=False,
        hyperparameters=(
            *_MIX,
            Hyperparameter(
                "regularization", "float", 1.0, "how much confidence stays near 1",
                "code of arXiv 2202.03250: 1 for 10 classes, 0.25 for 100", low=0.0, open_low=True,
            ),
        ),
    ),
    "crust": MethodEntry(
        implementation="trainers.classification.methods.crust:Crust",
        summary="the given labels of a coreset of each class, no teacher",
        source="Mirzasoleiman et al. 2020, arXiv 2011.07451, and its authors' public code",
        teachers="none",
        uses_meta=False,
        hyperparameters=(
            *_OPTIMIZER,
            Hyperparameter(
                "coreset_ratio", "float", 0.5, "share of each class in its coreset",
                "authors' code", low=0.0, high=1.0, open_low=True,
            ),
            Hyperparameter(
                "coreset_radius", "float", 0.5, "how near a neighbour is, in median distances of "
                "its class", "own; the authors' code has a length of 2", low=0.0,
            ),
            Hyperparameter(
                "coreset_after", "int", 5, "epochs on all examples before the first coreset",
                "authors' code, 120 epochs", low=0,
            ),
        ),
    ),
    "meta_weight_net": MethodEntry(
        implementation="trainers.mixing.meta_weight_net:MetaWeightNet",
        summary="labels weighted by a net of their loss that looks ahead on clean data, no teacher",
        source="Shu et al. 2019, arXiv 1902.07379, and its authors' public code",
        teachers="none",
        uses_meta=True,
        hyperparameters=(*_OPTIMIZER, NET_LR),
    ),
    "bikd": MethodEntry(
        implementation="trainers.mixing.bikd:Bikd",
        summary="label and teacher weighted by a net that looks ahead on clean data",
        source="arXiv 2605.17839 and its authors' public code",
        teachers="one",
        uses_meta=True,
        hyperparameters=(*_OPTIMIZER, TEMPERATURE, NET_LR),
    ),
    "dkd": MethodEntry(
        implementation="trainers.classification.methods.dkd:Dkd",
        summary="distillation of the label's class and of the others, weighted apart",
        source="Zhao et al. 2022, arXiv 2203.08679, and its authors' public code",
        teachers="one",
        uses_meta=False,
        hyperparameters=(
            *_OPTIMIZER,
            TEMPERATURE,
            Hyperparameter(
                "target_weight", "float", 1.0, "weight of the label's class", "authors' code",
                low=0.0,
            ),
            Hyperparameter(
                "other_weight", "float", 8.0, "weight of the other classes",
                "authors' code, CIFAR-100", low=0.0,
            ),
            Hyperparameter(
                "ramp_epochs", "int", 20, "epochs until distillation has its full weight",
                "authors' code, 240 epochs", low=1,
            ),
        ),
    ),
    "dist": MethodEntry(
        implementation="trainers.classification.methods.dist:Dist",
        summary="correlation with the teacher over classes and over the batch",
        source="Huang et al. 2022, arXiv 2205.10536, and its authors' public code",
        teachers="one",
        uses_meta=False,
        hyperparameters=(
            *_OPTIMIZER,
            replace(TEMPERATURE, default=1.0, source="authors' code"),
            Hyperparameter(
                "inter_weight", "float", 1.0, "weight of the correlation over classes",
                "authors' code", low=0.0,
            ),
            Hyperparameter(
                "intra_weight", "float", 1.0, "weight of the correlation over the batch",
                "authors' code", low=0.0,
            ),
        ),
    ),
    "born_again": MethodEntry(
        implementation="trainers.classification.methods.born_again:BornAgain",
        summary="a teacher of the student's own architecture, without a temperature",
        source="Furlanello et al. 2018, arXiv 1805.04770",
        teachers="one",
        uses_meta=False,
        teacher_is_student=True,
        hyperparameters=(
            *_OPTIMIZER,
            replace(ALPHA, default=1.0, source="Furlanello et al. 2018: the teacher alone"),
        ),
    ),
    "aver": MethodEntry(
        implementation="trainers.mixing.aver:Aver",
        summary="several teachers with equal weights",
        source="You et al. 2017 (KDD)",
        teachers="any",
        uses_meta=False,
        hyperparameters=_MIX,
    ),
    "ebkd": MethodEntry(
        implementation="trainers.classification.methods.ebkd:Ebkd",
        summary="several teachers weighted per example by how sure they are",
        source="Kwon et al. 2020 (ICASSP); public code of CA-MKD",
        teachers="several",
        uses_meta=False,
        hyperparameters=_MIX,
    ),
    "ca_mkd": MethodEntry(
        implementation="trainers.classification.methods.ca_mkd:CaMkd",
        summary="several teachers weighted per example by how well they know its label",
        source="Zhang et al. 2022, arXiv 2201.00007, and its authors' public code",
        teachers="several",
        uses_meta=False,
        hyperparameters=_MIX,
    ),
    "ae_kd": MethodEntry(
        implementation="trainers.classification.methods.ae_kd:AeKd",
        summary="several teachers in the combination whose gradient is shortest",
        source="Du et al. 2020 (NeurIPS) and its authors' public code",
        teachers="any",
        uses_meta=False,
        hyperparameters=(
            *_MIX,
            Hyperparameter(
                "cap", "float", 1.0, "the most that one teacher may weigh; at least 1/M",
                "authors' code", low=0.0, high=1.0,
            ),
        ),
    ),
}  # fmt: skip
