"""Parameters of every network: those of the literature, and counted by hand."""

import itertools

import pytest
import torch

from trainers.classification.networks.build import build_model
from trainers.settings import ModelSpec

C, SHAPE = 10, (3, 32, 32)


def _count(spec: ModelSpec) -> int:
    model = build_model(spec, SHAPE, C, [torch.Generator()])
    return sum(p.numel() for p in model.parameters())


def _resnet_parameters(depth: int) -> int:
    """Weights of the 3x3 convolutions, two numbers a channel for BN, the last layer."""
    n = (depth - 2) // 6
    widths = [3, 16, *[16] * 2 * n, *[32] * 2 * n, *[64] * 2 * n]
    weights = sum(9 * a * b for a, b in itertools.pairwise(widths))
    return weights + 2 * sum(widths[1:]) + 64 * C + C


def _wrn_parameters(depth: int, k: int) -> int:
    n = (depth - 4) // 6
    stages = [16 * k, 32 * k, 64 * k]
    widths = [16, *(w for w in stages for _ in range(2 * n))]
    weights = 9 * 3 * 16 + sum(9 * a * b for a, b in itertools.pairwise(widths))
    projections = sum(a * b for a, b in itertools.pairwise([16, *stages]) if a != b)
    return weights + projections + 2 * sum(widths) + stages[-1] * C + C


def _densenet_parameters(depth: int, k: int) -> int:
    n, channels, total = (depth - 4) // 3, 16, 9 * 3 * 16
    for block in range(3):
        if block:
            total += channels**2 + 2 * channels
        for _ in range(n):
            total += 9 * channels * k + 2 * channels
            channels += k
    return total + 2 * channels + channels * C + C


@pytest.mark.parametrize(
    ("depth", "millions"),
    # He et al. 2016, table 6: 20 to 110 layers.
    [(20, "0.27"), (32, "0.46"), (44, "0.66"), (56, "0.85"), (110, "1.7")],
)
def test_resnets_have_the_parameters_of_their_paper(depth: int, millions: str) -> None:
    count = _count(ModelSpec(f"resnet{depth}"))
    assert round(count / 1e6, len(millions) - 2) == float(millions)
    assert count == _resnet_parameters(depth)


def test_small_resnets_count_by_hand() -> None:
    assert _count(ModelSpec("resnet8")) == _resnet_parameters(8) == 75_290
    assert _count(ModelSpec("resnet14")) == _resnet_parameters(14) == 172_506
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert (
        _count(ModelSpec("resnet8", {"shortcut": "projection"})) == 75_290 + projections == 78_042
    )


@pytest.mark.parametrize(
    ("depth", "width", "millions"),
    # Zagoruyko and Komodakis 2016, and the distillation literature.
    [(16, 1, "0.2"), (16, 2, "0.7"), (16, 4, "2.7"), (16, 8, "11.0"), (40, 1, "0.6"),
     (40, 2, "2.2")],
)  # fmt: skip
def test_wide_resnets_have_the_parameters_of_their_paper(
    depth: int, width: int, millions: str
) -> None:
    count = _count(ModelSpec("wrn", {"depth": depth, "width": width}))
    assert f"{count / 1e6:.1f}" == millions
    assert count == _wrn_parameters(depth, width)


def test_densenet_has_the_parameters_of_its_paper() -> None:
    count = _count(ModelSpec("densenet"))
    assert f"{count / 1e6:.1f}" == "1.0"
    assert count == _densenet_parameters(40, 12)
    small = ModelSpec("densenet", {"depth": 10, "growth": 3})
    assert _count(small) == _densenet_parameters(10, 3)


@pytest.mark.parametrize(
    ("depth", "width", "expected"),
    [
        (2, None, 9 * 16 * (3 + 16) + 4 * 16 + 8 * 8 * 16 * C + C),
        (2, 32, 9 * 32 * (3 + 32) + 4 * 32 + 8 * 8 * 32 * C + C),
        (4, None, 9 * (3 * 16 + 16**2 + 16 * 32 + 32**2) + 2 * 96 + 8 * 8 * 32 * C + C),
        (6, None, 9 * (48 + 256 + 512 + 1024 + 2048 + 4096) + 2 * 224 + 16 * 64 * C + C),
        (
            8, None,
            9 * (48 + 256 + 512 + 1024 + 2048 + 4096 + 8192 + 16384) + 2 * 480
            + 4 * 128 * 64 + 64 + 64 * C + C,
        ),
        (
            10, None,
            9 * (96 + 32 * (32 + 64) + 64 * (64 + 128) + 128 * (128 + 256) + 3 * 256**2)
            + 2 * (2 * 32 + 2 * 64 + 2 * 128 + 4 * 256) + 4 * 256 * 128 + 128 + 128 * C + C,
        ),
    ],
)  # fmt: skip
def test_plain_networks_count_by_hand(depth: int, width: int | None, expected: int) -> None:
    sizes = {"depth": depth} if width is None else {"depth": depth, "width": width}
    assert _count(ModelSpec("plain_cnn", sizes)) == expected
