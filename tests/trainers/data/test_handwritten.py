"""The digits are those that scikit-learn gives."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from trainers.data import handwritten
from trainers.data.errors import DataError


def test_they_are_scikit_learns() -> None:
    pixels, digits = handwritten.handwritten_digits()
    theirs, which = load_digits(return_X_y=True)
    assert pixels.dtype == theirs.dtype
    np.testing.assert_array_equal(pixels, theirs)
    np.testing.assert_array_equal(digits, which)


def test_reading_them_loads_no_scikit_learn() -> None:
    script = (
        "import sys\n"
        "from trainers.data.handwritten import handwritten_digits\n"
        "handwritten_digits()\n"
        "assert not {'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_scikit_learn_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handwritten, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="scikit-learn"):
        handwritten.handwritten_digits()
