"""Batches hold every example once, and never one alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.lanes.batches import batch_sizes
from trainers.lanes.layers import Linear


@given(st.integers(0, 300), st.integers(1, 80))
def test_every_example_is_in_a_batch_and_none_is_alone(examples: int, size: int) -> None:
    sizes = batch_sizes(examples, size)
    assert sum(sizes) == examples
    assert all(0 < s <= size + 1 for s in sizes)
    assert 1 not in sizes or size == 1 or examples == 1


def test_sizes_are_equal_but_for_the_last() -> None:
    assert batch_sizes(128, 64) == [64, 64]
    assert batch_sizes(130, 64) == [64, 64, 2]
    assert batch_sizes(129, 64) == [64, 65]
    assert batch_sizes(3, 64) == [3]


@pytest.mark.parametrize(("inputs", "outputs"), [(7, 11), (60, 16), (64, 256), (784, 64)])
@pytest.mark.parametrize("examples", [2, 3, 64, 65])
def test_a_layer_of_any_width_gives_a_lane_the_same_bits(
    inputs: int, outputs: int, examples: int
) -> None:
    def generator(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    x = torch.randn(3, inputs, examples, generator=generator(9))
    together = Linear(inputs, outputs, [generator(seed) for seed in range(3)])(x)
    for lane in range(3):
        alone = Linear(inputs, outputs, [generator(lane)])(x[lane : lane + 1])
        assert torch.equal(together[lane], alone[0])
