"""About how long each preset takes, by name: `time almkd launch NAME` on two cores; "at most" where
other work was beside it."""

from collections.abc import Mapping

NOT_YET = "not measured"
NOT_MEASURED = "not measured; needs its data and a GPU"

TAKES: Mapping[str, str] = {
    "aircraft_paper": NOT_MEASURED,
    "cars_paper": NOT_MEASURED,
    "cifar100_paper": NOT_MEASURED,
    "cifar10_paper": NOT_MEASURED,
    "clean_labels": "12 min at most",
    "clean_labels_fashion_mnist": "10 min at most",
    "clean_labels_replicated": "10 min at most",
    "clean_labels_resnet8": "3 h at most",
    "comparators": "2 min at most",
    "ctc": "45 min at most",
    "detection": "40 min at most",
    "digits": "45 s to 2 min",
    "digits_clean_teacher": "80 s at most",
    "fashion_mnist": "4 min at most",
    "fashion_mnist_resnet8": NOT_YET,
    "incremental_cifar100": NOT_MEASURED,
    "incremental_digits": "90 s",
    "incremental_fashion": "4 min",
    "language": "66 min at most",
    "language_addition": NOT_YET,
    "lightweight_teacher": "6 min at most",
    "lightweight_teacher_replicated": "15 min at most",
    "multi_teacher": "100 s at most",
    "recommendation": "30 min at most",
    "recommendation_quick": "5 min at most",
    "self_distillation": "160 s at most",
    "speech_nl": "30 min at most",
    "synthetic": "6 min at most",
    "synthetic_spiral": "2 min at most",
    "teacher_calls": "20 min at most",
    "text": "20 min at most",
    "text_quick": "5 min at most",
    "tree_crowns": "15 min at most",
}
