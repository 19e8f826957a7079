import numpy as np

from trainers.mixing.weight_histogram import EDGES, weight_histogram


def test_counts_are_per_loss_of_clean_and_of_corrupted_examples() -> None:
    lam = np.array([[0.01, 2.0], [0.01, 1.0], [0.99, 0.0], [1.99, 0.06]], dtype=np.float32)
    found = weight_histogram(lam, np.array([True, False, False, True]))
    assert found.clean.shape == found.corrupted.shape == (2, len(EDGES) - 1)
    assert {k: v for k, v in enumerate(found.clean[0]) if v} == {0: 1, 19: 1}
    assert {k: v for k, v in enumerate(found.clean[1]) if v} == {0: 1, 20: 1}
    assert {k: v for k, v in enumerate(found.corrupted[0]) if v} == {0: 1, 39: 1}
    assert {k: v for k, v in enumerate(found.corrupted[1]) if v} == {1: 1, 39: 1}


def test_no_corrupted_example_counts_nothing() -> None:
    found = weight_histogram(np.full((5, 1), 0.5), np.zeros(5, dtype=bool))
    assert found.clean.sum() == 5
    assert found.corrupted.sum() == 0
