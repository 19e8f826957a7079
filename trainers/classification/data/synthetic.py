"""Data sets that are made up, always the same ones: a seed of a sweep splits them, no more.

N examples, C classes, D features.
"""

import numpy as np

from trainers.classification.data.dataset import Dataset
from trainers.data.errors import DataError

# Of the data sets themselves; no seed of a sweep is used.
SEED = 0
# How far an arm of the spiral turns on its way out, in radians, and how far out it gets.
TURN, REACH = 1.5 * np.pi, 4.0
# Half the side of the box in which the blobs' centres lie.
BOX = 4.0


def gaussian_mixture(examples: int, classes: int, features: int, separation: float) -> Dataset:
    """Gaussians at corners of a hypercube, all features informative: inputs (N, D).

    scikit-learn's make_classification with one cluster a class and no label flipped.
    """
    from sklearn.datasets import make_classification

    if classes > 2 ** min(features, 30):
        raise DataError(
            f"data.classes: {classes} clusters need as many corners, but a cube of {features} "
            f"features has {2**features}; raise data.features or lower data.classes"
        )
    inputs, labels = make_classification(
        n_samples=examples,
        n_features=features,
        n_informative=features,
        n_redundant=0,
        n_classes=classes,
        n_clusters_per_class=1,
        class_sep=separation,
        flip_y=0.0,
        random_state=SEED,
    )
    return Dataset(inputs.astype(np.float32), labels.astype(np.int64), classes)


def spiral(examples: int, classes: int, spread: float) -> Dataset:
    """C arms wound around each other: inputs (N, 2); ``spread``: jitter of the angle, radians."""
    rng = np.random.default_rng(SEED)
    labels = np.arange(examples) % classes
    along = (np.arange(examples) // classes + 1) / (examples / classes)
    angle = 2 * np.pi * labels / classes + TURN * along + spread * rng.standard_normal(examples)
    inputs = REACH * along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Dataset(inputs.astype(np.float32), labels.astype(np.int64), classes)


def blobs(examples: int, classes: int, features: int, spread: float) -> Dataset:
    """A round Gaussian per class: inputs (N, D); ``spread``: its standard deviation."""
    rng = np.random.default_rng(SEED)
    centres = rng.uniform(-BOX, BOX, size=(classes, features))
    labels = np.arange(examples) % classes
    inputs = centres[labels] + spread * rng.standard_normal((examples, features))
    return Dataset(inputs.astype(np.float32), labels.astype(np.int64), classes)
