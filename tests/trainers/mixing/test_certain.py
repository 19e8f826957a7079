"""Clean examples that are trained on: fixed weights, in no group, whatever else is in the stack."""

from dataclasses import replace

import pytest
import torch

from tests.trainers.cases import LIVELY, Shape, Trial, history, lively_trials, make_cohort, only
from trainers.mixing.alm_kd.groups import Deal
from trainers.mixing.learned_weights import LearnedWeights
from trainers.settings import CleanUse

WEIGHING = ("alm_kd", "meta_weight_net", "bikd")
USES: tuple[CleanUse, ...] = ("train", "split")


@pytest.mark.parametrize("clean", USES)
@pytest.mark.parametrize("values", LIVELY["alm_kd"], ids=str)
def test_alm_kd_learns_the_weights_of_the_others_alone(
    clean: CleanUse, values: dict[str, object]
) -> None:
    trial = Trial("a", values={**values, "clean_alpha": 0.3})  # type: ignore[dict-item]
    cohort = make_cohort("alm_kd", [trial], Shape(clean=clean))
    data, before = only(cohort).data, only(cohort).method.lam.clone()  # type: ignore[attr-defined]
    results = cohort.train(lambda epoch, names, rows: [True] * len(names))
    lam, noisy = results["a"].tables["lambda"], data.size("train") - data.certain
    assert data.certain
    torch.testing.assert_close(lam[noisy:], torch.tensor([0.7, 0.3]).expand(data.certain, 2))
    assert (lam[:noisy] != before[0, :noisy]).any(1).float().mean() > 0.5


def test_clean_examples_are_in_no_group() -> None:
    data = only(make_cohort("alm_kd", [Trial("a"), Trial("b", seed=4)], Shape(clean="train"))).data
    noisy = data.size("train") - data.certain
    generators = [torch.Generator().manual_seed(i) for i in (1, 2)]
    deal = Deal.draw(generators, torch.tensor([0, 1]), 19, 2, 19, data)
    for lane in range(2):
        real = deal.train_index[lane].flatten()[:noisy]
        assert sorted(real.tolist()) == list(range(noisy))
    assert deal.train_index.max() < noisy
    everyone = torch.zeros(2, data.size("train"), 1)
    deal.put_back(torch.ones(deal.filled.shape[0], deal.filled.shape[1], 1), everyone)
    assert (everyone[:, :noisy] == 1).all()
    assert (everyone[:, noisy:] == 0).all()


def test_how_far_the_weights_tell_clean_from_corrupted_is_asked_of_the_others_alone() -> None:
    cohort = make_cohort("alm_kd", [Trial("a")], Shape(clean="train"))
    method = only(cohort).method
    told = method.metrics()
    n = method.lam.shape[1] - method.data.certain  # type: ignore[attr-defined]
    mean = method.lam[0, :n, 0].mean()  # type: ignore[attr-defined]
    torch.testing.assert_close(told["lambda_label"][0], mean)


@pytest.mark.parametrize("name", ["meta_weight_net", "bikd"])
def test_nets_do_not_weigh_them(name: str) -> None:
    values = {"clean_alpha": 0.25} if name == "bikd" else {}
    method = only(make_cohort(name, [Trial("a", values=values)], Shape(clean="train"))).method
    assert isinstance(method, LearnedWeights)
    n, certain = method.data.size("train"), method.data.certain
    places = torch.tensor([[0, n - certain - 1, n - certain, n - 1]])
    batch = method.data.batch("train", places)
    output = method_output(method, len(places[0]))
    terms = method.data.terms(batch.targets, output, method.values)
    w = method._weights(terms, places)
    own = method.weights(terms)
    torch.testing.assert_close(w[..., :2], own[..., :2])
    expected = torch.tensor([0.75, 0.25] if name == "bikd" else [1.0])
    torch.testing.assert_close(w[0, :, 2:], expected.unsqueeze(1).expand(-1, 2))
    bias = method.net.layers[-1].bias
    (gradient,) = torch.autograd.grad(w[..., 2:].sum(), [bias], allow_unused=True)
    assert gradient is None or not gradient.any()


def method_output(method: LearnedWeights, examples: int):  # type: ignore[no-untyped-def]
    from trainers.lanes.network import Output

    z = torch.randn(1, examples, 5, generator=torch.Generator().manual_seed(0))
    return Output(None, z)


@pytest.mark.parametrize("clean", USES)
@pytest.mark.parametrize("name", [*WEIGHING, "fixed_kd"])
def test_a_lane_is_its_trial_alone(name: str, clean: CleanUse) -> None:
    shape = Shape(clean=clean)
    trials = lively_trials(name, 3)
    together = make_cohort(name, trials, shape)
    told: dict[str, list[dict[str, float]]] = {t.name: [] for t in trials}

    def note(epoch: int, names: list[str], rows: list[dict[str, float]]) -> list[bool]:
        for one, row in zip(names, rows, strict=True):
            told[one].append(row)
        return [True] * len(names)

    together.train(note)  # type: ignore[arg-type]
    for trial in trials:
        assert history(name, trial, shape) == told[trial.name]


@pytest.mark.parametrize("name", WEIGHING)
def test_methods_that_hold_out_say_the_loss_there(name: str) -> None:
    rows = history(name, Trial("a"), Shape(clean="train"))
    assert all("held_out_loss" in row for row in rows)
    # Without clean examples in training there is nothing to be fitted.
    assert not any("held_out_loss" in row for row in history(name, Trial("a"), Shape()))
    others = history("fixed_kd", Trial("a"), replace(Shape(), clean="train"))
    assert not any("held_out_loss" in row for row in others)
