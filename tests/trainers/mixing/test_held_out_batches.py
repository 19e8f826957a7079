"""Held-out mini-batches: every example once an order, as many at a time as the lane says."""

import torch

from tests.trainers.cases import Trial, make_cohort, only
from trainers.lanes.state import pick
from trainers.mixing.held_out_batches import HeldOutBatches, held_out_sizes
from trainers.task import TaskData

SEEDS = (3, 4, 3)


def _data() -> TaskData:
    trials = [Trial("a"), Trial("b", seed=4), Trial("c")]
    return only(make_cohort("labels_only", trials)).data


def _draw(batches: HeldOutBatches) -> dict[int, list[int]]:
    """The places that each lane draws."""
    return {
        lane: batch.places[row].tolist()
        for lanes, batch in batches.draw()
        for row, lane in enumerate(lanes.tolist())
    }


def test_they_go_through_the_meta_split_in_an_order_of_each_lanes_own() -> None:
    data = _data()
    n, sizes = data.size("meta"), (8, 8, 5)
    batches = HeldOutBatches(data, sizes, SEEDS, "test")
    drawn = [_draw(batches) for _ in range(40)]
    for lane, size in enumerate(sizes):
        whole = n // size
        orders = [
            [place for one in drawn[first : first + whole] for place in one[lane]]
            for first in range(0, 2 * whole, whole)
        ]
        for order in orders:
            assert len(order) == len(set(order)) == n - n % size
        assert orders[0] != orders[1]
    assert drawn[0][0] != drawn[0][1]
    # Lanes of one seed have one order, which they cut as they like.
    assert drawn[0][0][:5] == drawn[0][2]
    assert drawn[0][0] + drawn[1][0][:2] == drawn[0][2] + drawn[1][2]


def test_a_batch_is_that_of_its_lane() -> None:
    data = _data()
    batches = HeldOutBatches(data, (8, 5, 8), SEEDS, "test")
    for lanes, batch in batches.draw():
        alone = data.batch("meta", batch.places, lanes)
        assert torch.equal(batch.inputs, alone.inputs)
        assert torch.equal(batch.targets.labels, alone.targets.labels)


def test_lanes_that_are_left_go_on_where_they_were() -> None:
    """With other lanes beside them, taken up from what was kept in the middle of an order."""
    data = _data()
    straight = HeldOutBatches(data, (8, 5, 6), SEEDS, "test")
    for _ in range(4):
        straight.draw()
    left = torch.tensor([2, 1])
    resumed = HeldOutBatches(data, (8, 5, 6), SEEDS, "test")
    resumed.keep(left)
    resumed.load_state(pick(straight.state(), left, torch.device("cpu")))
    for _ in range(9):
        expected = _draw(straight)
        assert _draw(resumed) == {0: expected[2], 1: expected[1]}


def test_sizes_are_those_of_training_by_default_and_never_more_than_there_are() -> None:
    trials = [
        Trial(str(size), values={"held_out_batch": size}) for size in ("default", 5, 26, 27, 1000)
    ]
    stack = only(make_cohort("meta_weight_net", trials))
    assert stack.data.size("meta") == 27
    assert held_out_sizes(stack.method.values, 19, stack.data) == [19, 5, 26, 27, 27]
    assert held_out_sizes(stack.method.values, 128, stack.data) == [27, 5, 26, 27, 27]
