"""About how long each preset takes, by name: measured, on two cores unless it says otherwise."""

from collections.abc import Mapping

NOT_MEASURED = "not measured; needs its data and a GPU"

TAKES: Mapping[str, str] = {
    "aircraft_paper": NOT_MEASURED,
    "cars_paper": NOT_MEASURED,
    "cifar100_paper": NOT_MEASURED,
    "cifar10_paper": NOT_MEASURED,
    "comparators": "1 min",
    "digits": "20 s",
    "digits_clean_teacher": "20 s",
    "fashion_mnist": "1 min",
    "fashion_mnist_resnet8": "10 min",
    "multi_teacher": "1 min",
    "self_distillation": "1 min",
    "synthetic": "1 min",
    "synthetic_spiral": "1 min",
}
