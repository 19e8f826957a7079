"""Areas and overlaps by hand; suppression against a plain loop."""

import pytest
import torch
from torch import Tensor

from trainers.detection.boxes import area, iou, iou_of_all, suppressed

A = (0.0, 0.0, 4.0, 2.0)


@pytest.mark.parametrize(
    ("box", "wanted"),
    [(A, 8.0), ((1.5, 1.0, 2.0, 3.0), 1.0), ((3, 3, 3, 9), 0.0), ((4, 0, 0, 2), 0.0),
     ((4, 2, 0, 0), 0.0)],
)  # fmt: skip
def test_an_area_is_that_between_the_sides(box: tuple[float, ...], wanted: float) -> None:
    assert area(torch.tensor(box)) == wanted


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        (A, 1.0),
        ((2.0, 0.0, 6.0, 2.0), 4 / 12),
        ((1.0, 0.5, 2.0, 1.5), 1 / 8),
        # Side by side, and far off.
        ((4.0, 0.0, 8.0, 2.0), 0.0),
        ((9.0, 9.0, 10.0, 10.0), 0.0),
        # Of no area, or the wrong way round.
        ((1.0, 1.0, 1.0, 1.0), 0.0),
        ((4.0, 2.0, 0.0, 0.0), 0.0),
    ],
)
def test_an_overlap_is_what_is_shared_of_both(other: tuple[float, ...], wanted: float) -> None:
    a, b = torch.tensor(A), torch.tensor(other)
    assert iou(a, b).item() == pytest.approx(wanted, rel=1e-6)
    assert iou(b, a) == iou(a, b)


def test_nothing_and_nothing_overlap_by_nothing_with_a_finite_gradient() -> None:
    box = torch.tensor([3.0, 3.0, 3.0, 3.0], requires_grad=True)
    overlap = iou(box, torch.tensor([3.0, 3.0, 3.0, 3.0]))
    overlap.backward()
    assert overlap == 0
    assert box.grad is not None
    assert box.grad.isfinite().all()


def test_every_pair_is_that_pair() -> None:
    drawn = torch.Generator().manual_seed(0)
    one, other = (_boxes((2, n), drawn) for n in (3, 5))
    found = iou_of_all(one, other)
    assert found.shape == (2, 3, 5)
    for b in range(2):
        for i in range(3):
            for j in range(5):
                assert found[b, i, j] == iou(one[b, i], other[b, j])


def _boxes(shape: tuple[int, ...], drawn: torch.Generator) -> Tensor:
    """On whole pixels, so that some overlap by the same."""
    begin = torch.randint(0, 6, (*shape, 2), generator=drawn)
    sides = torch.randint(1, 5, (*shape, 2), generator=drawn)
    return torch.cat([begin, begin + sides], dim=-1).float()


def _greedy(boxes: Tensor, classes: Tensor, most: float) -> list[bool]:
    """The rule as it is told."""
    left: list[int] = []
    for i in range(len(boxes)):
        rivals = [j for j in left if classes[j] == classes[i]]
        if all(float(iou(boxes[j], boxes[i])) <= most for j in rivals):
            left.append(i)
    return [i not in left for i in range(len(boxes))]


@pytest.mark.parametrize("most", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("classes", [1, 3])
def test_suppression_is_the_greedy_loop(most: float, classes: int) -> None:
    drawn = torch.Generator().manual_seed(classes)
    boxes = _boxes((8, 14), drawn)
    of = torch.randint(0, classes, (8, 14), generator=drawn)
    found = suppressed(boxes, of, most)
    for own, its, gone in zip(boxes, of, found, strict=True):
        assert gone.tolist() == _greedy(own, its, most)
    assert found.any() or most == 1


def test_a_box_that_is_gone_takes_no_other_with_it() -> None:
    """The second overlaps the first and the third, which do not meet."""
    boxes = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [4, 0, 8, 4]])
    assert suppressed(boxes, torch.zeros(3, dtype=torch.int64), 0.3).tolist() == [
        False,
        True,
        False,
    ]


def test_an_overlap_of_exactly_as_much_is_left() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2]])
    of = torch.zeros(2, dtype=torch.int64)
    assert suppressed(boxes, of, 0.5).tolist() == [False, False]
    assert suppressed(boxes, of, 0.49).tolist() == [False, True]


def test_boxes_of_other_classes_stand_side_by_side() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4]] * 3)
    assert suppressed(boxes, torch.tensor([0, 1, 0]), 0.5).tolist() == [False, False, True]
