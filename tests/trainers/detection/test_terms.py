"""What is lost on pictures with boxes: by plain loops and finite differences, in float64."""

import math

import pytest
import torch
from torch import Tensor

from tests.trainers.detection.cases import CPU, boxes_of, values_of
from trainers.detection.boxes import iou
from trainers.detection.data.dataset import BOX, CLASS
from trainers.detection.places import IGNORED, assigned, grid
from trainers.detection.terms import (
    PRIOR,
    SURE,
    BoxTargets,
    BoxTerms,
    Taught,
    classes_lost,
    label_loss,
    predicted_boxes,
    teacher_loss,
)
from trainers.lanes.values import LaneValues

pytestmark = pytest.mark.usefixtures("double_precision")
CLASSES, HEIGHT, WIDTH = 3, 16, 20
OUTPUTS = CLASSES + 4
PICTURES = boxes_of(
    [(0, 1, 2, 9, 8), (2, 10, 3, 17, 15)],
    [],
    [(1, 0, 0, 20, 16, 1), (1, 4, 4, 6, 6)],
    [(1, 0, 0, 20, 16, 1)],
)
B, T = len(PICTURES), 20


class Told(Taught):
    """What two teachers say, as it is given."""

    def __init__(self, t: Tensor, features: list[Tensor]) -> None:
        self._t, self._f = t, features
        self._variances = [f.flatten(1).var(1) for f in features]

    def logits(self) -> Tensor:
        return self._t

    def features(self, m: int) -> Tensor:
        return self._f[m]

    def variance(self, m: int) -> Tensor:
        return self._variances[m]

    def part(self, at: slice) -> Taught:
        some = Told(self._t[:, :, at], [f[:, at] for f in self._f])
        some._variances = self._variances
        return some


def _drawn(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _targets(lanes: int = 1) -> BoxTargets:
    of = grid(HEIGHT, WIDTH, CPU, torch.float64)
    boxes = torch.as_tensor(PICTURES).expand(lanes, *PICTURES.shape)
    features = [_drawn(lanes, B, T, a, seed=a) for a in (2, 3)]
    told = Told(_drawn(lanes, 2, B, T, OUTPUTS, seed=9), features)
    return BoxTargets(boxes, assigned(boxes.double(), of), of, CLASSES, told)


def _focal(z: float, y: bool) -> float:
    p = 1 / (1 + math.exp(-z))
    if y:
        return -((1 - p) ** 2) * math.log(p)
    return -(p**2) * math.log(1 - p)


def _box(z: Tensor, t: int) -> Tensor:
    """That at place t of 5 in a row, of four numbers."""
    x, y = 4 * (t % 5) + 2, 4 * (t // 5) + 2
    left, top, right, bottom = (4 * math.log(1 + math.exp(v)) for v in z.tolist())
    return torch.tensor([x - left, y - top, x + right, y + bottom])


def _label_by_hand(targets: BoxTargets, z: Tensor, b: int) -> tuple[float, float]:
    """Of one picture both parts."""
    told, boxes = targets.told[0, b].tolist(), targets.boxes[0, b]
    count = max(sum(u >= 0 for u in told), 1)
    of_classes = of_boxes = 0.0
    for t, u in enumerate(told):
        if u != IGNORED:
            of_classes += sum(
                _focal(float(z[t, c]), u >= 0 and int(boxes[u, CLASS]) == c) for c in range(CLASSES)
            )
        if u >= 0:
            own = _box(z[t, CLASSES:OUTPUTS], t)
            of_boxes += 1 - float(iou(own, boxes[u, BOX].double()))
    return of_classes / count, of_boxes / count


def test_the_label_s_term_is_its_sum_place_by_place() -> None:
    targets, z = _targets(), _drawn(1, B, T, OUTPUTS + 5)
    assert (targets.told == IGNORED).any()
    found, of_classes = label_loss(targets, z), classes_lost(targets, z)
    for b in range(B):
        wanted = _label_by_hand(targets, z[0, b], b)
        assert of_classes[0, b].item() == pytest.approx(wanted[0], rel=1e-9)
        assert found[0, b].item() == pytest.approx(sum(wanted), rel=1e-9)


def test_a_place_with_numbers_tells_of_the_box_that_far_from_it() -> None:
    z = _drawn(1, B, T, OUTPUTS)
    found = predicted_boxes(z, CLASSES, grid(HEIGHT, WIDTH, CPU, torch.float64))
    for t in range(T):
        torch.testing.assert_close(found[0, 0, t], _box(z[0, 0, t, CLASSES:], t))
    # What stands behind changes nothing.
    wider = torch.cat([z, _drawn(1, B, T, 4)], dim=3)
    again = predicted_boxes(wider, CLASSES, grid(HEIGHT, WIDTH, CPU, torch.float64))
    assert torch.equal(again, found)


@pytest.mark.parametrize("tau", [1.0, 2.5])
def test_a_teacher_s_term_is_its_sum_place_by_place(tau: float) -> None:
    targets, z, t = _targets(), _drawn(1, B, T, OUTPUTS), _drawn(1, B, T, OUTPUTS, seed=3)
    # One whom nobody believes on one picture.
    t[0, 1, :, :CLASSES] = -3.0
    found = teacher_loss(targets, t, z, torch.full((1, 1, 1, 1), tau))
    for b in range(B):
        of_classes = of_boxes = 0.0
        sure = [bool(torch.sigmoid(t[0, b, at, :CLASSES]).max() > SURE) for at in range(T)]
        count = max(sum(sure), 1)
        for at in range(T):
            for c in range(CLASSES):
                p, q = (1 / (1 + math.exp(-float(x[0, b, at, c]) / tau)) for x in (z, t))
                bce = -q * math.log(p) - (1 - q) * math.log(1 - p)
                of_classes += abs(p - q) ** 2 * bce
            if sure[at]:
                own, its = (_box(x[0, b, at, CLASSES:], at) for x in (z, t))
                of_boxes += 1 - float(iou(own, its))
        wanted = (tau**2 * of_classes + of_boxes) / count
        assert found[0, b].item() == pytest.approx(wanted, rel=1e-9)
    assert sum(sure) > 0


def test_features_are_met_over_their_variance_and_two_teachers_side_by_side() -> None:
    targets, z = _targets(), _drawn(1, B, T, OUTPUTS + 5)
    terms = BoxTerms(targets, z, values_of())
    for m, at in enumerate((slice(7, 9), slice(9, 12))):
        f = targets.taught.features(m)[0]
        for b in range(B):
            mean = (
                sum(
                    float(z[0, b, t, at.start + a] - f[b, t, a]) ** 2
                    for t in range(T)
                    for a in range(f.shape[2])
                )
                / f[b].numel()
            )
            wanted = mean / float(f.var())
            assert terms.features(m)[0, b].item() == pytest.approx(wanted, rel=1e-9)


def test_a_weight_of_features_means_the_same_whatever_they_are_measured_in() -> None:
    targets, z = _targets(), _drawn(1, B, T, OUTPUTS + 5)
    told = targets.taught
    larger = Told(told.logits(), [10 * told.features(m) for m in range(2)])
    own = z.clone()
    own[..., OUTPUTS:] *= 10
    found = BoxTerms(targets._replace(taught=larger), own, values_of()).features(1)
    torch.testing.assert_close(found, BoxTerms(targets, z, values_of()).features(1))


def test_terms_all_adds_a_teacher_s_features_to_what_it_says() -> None:
    targets, z = _targets(2), _drawn(2, B, T, OUTPUTS + 5)
    numbers = {"temperature": torch.tensor([1.0, 2.0]), "feature_weight": torch.tensor([0.3, 0.7])}
    plain = BoxTerms(targets, z, LaneValues(numbers, {"terms": ("outputs", "outputs")}))
    mixed = BoxTerms(targets, z, LaneValues(numbers, {"terms": ("outputs", "all")}))
    assert torch.equal(mixed.teachers[0], plain.teachers[0])
    for m in range(2):
        wanted = plain.teachers[1, m] + 0.7 * plain.features(m)[1]
        torch.testing.assert_close(mixed.teachers[1, m], wanted)
    t = targets.taught.logits()
    alone = teacher_loss(targets, t[:, 1], z, torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))
    torch.testing.assert_close(plain.teachers[:, 1], alone)


def test_a_student_that_is_its_teacher_loses_nothing_and_is_moved_nowhere() -> None:
    targets, t = _targets(), _drawn(1, B, T, OUTPUTS, seed=3)
    z = t.clone().requires_grad_()
    lost = teacher_loss(targets, t, z, torch.ones(1, 1, 1, 1))
    (gradient,) = torch.autograd.grad(lost.sum(), z)
    torch.testing.assert_close(lost, torch.zeros(1, B), atol=1e-12, rtol=0)
    torch.testing.assert_close(gradient, torch.zeros_like(z), atol=1e-12, rtol=0)


@pytest.mark.parametrize("term", ["label", "teacher", "features"])
def test_gradients_are_those_of_finite_differences(term: str) -> None:
    targets = _targets()
    z = _drawn(1, B, T, OUTPUTS + 5, seed=6, scale=1.0).requires_grad_()

    def of(own: Tensor) -> Tensor:
        terms = BoxTerms(targets, own, values_of(temperature=1.7))
        return {
            "label": lambda: terms.label,
            "teacher": lambda: terms.teacher(1),
            "features": lambda: terms.features(1),
        }[term]()

    assert torch.autograd.gradcheck(of, (z,), fast_mode=True)


def test_a_picture_without_boxes_loses_its_background_alone() -> None:
    targets, z = _targets(), _drawn(1, B, T, OUTPUTS)
    z.requires_grad_()
    lost = label_loss(targets, z)[0, 1]
    (gradient,) = torch.autograd.grad(lost, z)
    assert lost > 0
    assert not gradient[0, 1, :, CLASSES:].any()
    assert gradient[0, 1, :, :CLASSES].all()
    # So does one of which a crowd is all that is known, where that is not.
    assert (targets.told[0, 3] == IGNORED).all()
    assert label_loss(targets, z)[0, 3] == 0


def test_who_knows_nothing_says_the_prior_and_meets_no_box() -> None:
    targets, z = _targets(), _drawn(1, B, T, OUTPUTS)
    found = BoxTerms(targets, z, values_of()).uninformed
    says = math.log(PRIOR / (1 - PRIOR))
    blank = torch.full_like(z, says)
    for b in range(B):
        of_classes, _ = _label_by_hand(targets, blank[0, b], b)
        wanted = of_classes + float((targets.told[0, b] >= 0).any())
        assert found[0, b].item() == pytest.approx(wanted, rel=1e-9)


def test_labels_at_teachers_are_the_label_s_term_of_what_they_say() -> None:
    targets, z = _targets(), _drawn(1, B, T, OUTPUTS + 5)
    found = BoxTerms(targets, z, values_of()).label_at_teachers
    t = targets.taught.logits()
    for m in range(2):
        assert torch.equal(found[:, m], label_loss(targets, t[:, m]))


def test_terms_of_some_pictures_are_theirs() -> None:
    targets, z = _targets(), _drawn(1, B, T, OUTPUTS + 5)
    values = values_of(temperature=1.5, terms="all", feature_weight=0.4)
    whole = BoxTerms(targets, z, values).first(3)
    part = BoxTerms(targets.part(slice(1, 3)), z[:, 1:3], values).first(3)
    torch.testing.assert_close(part, whole[..., 1:3])
