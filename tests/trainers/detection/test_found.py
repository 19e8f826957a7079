"""From outputs to boxes that are found."""

import torch

from tests.trainers.detection.cases import CPU
from trainers.detection.found import CANDIDATES, MOST, best_of, found
from trainers.detection.places import grid

SIZE = torch.tensor([[16, 20]])


def test_one_box_stands_for_those_of_its_class_that_overlap_it() -> None:
    boxes = torch.tensor([[[0.0, 0, 8, 8], [0, 0, 8, 7], [10, 10, 14, 14]]])
    scores = torch.tensor([[[0.6, 0.1], [0.7, 0.2], [0.3, 0.4]]])
    best = best_of(boxes, scores, SIZE)
    told = [
        (round(float(s), 3), int(c), b.tolist())
        for s, c, b in zip(best.scores[0], best.classes[0], best.boxes[0], strict=True)
        if s > 0
    ]
    assert told == [
        (0.7, 0, [0, 0, 8, 7]), (0.4, 1, [10, 10, 14, 14]), (0.3, 0, [10, 10, 14, 14]),
        (0.2, 1, [0, 0, 8, 7]),
    ]  # fmt: skip


def test_boxes_end_where_their_picture_does() -> None:
    boxes = torch.tensor([[[-3.0, -1, 8, 8], [15, 10, 40, 30]]] * 2)
    size = torch.tensor([[16, 20], [12, 18]])
    best = best_of(boxes, torch.tensor([[[0.9], [0.8]]] * 2), size)
    assert best.boxes[0].tolist() == [[0, 0, 8, 8], [15, 10, 20, 16]]
    assert best.boxes[1].tolist() == [[0, 0, 8, 8], [15, 10, 18, 12]]


def test_scores_go_down_and_are_bounded_in_number_not_in_size() -> None:
    drawn = torch.Generator().manual_seed(0)
    n = 300
    begin = torch.arange(n).float() * 10
    boxes = torch.stack([begin, begin, begin + 5, begin + 5], dim=1).unsqueeze(0)
    scores = torch.rand(1, n, 1, generator=drawn) * 1e-6
    best = best_of(boxes, scores, torch.tensor([[10 * n, 10 * n]]))
    assert best.scores.shape == (1, MOST)
    wanted = scores.flatten().sort(descending=True).values[:MOST]
    assert torch.equal(best.scores[0], wanted)
    assert n > CANDIDATES > MOST


def test_where_fewer_are_left_their_scores_are_nought() -> None:
    boxes = torch.tensor([[[0.0, 0, 8, 8]] * 5])
    best = best_of(boxes, torch.full((1, 5, 1), 0.5), SIZE)
    assert (best.scores > 0).sum() == 1


def test_a_picture_finds_the_same_beside_others_and_with_more_behind_its_outputs() -> None:
    z = torch.randn(3, 20, 7, generator=torch.Generator().manual_seed(1))
    of = grid(16, 20, CPU, torch.float32)
    together = found(z, 3, of, SIZE.expand(3, 2))
    wider = torch.cat([z, torch.ones(3, 20, 2)], dim=2)
    for b in range(3):
        alone = found(wider[b : b + 1], 3, of, SIZE)
        for mine, theirs in zip(alone, together, strict=True):
            assert torch.equal(mine[0], theirs[b])
