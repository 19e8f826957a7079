"""The teacher's features, through a map that is trained beside the student."""

from dataclasses import replace

import pytest
import torch

from tests.trainers.cases import Diary, Trial, only, step, weights
from tests.trainers.detection.cases import make_cohort
from trainers.detection.terms import BoxTerms

TRIAL = Trial("a", 3, values={"lr": 0.01, "feature_weight": 0.7})


def test_its_loss_is_the_label_s_and_that_of_features() -> None:
    stack = only(make_cohort("feature_kd", [TRIAL]))
    taken = step(stack, stack.data.training_batch(torch.arange(6).unsqueeze(0)))
    assert isinstance(taken.terms, BoxTerms)
    wanted = taken.terms.label + 0.7 * taken.terms.features()
    torch.testing.assert_close(stack.method.losses(taken), wanted)


def test_without_weight_it_is_the_plain_student_bit_for_bit() -> None:
    found, wanted = (
        make_cohort(method, [replace(TRIAL, values=values)])
        for method, values in (
            ("feature_kd", {"lr": 0.01, "feature_weight": 0.0}),
            ("labels_only", {"lr": 0.01}),
        )
    )
    rows = [Diary(), Diary()]
    found.train(rows[0])
    wanted.train(rows[1])
    assert rows[0].rows == rows[1].rows
    own = weights(found, "a")
    assert all(torch.equal(own[name], t) for name, t in weights(wanted, "a").items())


def test_the_map_learns_and_is_no_part_of_a_student() -> None:
    cohort = make_cohort("feature_kd", [TRIAL])
    before = weights(cohort, "a")["aligned.weight"].clone()
    cohort.train(Diary())
    assert not torch.equal(weights(cohort, "a")["aligned.weight"], before)
    assert not [name for name in only(cohort).student_weights(0) if "aligned" in name]


def test_its_features_come_nearer() -> None:
    cohort = make_cohort("feature_kd", [replace(TRIAL, values={"lr": 0.02, "feature_weight": 3.0})])
    stack = only(cohort)
    batch = stack.data.training_batch(torch.arange(12).unsqueeze(0))

    def lost() -> float:
        terms = step(stack, batch).terms
        assert isinstance(terms, BoxTerms)
        return float(terms.features().detach().mean())

    before = lost()
    cohort.train(Diary())
    assert lost() < 0.9 * before


@pytest.mark.parametrize(("method", "terms"), [("labels_only", None), ("fixed_kd", "outputs")])
def test_who_hears_no_features_has_no_map(method: str, terms: str | None) -> None:
    values = {"terms": terms} if terms else {}
    stack = only(make_cohort(method, [Trial("a", values=values)]))
    assert not [name for name in stack.weights(0) if "aligned" in name]


def test_fixed_kd_with_all_terms_mixes_the_label_with_outputs_and_features() -> None:
    values = {"alpha": 0.3, "temperature": 2.0, "terms": "all", "feature_weight": 0.7}
    stack = only(make_cohort("fixed_kd", [replace(TRIAL, values=values)]))
    taken = step(stack, stack.data.training_batch(torch.arange(6).unsqueeze(0)))
    terms = taken.terms
    assert isinstance(terms, BoxTerms)
    plain = replace(stack.method.values, words={"terms": ("outputs",)})
    of_outputs = BoxTerms(taken.batch.targets, taken.output.logits, plain).teacher(0)
    wanted = 0.7 * terms.label + 0.3 * (of_outputs + 0.7 * terms.features())
    torch.testing.assert_close(stack.method.losses(taken), wanted)


def test_with_several_teachers_each_has_numbers_of_its_own() -> None:
    trial = replace(TRIAL, teachers=("strong", "weak"), values={"terms": "all"})
    stack = only(make_cohort("fixed_kd", [trial]))
    batch = stack.data.training_batch(torch.arange(4).unsqueeze(0))
    taught = batch.targets.taught
    each = [taught.features(m).shape[3] for m in range(2)]
    shown = stack.model(batch.inputs).logits.shape[3]
    assert shown == stack.data.dataset.classes + 4 + sum(each)
    terms = step(stack, batch).terms
    (gradient,) = torch.autograd.grad(terms.teacher(1).sum(), stack.model.aligned.weight)
    assert not gradient[0, : each[0]].any()
    assert gradient[0, each[0] :].any()
