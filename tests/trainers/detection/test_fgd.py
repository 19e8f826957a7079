"""The teacher's features where things are, and where it looks."""

from dataclasses import replace

import pytest
import torch

from tests.trainers.cases import Diary, Trial, only, step
from tests.trainers.detection.cases import boxes_of, make_cohort
from trainers.detection.data.dataset import BOX, CLASS
from trainers.detection.methods.fgd import attention_of, levels, masks
from trainers.detection.places import grid
from trainers.detection.terms import BoxTargets, BoxTerms

VALUES = {
    "lr": 0.01, "feature_weight": 0.7, "background_share": 0.3, "attention_share": 0.2,
    "attention_temperature": 0.6,
}  # fmt: skip
TRIAL = Trial("a", 3, values=VALUES)
CPU = torch.device("cpu")


def test_attention_is_1_on_average_and_flat_where_features_are() -> None:
    f = torch.randn(2, 3, 7, 4, dtype=torch.float64)
    tau = torch.tensor([[0.5], [2.0]], dtype=torch.float64)
    where, which = attention_of(f, tau)
    ones = torch.ones(2, 3, dtype=torch.float64)
    torch.testing.assert_close(where.mean(2), ones)
    torch.testing.assert_close(which.mean(2), ones)
    where, which = attention_of(torch.full_like(f, -3.0), tau)
    torch.testing.assert_close(where, torch.ones_like(where))
    torch.testing.assert_close(which, torch.ones_like(which))


def test_places_of_a_box_weigh_1_together_and_the_smaller_box_counts() -> None:
    """On a picture of 32 pixels: 8 x 8 places, a box over all of them and one over 2 x 2."""
    of = grid(32, 32, CPU, torch.float64)
    boxes = torch.as_tensor(boxes_of([(0, 0, 0, 32, 32), (1, 8, 8, 16, 16)])).double()
    (level,) = levels(of)
    things, beside = masks(boxes.unsqueeze(0), of, level)
    assert float(beside.sum()) == 0
    found = things.view(8, 8)
    torch.testing.assert_close(found[2:4, 2:4], torch.full((2, 2), 0.25, dtype=torch.float64))
    assert float(found[0, 0]) == pytest.approx(1 / 64)


def test_without_a_box_all_is_beside() -> None:
    of = grid(32, 32, CPU, torch.float64)
    (level,) = levels(of)
    things, beside = masks(torch.as_tensor(boxes_of([])).unsqueeze(0).double(), of, level)
    assert float(things.sum()) == 0
    torch.testing.assert_close(beside, torch.full_like(beside, 1 / 64))


def test_large_pictures_have_three_levels() -> None:
    of = grid(160, 160, CPU, torch.float64)
    sizes = [of.stride[level].unique().tolist() for level in levels(of)]
    assert sizes == [[8.0], [16.0], [32.0]]
    assert sum(len(of.stride[level]) for level in levels(of)) == len(of.stride)


def test_its_loss_is_what_its_formula_says_picture_by_picture() -> None:
    stack = only(make_cohort("fgd", [TRIAL]))
    taken = step(stack, stack.data.training_batch(torch.arange(5).unsqueeze(0)))
    assert isinstance(taken.terms, BoxTerms)
    own, f = (t[0].detach().double() for t in taken.terms.both_features())
    targets: BoxTargets = taken.batch.targets
    found = (stack.method.losses(taken) - taken.terms.label)[0].detach()
    for picture in range(5):
        s, c = _attention(f[picture])
        s_own, c_own = _attention(own[picture])
        things = background = 0.0
        of_places = _smallest(targets, picture)
        beside = [t for t, count in enumerate(of_places) if count == 0]
        for t, count in enumerate(of_places):
            d = float((c * (f[picture, t] - own[picture, t]) ** 2).mean() * s[t])
            if count:
                things += d / count
            else:
                background += d / len(beside)
        looks = float((s_own - s).abs().mean() + (c_own - c).abs().mean())
        wanted = 0.7 * (things + 0.3 * background + 0.2 * looks)
        assert float(found[picture]) == pytest.approx(wanted, rel=1e-3)


def test_without_weight_it_is_the_plain_student_bit_for_bit() -> None:
    rows = [Diary(), Diary()]
    make_cohort("fgd", [replace(TRIAL, values={**VALUES, "feature_weight": 0.0})]).train(rows[0])
    make_cohort("labels_only", [replace(TRIAL, values={"lr": 0.01})]).train(rows[1])
    assert rows[0].rows == rows[1].rows


def test_a_student_with_the_teacher_s_features_loses_nothing_and_is_not_moved() -> None:
    stack = only(make_cohort("fgd", [TRIAL]))
    taken = step(stack, stack.data.training_batch(torch.arange(5).unsqueeze(0)))
    targets: BoxTargets = taken.batch.targets
    f = targets.taught.features(0)
    z = torch.cat([taken.output.logits.detach()[..., : -f.shape[-1]], f], dim=-1).requires_grad_()
    output = taken.output._replace(logits=z)
    terms = stack.data.terms(targets, output, stack.method.values)
    lost = stack.method.losses(taken._replace(output=output, terms=terms)) - terms.label
    assert float(lost.detach().abs().max()) == pytest.approx(0.0, abs=1e-6)
    (gradient,) = torch.autograd.grad(lost.sum(), z)
    assert float(gradient.abs().max()) == pytest.approx(0.0, abs=1e-6)


def _attention(f: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of features (P, A) of one picture and level."""
    where = (f.abs().mean(1) / 0.6).exp()
    which = (f.abs().mean(0) / 0.6).exp()
    return where / where.mean(), which / which.mean()


def _smallest(targets: BoxTargets, picture: int) -> list[int]:
    """Of every place how many places the box there with the fewest has; 0 where there is none."""
    middle = targets.grid.middle.tolist()
    covered = []
    for row in targets.boxes[0, picture]:
        if row[CLASS] >= 0:
            left, top, right, bottom = row[BOX].tolist()
            covered.append([left < x < right and top < y < bottom for x, y in middle])
    sizes = [[sum(own) for own in covered if own[t]] for t in range(len(middle))]
    return [min(of_place, default=0) for of_place in sizes]
