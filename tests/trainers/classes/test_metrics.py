"""Metrics of classes against scikit-learn and plain numpy, and lane by lane."""

import numpy as np
import pytest
import torch
from scipy.special import softmax as np_softmax
from sklearn.metrics import balanced_accuracy_score, f1_score
from torch import Tensor

from trainers.classes.metrics import BINS, MEASURES, is_defined
from trainers.classification.entry import CLASSIFICATION

L, N, C = 5, 101, 12


def _drawn() -> tuple[Tensor, Tensor]:
    """Logits that know something of the labels; class 3 has no example in any lane."""
    g = torch.Generator().manual_seed(0)
    y = torch.randint(C - 1, (L, N), generator=g)
    y = y + (y >= 3)
    # As a lane model's logits lie in memory: examples last.
    z = torch.randn(L, C, N, generator=g).mT + 2.0 * torch.nn.functional.one_hot(y, C)
    return z.mT.contiguous().mT, y


def _expected(z: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Every metric of one lane."""
    p = np_softmax(z, -1)
    guess, confidence = z.argmax(-1), p.max(-1)
    right = guess == y
    bins = np.array_split(np.argsort(confidence), BINS)
    gaps = [abs(right[at].mean() - confidence[at].mean()) * len(at) for at in bins]
    top_5 = (np.argsort(-z, -1)[:, :5] == y[:, None]).any(-1)
    return {
        "loss": float(-np.log(p[np.arange(N), y]).mean()),
        "accuracy": 100 * float(right.mean()),
        "balanced_accuracy": 100 * float(balanced_accuracy_score(y, guess)),
        "macro_f1": 100 * float(f1_score(y, guess, average="macro")),
        "calibration_error": 100 * float(sum(gaps)) / N,
        "brier_score": float(((p - np.eye(C)[y]) ** 2).sum(-1).mean()),
        "top_5_accuracy": 100 * float(top_5.mean()),
    }


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.usefixtures("double_precision")
def test_metric_is_what_its_formula_says(name: str) -> None:
    z, y = _drawn()
    expected = [_expected(z[lane].numpy(), y[lane].numpy())[name] for lane in range(L)]
    assert MEASURES[name](z, y).tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", MEASURES)
def test_a_lane_has_the_bits_that_it_has_alone(name: str) -> None:
    z, y = _drawn()
    together = MEASURES[name](z, y)
    for lane in range(L):
        own = z[lane : lane + 1].mT.contiguous().mT
        assert torch.equal(MEASURES[name](own, y[lane : lane + 1])[0], together[lane])


def test_every_metric_of_the_task_is_measured() -> None:
    assert set(MEASURES) == set(CLASSIFICATION.metrics)


def test_the_five_likeliest_say_nothing_of_ten_classes_or_fewer() -> None:
    defined = [is_defined("top_5_accuracy", classes) for classes in (2, 10, 11)]
    assert defined == [False, False, True]
    assert is_defined("accuracy", 2)
