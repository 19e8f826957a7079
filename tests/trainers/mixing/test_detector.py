import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from trainers.mixing.detector import auroc


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_auroc_is_sklearns_ties_included(examples: list[tuple[int, bool]]) -> None:
    score = torch.tensor([[s / 4 for s, _ in examples]])
    positive = torch.tensor([[p for _, p in examples]])
    found = auroc(score, positive)
    assert found.shape == (1,)
    if len({p for _, p in examples}) == 1:
        assert found.isnan().all()
    else:
        expected = roc_auc_score(positive[0].numpy(), score[0].numpy())
        assert found.item() == pytest.approx(expected, abs=1e-6)


def test_auroc_keeps_lanes_apart() -> None:
    rng = np.random.default_rng(0)
    score, positive = torch.tensor(rng.random((3, 50))), torch.tensor(rng.random((3, 50)) < 0.3)
    positive[1] = False
    found = auroc(score, positive)
    assert found[0].item() == pytest.approx(roc_auc_score(positive[0], score[0]))
    assert found[1].isnan()
    assert found[2].item() == pytest.approx(roc_auc_score(positive[2], score[2]))


def test_scores_that_are_all_the_same_tell_nothing() -> None:
    assert auroc(torch.full((1, 4), 0.1), torch.tensor([[True, False, True, False]])).item() == 0.5
