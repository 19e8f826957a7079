"""Every layer against torch's own, lane by lane."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.lanes.layers import (
    BatchNorm2d,
    Conv2d,
    Linear,
    every_other,
    flatten,
    fold,
    global_average,
    halve,
    halve_by_maximum,
    join,
    pad_channels,
)

LANES, B, CH, K, H, W = 3, 4, 2, 5, 9, 8


def _generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _images(seed: int = 0, channels: int = CH) -> Tensor:
    return torch.randn(LANES, B, channels, H, W, generator=_generators(seed)[0])


def _unfolded(x: Tensor) -> Tensor:
    """(B, L * ch, H, W) as (L, B, ch, H, W)."""
    return x.unflatten(1, (LANES, -1)).transpose(0, 1)


def test_folding_puts_each_lane_among_the_channels() -> None:
    x = _images()
    assert torch.equal(_unfolded(fold(x)), x)
    assert torch.equal(fold(x[:1]), x[0])


@pytest.mark.parametrize("channels", [1, 2])
def test_folded_images_have_their_channels_last_in_memory(channels: int) -> None:
    x = fold(_images(channels=channels)[:1])
    assert x.stride() == (H * W * channels, 1, W * channels, channels)
    conv = Conv2d(channels, K, 3, _generators(1))
    assert conv(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1), (1, 2)])
def test_convolution_is_torchs_with_gradients(kernel: int, stride: int) -> None:
    layer = Conv2d(CH, K, kernel, _generators(1, 2, 3), stride)
    x = _images().requires_grad_()
    y = _unfolded(layer(fold(x)))
    y.sin().sum().backward()
    for lane in range(LANES):
        twin = nn.Conv2d(CH, K, kernel, stride, kernel // 2, bias=False)
        twin.weight.data.copy_(layer.weight[lane])
        its_x = x[lane].detach().clone().requires_grad_()
        expected = twin(its_x)
        expected.sin().sum().backward()
        torch.testing.assert_close(y[lane], expected)
        torch.testing.assert_close(layer.weight.grad[lane], twin.weight.grad)
        torch.testing.assert_close(x.grad[lane], its_x.grad)


def test_convolutions_start_from_he_normal_by_outputs() -> None:
    weight = Conv2d(30, 40, 3, _generators(1)).weight
    assert weight.std().item() == pytest.approx((2 / (40 * 9)) ** 0.5, rel=0.02)
    assert weight.mean().abs() < 0.003


def test_first_weights_come_from_the_lanes_own_generator() -> None:
    together, alone = Conv2d(CH, K, 3, _generators(5, 7)), Conv2d(CH, K, 3, _generators(7))
    assert torch.equal(together.weight[1], alone.weight[0])
    assert not torch.equal(together.weight[0], together.weight[1])


def test_a_linear_layer_may_start_without_bias() -> None:
    assert not Linear(4, 3, _generators(1), zero_bias=True).bias.any()
    assert Linear(4, 3, _generators(1)).bias.all()


@pytest.mark.usefixtures("double_precision")
def test_batch_normalisation_is_torchs_in_training_and_evaluation() -> None:
    layer = BatchNorm2d(CH, LANES)
    with torch.no_grad():
        layer.weight.copy_(torch.rand(LANES, CH, generator=_generators(8)[0]))
        layer.bias.copy_(torch.rand(LANES, CH, generator=_generators(9)[0]))
    twins = [nn.BatchNorm2d(CH) for _ in range(LANES)]
    for lane, twin in enumerate(twins):
        twin.weight.data.copy_(layer.weight[lane])
        twin.bias.data.copy_(layer.bias[lane])
    for seed in range(3):
        x = 3 + 2 * _images(seed)
        y = _unfolded(layer(fold(x)))
        for lane, twin in enumerate(twins):
            torch.testing.assert_close(y[lane], twin(x[lane]))
            torch.testing.assert_close(layer.running_mean[lane], twin.running_mean)
            torch.testing.assert_close(layer.running_var[lane], twin.running_var)
    layer.eval()
    before = layer.running_mean.clone()
    y = _unfolded(layer(fold(x)))
    assert torch.equal(layer.running_mean, before)
    for lane, twin in enumerate(twins):
        torch.testing.assert_close(y[lane], twin.eval()(x[lane]))


@pytest.mark.usefixtures("double_precision")
def test_running_statistics_by_hand() -> None:
    layer, x = BatchNorm2d(CH, 1), _images()[:1]
    layer(fold(x))
    of_channel = x[0].transpose(0, 1).flatten(1)
    torch.testing.assert_close(layer.running_mean[0], 0.1 * of_channel.mean(1))
    unbiased = of_channel.var(1, correction=1)
    torch.testing.assert_close(layer.running_var[0], 0.9 + 0.1 * unbiased)


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (halve, lambda x: F.avg_pool2d(x, 2)),
        (halve_by_maximum, lambda x: F.max_pool2d(x, 2)),
        (every_other, lambda x: x[:, :, ::2, ::2]),
    ],
)
def test_pooling_goes_lane_by_lane(
    ours: Callable[[Tensor], Tensor], expected: Callable[[Tensor], Tensor]
) -> None:
    x = _images()
    y = _unfolded(ours(fold(x)))
    for lane in range(LANES):
        torch.testing.assert_close(y[lane], expected(x[lane]))


def test_vectors_of_images() -> None:
    x = _images()
    torch.testing.assert_close(global_average(fold(x), LANES).mT, x.mean((3, 4)))
    assert torch.equal(flatten(fold(x), LANES).mT, x.flatten(2))


def test_channels_are_joined_and_added_lane_by_lane() -> None:
    a, b = _images(1), _images(2, channels=3)
    joined = _unfolded(join([fold(a), fold(b)], LANES))
    assert torch.equal(joined, torch.cat([a, b], 2))
    assert torch.equal(join([a[0], b[0]], 1), torch.cat([a[0], b[0]], 1))
    padded = _unfolded(pad_channels(fold(a), 3, LANES))
    assert torch.equal(padded, torch.cat([a, torch.zeros_like(b)], 2))
    assert torch.equal(pad_channels(a[0], 3, 1), padded[0])
