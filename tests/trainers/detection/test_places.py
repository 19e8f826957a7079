"""Which place tells of which box: by hand, and against a plain loop."""

import math

import pytest
import torch
from torch import Tensor

from tests.trainers.detection.cases import CPU, boxes_of
from trainers.detection.data.dataset import BOX, CLASS, CROWD, places
from trainers.detection.places import (
    IGNORED,
    NOTHING,
    RADIUS,
    REACH,
    Grid,
    assigned,
    boxes_at,
    grid,
)

# Sides of pictures: of one level, of three, and that no stride divides.
SIZES = [(16, 16), (48, 20), (18, 23), (160, 130), (129, 16)]


def _grid(height: int, width: int) -> Grid:
    return grid(height, width, CPU, torch.float32)


def _told(picture: list[tuple[float, ...]], height: int = 16, width: int = 16) -> Tensor:
    """Of one picture the box of each place, row by row where there is one level."""
    found = assigned(torch.as_tensor(boxes_of(picture)).unsqueeze(0), _grid(height, width))[0, 0]
    return found.view(height // 4, width // 4) if max(height, width) <= 128 else found


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_places_of_a_size_are_as_many_as_its_data_set_counts(height: int, width: int) -> None:
    of = _grid(height, width)
    assert all(len(values) == places(height, width) for values in of)
    # None is as far off the picture as its own square is wide.
    assert (of.middle < torch.tensor([width, height]) + of.stride.unsqueeze(1) / 2).all()


def test_one_level_goes_row_by_row_and_tells_of_every_size() -> None:
    of = _grid(8, 12)
    assert of.middle.tolist() == [[2, 2], [6, 2], [10, 2], [2, 6], [6, 6], [10, 6]]
    assert of.stride.tolist() == [4] * 6
    assert of.nearest.tolist() == [0] * 6
    assert of.farthest.tolist() == [math.inf] * 6


def test_of_three_levels_each_tells_of_sizes_that_the_others_do_not() -> None:
    of = _grid(160, 160)
    levels = {
        (float(s), float(low), float(high))
        for s, low, high in zip(of.stride, of.nearest, of.farthest, strict=True)
    }
    assert levels == {(8, 0, 64), (16, 64, 128), (32, 128, math.inf)}


def test_a_box_is_told_of_around_its_middle() -> None:
    """By places within 5 pixels of (8, 8) either way: the middles at 6 and 10."""
    told = _told([(0, 0, 0, 16, 16)])
    assert told.tolist() == [
        [-1, -1, -1, -1], [-1, 0, 0, -1], [-1, 0, 0, -1], [-1, -1, -1, -1],
    ]  # fmt: skip


def test_no_place_tells_of_a_box_that_it_is_not_in() -> None:
    told = _told([(0, 0, 7, 16, 8.5)])
    # Places in the rows at 6 and 10 are not in it; they are as near to it as any.
    assert told.tolist() == [
        [-1, -1, -1, -1], [-1, 0, 0, -1], [-1, -1, -1, -1], [-1, -1, -1, -1],
    ]  # fmt: skip


def test_a_box_smaller_than_a_square_has_the_nearest_place() -> None:
    told = _told([(0, 11.2, 3.9, 12.1, 4.8)])
    assert (told == 0).nonzero().tolist() == [[1, 2]]
    # Of four that are as near, all.
    between = _told([(0, 3.5, 3.5, 4.5, 4.5)])
    assert (between == 0).nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_where_boxes_overlap_the_smallest_is_told_of() -> None:
    large, small = (0, 0, 0, 16, 16), (1, 4, 4, 12, 11)
    for boxes, number in (([large, small], 1), ([small, large], 0)):
        told = _told(boxes)
        assert told[1, 1] == told[1, 2] == told[2, 2] == number


@pytest.mark.parametrize(
    ("side", "stride"), [(10, 8), (64, 8), (64.5, 16), (128, 16), (129, 32), (159, 32)]
)
def test_the_farthest_side_of_a_box_says_which_level(side: float, stride: int) -> None:
    for box in ((0, 0, 1, side, 11), (0, 1, 0, 11, side)):
        told = _told([box], 160, 160)
        assert set(_grid(160, 160).stride[told == 0].tolist()) == {stride}


def test_a_crowd_is_told_of_by_nobody_and_held_against_nobody() -> None:
    crowd, single = (0, 0, 0, 12, 16, 1), (1, 1, 1, 7, 7)
    told = _told([crowd, single])
    # The nearest to (4, 4) are those at 2 and 6 either way.
    assert told.tolist() == [
        [1, 1, -2, -1], [1, 1, -2, -1], [-2, -2, -2, -1], [-2, -2, -2, -1],
    ]  # fmt: skip
    assert (_told([crowd])[:, :3] == IGNORED).all()
    assert (_told([crowd])[:, 3] == NOTHING).all()


def test_what_fills_up_is_told_of_by_nobody() -> None:
    both = torch.as_tensor(boxes_of([], [(0, 0, 0, 16, 16), (1, 1, 1, 3, 3)])).unsqueeze(0)
    found = assigned(both, _grid(16, 16))
    assert (found[0, 0] == NOTHING).all()
    assert (found[0, 1] >= 0).any()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_drawn_boxes_go_where_a_plain_loop_has_them(height: int, width: int) -> None:
    drawn = torch.Generator().manual_seed(height)
    of = grid(height, width, CPU, torch.float64)
    begin = torch.rand(2, 3, 5, 2, generator=drawn).double() * torch.tensor([width, height])
    room = torch.tensor([width, height]) - begin
    end = begin + room * torch.rand(2, 3, 5, 2, generator=drawn) ** 2 + 0.01
    boxes = torch.zeros(2, 3, 5, 6, dtype=torch.float64)
    boxes[..., BOX] = torch.cat([begin, end], dim=-1)
    boxes[:, :, 1, CROWD] = 1.0
    boxes[:, 1, 3:, CLASS] = -1.0
    found = assigned(boxes, of)
    for lane in range(2):
        for picture in range(3):
            assert found[lane, picture].tolist() == _plain(boxes[lane, picture], of)


def _plain(boxes: Tensor, of: Grid) -> list[int]:
    """The rule as it is told, box by box and place by place."""
    every = list(zip(*(values.tolist() for values in of), strict=True))
    told, sizes = [NOTHING] * len(every), [math.inf] * len(every)
    crowded = [False] * len(every)
    for u, (of_class, left, top, right, bottom, crowd) in enumerate(boxes.tolist()):
        if of_class == -1:
            continue
        middle = (left + right) / 2, (top + bottom) / 2
        off = [max(abs(x - middle[0]), abs(y - middle[1])) for (x, y), *_ in every]
        reach, size = max(right - left, bottom - top), (right - left) * (bottom - top)
        level = [low < reach <= high for *_, low, high in every]
        nearest = min(o for o, reaches in zip(off, level, strict=True) if reaches)
        for t, ((x, y), stride, *_) in enumerate(every):
            inside = left < x < right and top < y < bottom
            if crowd:
                crowded[t] |= inside
                continue
            tells = off[t] == nearest or (inside and off[t] <= RADIUS * stride)
            if level[t] and tells and size < sizes[t]:
                told[t], sizes[t] = u, size
    return [IGNORED if c and t == NOTHING else t for c, t in zip(crowded, told, strict=True)]


def test_every_single_box_is_told_of_where_it_is_alone() -> None:
    drawn = torch.Generator().manual_seed(5)
    for height, width in SIZES:
        begin = torch.rand(20, 2, generator=drawn) * torch.tensor([width, height]) * 0.9
        for x, y in begin.tolist():
            assert (_told_flat([(0, x, y, x + 0.3, y + 0.2)], height, width) == 0).any()


def _told_flat(picture: list[tuple[float, ...]], height: int, width: int) -> Tensor:
    return assigned(torch.as_tensor(boxes_of(picture)).unsqueeze(0), _grid(height, width))[0, 0]


def test_boxes_at_distances_are_around_the_middles() -> None:
    of = _grid(8, 8)
    away = torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(4, 4)
    assert boxes_at(away, of)[1].tolist() == [5, 0, 9, 6]
    assert REACH == 8
