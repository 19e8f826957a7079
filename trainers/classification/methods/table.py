"""METHODS: the ways to train that know classes, and so are a classifier's own."""

from collections.abc import Mapping
from dataclasses import replace

from trainers.classification.methods import costs
from trainers.entries import MethodEntry
from trainers.fields import Field, Limit
from trainers.hyperparameters import ALPHA, ENDS_OF_MIX, MIX, OPTIMIZER, TEMPERATURE

METHODS: Mapping[str, MethodEntry] = {
    "label_smoothing": MethodEntry(
        implementation="trainers.classification.methods.label_smoothing:LabelSmoothing",
        summary="the given labels, softened towards all classes alike, no teacher",
        source="Szegedy et al. 2016, arXiv 1512.00567",
        teachers="none",
        uses_meta=False,
        by_example=True,
        limits=(Limit({"smoothing": 0.0}, "labels_only"),),
        hyperparameters=(
            *OPTIMIZER,
            Field(
                "smoothing", "float", 0.1, "share of the label given to all classes alike",
                "Szegedy et al. 2016", unit="share", low=0.0, high=1.0,
            ),
        ),
    ),
    "wsld": MethodEntry(
        implementation="trainers.classification.methods.wsld:Wsld",
        summary="teacher weighted per example by whether it or the student knows the label better",
        source="Zhou et al. 2021, arXiv 2102.00650, and its authors' public code",
        teachers="one",
        uses_meta=False,
        by_example=True,
        hyperparameters=(
            *OPTIMIZER,
            replace(TEMPERATURE, default=2.0, source="authors' code, ImageNet"),
            Field(
                "kd_weight", "float", 2.5, "weight of distillation beside the label's 1",
                "authors' code, ImageNet", low=0.0,
            ),
        ),
    ),
    "crust": MethodEntry(
        implementation="trainers.classification.methods.crust:Crust",
        summary="the given labels of a coreset of each class, no teacher",
        source="Mirzasoleiman et al. 2020, arXiv 2011.07451, and its authors' public code",
        teachers="none",
        uses_meta=False,
        cost=costs.crust,
        by_example=True,
        hyperparameters=(
            *OPTIMIZER,
            Field(
                "coreset_ratio", "float", 0.5, "share of each class in its coreset",
                "authors' code", unit="share", low=0.0, high=1.0, open_low=True,
            ),
            Field(
                "coreset_radius", "float", 0.5, "how near a neighbour is, in median distances of "
                "its class", "own; the authors' code has a length of 2", low=0.0,
            ),
            Field(
                "coreset_after", "int", 5, "how long on all examples before the first coreset",
                "authors' code, 120 epochs", unit="epochs", low=0,
            ),
            Field(
                "selection", "choice", "greedy", "which examples a coreset takes: one by one what "
                "its value gains most by, or those with the largest value on their own",
                "greedy: published; central: what the authors' code does",
                choices=("greedy", "central"),
            ),
        ),
    ),
    "dkd": MethodEntry(
        implementation="trainers.classification.methods.dkd:Dkd",
        summary="distillation of the label's class and of the others, weighted apart",
        source="Zhao et al. 2022, arXiv 2203.08679, and its authors' public code",
        teachers="one",
        uses_meta=False,
        by_example=True,
        hyperparameters=(
            *OPTIMIZER,
            replace(TEMPERATURE, source="authors' code"),
            Field(
                "target_weight", "float", 1.0, "weight of the label's class", "authors' code",
                low=0.0,
            ),
            Field(
                "other_weight", "float", 8.0, "weight of the other classes",
                "authors' code, CIFAR-100", low=0.0,
            ),
            Field(
                "ramp_epochs", "int", 20, "how long until distillation has its full weight",
                "authors' code, 240 epochs", unit="epochs", low=1,
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
            *OPTIMIZER,
            replace(TEMPERATURE, source="authors' code, CIFAR"),
            Field(
                "inter_weight", "float", 2.0, "weight of the correlation over classes",
                "authors' code: 1, times 2 for both in its configurations", low=0.0,
            ),
            Field(
                "intra_weight", "float", 2.0, "weight of the correlation over the batch",
                "authors' code: 1, times 2 for both in its configurations", low=0.0,
            ),
        ),
    ),
    "lw_kd": MethodEntry(
        implementation="trainers.classification.methods.lw_kd:LwKd",
        summary="fixed mix of label and teacher, and outputs that a discriminator cannot tell from "
                "the teacher's",
        source="after Liu et al. 2020, arXiv 2005.09163, from its abstract",
        teachers="one",
        uses_meta=False,
        hyperparameters=(
            *MIX,
            Field(
                "adversarial_weight", "float", 0.1, "weight of the adversarial term", "own",
                low=0.0,
            ),
            Field(
                "discriminator_lr", "float", 1e-3, "Adam's step size for the discriminator", "own",
                low=0.0,
            ),
        ),
        limits=(
            Limit({"alpha": 0.0, "adversarial_weight": 0.0}, "labels_only"),
            Limit({"adversarial_weight": 0.0}, "fixed_kd"),
        ),
    ),
    "ckd": MethodEntry(
        implementation="trainers.classification.methods.ckd:Ckd",
        summary="how examples differ from each other, in the student as in the teacher",
        source="arXiv 2311.02253, its abstract and its authors' public code",
        teachers="one",
        uses_meta=False,
        shifts_bias={"calibrate": "bias"},
        cost=costs.ckd,
        limits=(
            Limit({"alpha": 0.0}, "labels_only", {"label_loss": "cross_entropy"}),
            Limit({"alpha": 1.0}),
        ),
        hyperparameters=(
            *OPTIMIZER,
            replace(ALPHA, default=0.5, source="authors' code, both terms weighed 1"),
            Field(
                "comparisons", "choice", "all", "what is compared: all pairs of a batch in closed "
                "form, or each example with one, or with one more against a third, at random",
                "all: own; pairs, two_to_one: authors' code",
                choices=("all", "pairs", "two_to_one"),
            ),
            Field(
                "label_loss", "choice", "cross_entropy", "how labels are learned: by "
                "cross-entropy, or by comparisons of one-hot labels",
                "cross_entropy: own; compare: authors' code",
                choices=("cross_entropy", "compare"),
            ),
            Field(
                "calibrate", "choice", "bias", "whether the one number per class that comparisons "
                "leave free is set, in the bias of the last layer, before every evaluation",
                "bias: own; none: authors' code", choices=("bias", "none"),
            ),
        ),
    ),
    "born_again": MethodEntry(
        implementation="trainers.classification.methods.born_again:BornAgain",
        summary="a teacher of the student's own architecture, without a temperature",
        source="Furlanello et al. 2018, arXiv 1805.04770",
        teachers="one",
        uses_meta=False,
        by_example=True,
        teacher_is_student=True,
        limits=ENDS_OF_MIX,
        hyperparameters=(
            *OPTIMIZER,
            replace(ALPHA, default=1.0, source="Furlanello et al. 2018: the teacher alone"),
        ),
    ),
    "ebkd": MethodEntry(
        implementation="trainers.classification.methods.ebkd:Ebkd",
        summary="several teachers weighted per example by how sure they are",
        source="Kwon et al. 2020 (ICASSP); public code of CA-MKD",
        teachers="several",
        uses_meta=False,
        by_example=True,
        hyperparameters=MIX,
        limits=ENDS_OF_MIX,
    ),
    "ca_mkd": MethodEntry(
        implementation="trainers.classification.methods.ca_mkd:CaMkd",
        summary="several teachers weighted per example by how well they know its label",
        source="Zhang et al. 2022, arXiv 2201.00007, and its authors' public code",
        teachers="several",
        uses_meta=False,
        by_example=True,
        hyperparameters=MIX,
        limits=ENDS_OF_MIX,
    ),
    "ae_kd": MethodEntry(
        implementation="trainers.classification.methods.ae_kd:AeKd",
        summary="several teachers in the combination whose gradient is shortest",
        source="Du et al. 2020 (NeurIPS) and its authors' public code",
        teachers="any",
        uses_meta=False,
        limits=ENDS_OF_MIX,
        hyperparameters=(
            *MIX,
            Field(
                "cap", "float", 0.6, "the most that one teacher may weigh; at least 1/M",
                "authors' code", unit="share", low=0.0, high=1.0,
            ),
        ),
    ),
}  # fmt: skip
