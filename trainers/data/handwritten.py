"""scikit-learn's handwritten digits, read from its files without loading scikit-learn.

That takes more than a second, and SciPy with it, for a table of 1,797 rows.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError

# Below the package: the part that its `load_digits` gives.
FILE = Path("datasets/data/digits.csv.gz")


def handwritten_digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """1,797 digits of 8 x 8 grey levels from 0 to 16, row by row (1797, 64), and which they are
    (1797,): as ``sklearn.datasets.load_digits(return_X_y=True)``. DataError without scikit-learn.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("scikit-learn, whose digits are the data, is not installed; install it")
    with gzip.open(Path(package.origin).parent / FILE, "rt", encoding="utf-8") as file:
        table = np.loadtxt(file, delimiter=",")
    return table[:, :-1], table[:, -1].astype(np.int64)
