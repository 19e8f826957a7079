"""Changed pictures: their boxes are those of the pixels that moved."""

import numpy as np
import torch
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.detection.data.augment import LEAST_SIDE, Window, cropped, drawn_window, mirrored
from trainers.detection.data.dataset import BOX, CLASS, CROWD

L, B, HEIGHT, WIDTH, U = 2, 6, 24, 31, 4


def _drawn(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, each channel of which is one rectangle; their boxes; and how much is picture."""
    rng = np.random.default_rng(seed)
    images, boxes = torch.zeros(L, B, U, HEIGHT, WIDTH), torch.zeros(L, B, U, 6)
    size = torch.zeros(L, B, 2, dtype=torch.int64)
    for lane in range(L):
        for b in range(B):
            height, width = int(rng.integers(16, HEIGHT + 1)), int(rng.integers(16, WIDTH + 1))
            size[lane, b] = torch.tensor([height, width])
            for u in range(U):
                if u == 3 and b % 2:
                    boxes[lane, b, u, CLASS] = PADDING
                    continue
                left, top = (int(rng.integers(0, s - 3)) for s in (width, height))
                right = int(rng.integers(left + 1, width + 1))
                bottom = int(rng.integers(top + 1, height + 1))
                images[lane, b, u, top:bottom, left:right] = 1
                row = torch.tensor([u, left, top, right, bottom, float(u == 2)])
                boxes[lane, b, u] = row
    return images, boxes, size


def _around(pixels: Tensor) -> list[float] | None:
    """The box around what is not zero in a channel (H, W)."""
    rows, columns = pixels.any(1).nonzero(), pixels.any(0).nonzero()
    if not len(rows):
        return None
    ends = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return [float(end) for end in ends]


def _assert_around(images: Tensor, boxes: Tensor) -> int:
    """Every box is around its pixels; how many are left."""
    left = 0
    for lane in range(L):
        for b in range(B):
            for u in range(U):
                wanted, row = _around(images[lane, b, u]), boxes[lane, b, u]
                if wanted is None:
                    assert row[CLASS] == PADDING
                    assert not row[1:].any()
                    continue
                left += 1
                assert row[BOX].tolist() == wanted
                assert (row[CLASS], row[CROWD]) == (u, u == 2)
    return left


def test_a_mirrored_picture_has_the_boxes_of_its_pixels() -> None:
    images, boxes, size = _drawn()
    which = torch.rand(L, B, generator=torch.Generator().manual_seed(1)) < 0.5
    assert which.any()
    assert not which.all()
    turned, changed = mirrored(images, boxes, which, size[..., 1])
    _assert_around(turned, changed)
    assert torch.equal(turned[~which], images[~which])
    assert torch.equal(changed[~which], boxes[~which])
    assert not torch.equal(turned[which], images[which])
    # Twice is the picture, also behind its end.
    back = mirrored(turned, changed, which, size[..., 1])
    assert torch.equal(back[0], images)
    assert torch.equal(back[1], boxes)


def test_a_cropped_picture_has_the_boxes_of_what_is_left() -> None:
    images, boxes, size = _drawn(1)
    whole = _assert_around(images, boxes)
    generators = [torch.Generator().manual_seed(seed) for seed in range(L)]
    for least in (0.2, 0.8):
        window = drawn_window(size, least, generators)
        left = _assert_around(*cropped(images, boxes, window))
        assert left < whole or least == 0.8


def test_a_window_is_in_its_picture_and_as_large_as_is_said() -> None:
    size = torch.tensor([[[20, 30]] * 500])
    window = drawn_window(size, 0.5, [torch.Generator().manual_seed(0)])
    assert (window.begin >= 0).all()
    assert (window.begin + window.sides <= torch.tensor([30, 20])).all()
    assert window.sides.amin((0, 1)).tolist() == [15, 10]
    assert window.sides.amax((0, 1)).tolist() == [30, 20]
    assert torch.equal(window.begin, window.begin.round())
    # Both ends of the room are reached.
    room = torch.tensor([30, 20]) - window.sides
    assert (window.begin == room)[room > 0].any()
    assert (window.begin == 0)[room > 3].any()


def test_a_window_of_all_is_the_picture() -> None:
    images, boxes, size = _drawn(2)
    window = drawn_window(size, 1.0, [torch.Generator().manual_seed(s) for s in range(L)])
    assert not window.begin.any()
    shown, changed = cropped(images, boxes, window)
    assert torch.equal(shown, images)
    assert torch.equal(changed, boxes)


def test_what_is_left_moves_to_the_corner_and_zeros_are_behind() -> None:
    images = torch.arange(20.0).view(1, 1, 1, 4, 5)
    window = Window(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0, 2.0]]]))
    shown, _ = cropped(images, torch.zeros(1, 1, 0, 6), window)
    wanted = torch.zeros(4, 5)
    wanted[:2, :3] = images[0, 0, 0, 2:, 1:4]
    assert torch.equal(shown[0, 0, 0], wanted)


def test_a_sliver_of_a_box_is_gone() -> None:
    boxes = torch.tensor([[[[0.0, 1, 1, 4 + LEAST_SIDE, 9, 0], [1, 1, 1, 4.5, 9, 0]]]])
    window = Window(torch.tensor([[[4.0, 0.0]]]), torch.tensor([[[6.0, 10.0]]]))
    _, left = cropped(torch.zeros(1, 1, 1, 10, 10), boxes, window)
    assert left[0, 0, 0].tolist() == [0, 0, 1, 1, 9, 0]
    assert left[0, 0, 1].tolist() == [PADDING, 0, 0, 0, 0, 0]


def test_a_lane_s_windows_are_its_own() -> None:
    size = torch.tensor([[[20, 30]] * 4] * 2)
    both = drawn_window(size, 0.5, [torch.Generator().manual_seed(s) for s in (1, 2)])
    alone = drawn_window(size[1:], 0.5, [torch.Generator().manual_seed(2)])
    assert torch.equal(both.begin[1:], alone.begin)
    assert torch.equal(both.sides[1:], alone.sides)
