"""About how long each preset takes, by name: `time almkd launch NAME` on two cores."""

from collections.abc import Mapping

NOT_YET = "not measured"
NOT_MEASURED = "not measured; needs its data and a GPU"

TAKES: Mapping[str, str] = {
    "aircraft_paper": NOT_MEASURED,
    "cars_paper": NOT_MEASURED,
    "cifar100_paper": NOT_MEASURED,
    "cifar10_paper": NOT_MEASURED,
    "clean_labels": NOT_YET,
    "clean_labels_fashion_mnist": NOT_YET,
    "clean_labels_replicated": NOT_YET,
    "clean_labels_resnet8": NOT_YET,
    "comparators": "50 s",
    "digits": "25 s",
    "digits_clean_teacher": "20 s",
    "fashion_mnist": "1 min",
    "fashion_mnist_resnet8": "not measured",
    "multi_teacher": "30 s",
    "self_distillation": "20 s",
    "synthetic": "40 s",
    "synthetic_spiral": "25 s",
}
