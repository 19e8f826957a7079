"""What ends of methods are in training: the labels alone, and the teacher alone."""

from collections.abc import Mapping

import torch
from torch import Tensor

from tests.trainers.cases import Diary, Trial, weights
from tests.trainers.ctc.cases import lanes, make_cohort
from trainers.ctc.data.lanes import UtteranceLanes
from trainers.data.tokenizer import PADDING
from trainers.fields import Value

VALUES: Mapping[str, Value] = {"lr": 0.01, "weight_decay": 0.01}


def _trials(**values: Value) -> list[Trial]:
    return [Trial(f"lane-{seed}", seed, 0.4, values={**VALUES, **values}) for seed in (3, 4)]


def _trained(method: str, data: UtteranceLanes | None = None, **values: Value) -> list[Tensor]:
    """The parameters of both lanes after training, (P,) each."""
    trials = _trials(**values)
    cohort = make_cohort(method, trials, data)
    cohort.train(Diary())
    each = [weights(cohort, trial.name).values() for trial in trials]
    return [torch.cat([tensor.flatten() for tensor in own]) for own in each]


def test_with_no_weight_on_the_teacher_it_is_the_labels_alone_bit_for_bit() -> None:
    plain = _trained("labels_only")
    for level in ("frame", "softmax", "sequence", "guided"):
        found = _trained("fixed_kd", alpha=0.0, level=level)
        assert all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))
    other = _trained("fixed_kd", alpha=0.5)
    assert not any(torch.equal(a, b) for a, b in zip(other, plain, strict=True))


def test_with_no_weight_on_the_labels_what_they_say_changes_nothing() -> None:
    """But how many they are."""
    others = lanes(_trials())
    given = others.targets["train"]
    others.targets["train"] = given.where(given == PADDING, 1 + given % 10)
    found, corrupted = (_trained("fixed_kd", data, alpha=1.0) for data in (None, others))
    assert all(torch.equal(a, b) for a, b in zip(found, corrupted, strict=True))
