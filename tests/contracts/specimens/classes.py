"""What holds for the data sets of every task whose examples have one class each."""

import numpy as np
from numpy.typing import DTypeLike

from trainers.classes.dataset import ClassDataset
from trainers.data.dataset import Dataset
from trainers.loading import counts
from trainers.settings import DataSpec


def check_classes(spec: DataSpec, dataset: Dataset, numbers: DTypeLike) -> ClassDataset:
    """The data set, with inputs of such numbers and every class that it says it has."""
    assert isinstance(dataset, ClassDataset)
    assert dataset.inputs.dtype == numbers
    assert dataset.labels.dtype == np.int64
    assert len(dataset.inputs) == len(dataset.labels)
    assert sorted(set(dataset.labels)) == list(range(dataset.classes))
    assert np.isfinite(dataset.inputs).all()
    known = counts(spec)
    assert known is None or known[1] == dataset.classes
    return dataset
