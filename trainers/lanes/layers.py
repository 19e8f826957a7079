"""Layers whose parameters carry a leading lane dimension, so that lanes train side by side.

L lanes, B examples, D inputs, K outputs, ch channels, H x W pixels. Lane l of the output depends on
lane l of the input and of the parameters only, in the same arithmetic whatever L is (on a CPU: with
one thread, and for layers more than one wide).

Of vectors examples come last, ``(L, D, B)``: networks here are narrow and batches are not, and work
along the long dimension is several times faster. Of images lanes are folded into the channels,
``(B, L * ch, H, W)``: a convolution over lanes is then a grouped one, batch statistics per channel
are statistics per lane, and one lane alone is what every image library is made for.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Module):
    """W x + b per lane: ``(L, D, B) -> (L, K, B)``.

    ``weight`` (L, K, D) and ``bias`` (L, K) start as in `torch.nn.Linear`, uniform in +-1/sqrt(D),
    drawn lane by lane from that lane's own generator; ``zero_bias`` starts the bias at zero.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        generators: Sequence[torch.Generator],
        zero_bias: bool = False,
    ) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        weight = [_uniform((outputs, inputs), bound, g) for g in generators]
        spread = 0.0 if zero_bias else bound
        bias = [_uniform((outputs,), spread, g) for g in generators]
        self.weight = nn.Parameter(torch.stack(weight))
        self.bias = nn.Parameter(torch.stack(bias))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(2), self.weight, x)


def affine(layer: nn.Module, x: Tensor) -> Tensor:
    """A `Linear`, without a matrix product where it is one wide: another L would get another
    one."""
    assert isinstance(layer, Linear)
    if 1 in layer.weight.shape[1:]:
        return (layer.weight.unsqueeze(-1) * x.unsqueeze(1)).sum(2) + layer.bias.unsqueeze(-1)
    y: Tensor = layer(x)
    return y


class Conv2d(nn.Module):
    """A convolution per lane: ``(B, L * ch, H, W) -> (B, L * K, H / stride, W / stride)``.

    ``weight`` (L, K, ch, k, k), no bias: batch normalisation follows and would take it away. The
    border is padded with k // 2 zeros. Starts from N(0, 2 / (K k^2)): He et al. 2015 (arXiv
    1502.01852) in the form that counts outputs, as the public code of WRN and DenseNet does; drawn
    lane by lane from that lane's own generator.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        generators: Sequence[torch.Generator],
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, kernel // 2
        shape = (outputs, inputs, kernel, kernel)
        std = math.sqrt(2.0 / (outputs * kernel * kernel))
        self.weight = nn.Parameter(
            torch.stack([torch.empty(shape).normal_(0.0, std, generator=g) for g in generators])
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(
            x,
            self.weight.flatten(0, 1),
            stride=self.stride,
            padding=self.padding,
            groups=len(self.weight),
        )


class _BatchNorm(nn.Module):
    """Batch normalisation per lane and channel, as torch's: ``(B, L * ch, ...)``.

    ``weight`` 1 and ``bias`` 0 at first, ``running_mean`` and ``running_var`` (unbiased), each
    (L, ch). In training a batch is normalised by its own mean and biased variance, and moves the
    running ones; in evaluation these are used. Ioffe and Szegedy 2015, arXiv 1502.03167.
    """

    MOMENTUM, EPSILON = 0.1, 1e-5  # share of the newest batch; added to variances: torch's defaults

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, lanes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(lanes, channels))
        self.bias = nn.Parameter(torch.zeros(lanes, channels))
        self.register_buffer("running_mean", torch.zeros(lanes, channels))
        self.register_buffer("running_var", torch.ones(lanes, channels))

    def forward(self, x: Tensor) -> Tensor:
        # A view, never a copy: the running statistics change in place.
        mean, var = self.running_mean.view(-1), self.running_var.view(-1)
        return F.batch_norm(
            x,
            mean,
            var,
            self.weight.flatten(),
            self.bias.flatten(),
            self.training,
            self.MOMENTUM,
            self.EPSILON,
        )


class BatchNorm2d(_BatchNorm):
    """Of images ``(B, L * ch, H, W)``, as `torch.nn.BatchNorm2d`."""


class BatchNorm1d(_BatchNorm):
    """Of vectors ``(L, D, B)``, as `torch.nn.BatchNorm1d`."""

    def forward(self, x: Tensor) -> Tensor:
        # Each channel's numbers one after the other: with channels last in memory, what becomes of
        # one depends on how many there are.
        return super().forward(x.flatten(0, 1).unsqueeze(0)).view(x.shape)


def fold(x: Tensor) -> Tensor:
    """Images (L, B, ch, H, W) with their lanes folded into the channels: ``(B, L * ch, H, W)``.

    On a CPU channels come last in memory, where convolutions are faster.
    """
    images = x[0] if len(x) == 1 else x.transpose(0, 1).flatten(1, 2)
    if x.device.type != "cpu":
        return images
    images = images.contiguous(memory_format=torch.channels_last)
    if images.shape[1] == 1:
        # With one channel either order is the same memory; the strides say which one is meant.
        height, width = images.shape[2:]
        images = images.as_strided(images.shape, (height * width, 1, width, 1))
    return images


def flatten(x: Tensor, lanes: int) -> Tensor:
    """Images (B, L * ch, H, W) as vectors ``(L, ch * H * W, B)``, channel by channel."""
    return x.reshape(x.shape[0], lanes, -1).permute(1, 2, 0).contiguous()


def global_average(x: Tensor, lanes: int) -> Tensor:
    """The mean over the pixels of images (B, L * ch, H, W), as vectors ``(L, ch, B)``."""
    return flatten(x.mean((2, 3)), lanes)


def join(parts: Sequence[Tensor], lanes: int) -> Tensor:
    """Images (B, L * ch_i, H, W) as one with the channels of all: ``(B, L * sum ch_i, H, W)``."""
    if lanes == 1:
        return torch.cat(list(parts), 1)
    return torch.cat([_unfold(x, lanes) for x in parts], 2).flatten(1, 2)


def pad_channels(x: Tensor, missing: int, lanes: int) -> Tensor:
    """Zero channels after those of each lane: ``(B, L * (ch + missing), H, W)``."""
    padding = (0, 0, 0, 0, 0, missing)
    if lanes == 1:
        return F.pad(x, padding)
    return F.pad(_unfold(x, lanes), padding).flatten(1, 2)


def halve(x: Tensor) -> Tensor:
    """Average pooling by two: ``(B, ch, H, W) -> (B, ch, H // 2, W // 2)``."""
    return F.avg_pool2d(x, 2)


def halve_by_maximum(x: Tensor) -> Tensor:
    """Max pooling by two: ``(B, ch, H, W) -> (B, ch, H // 2, W // 2)``."""
    return F.max_pool2d(x, 2)


def every_other(x: Tensor) -> Tensor:
    """Every other pixel: ``(B, ch, H, W) -> (B, ch, (H + 1) // 2, (W + 1) // 2)``.

    As pooling over windows of one pixel, whose gradient, unlike that of an index, keeps the order
    of memory.
    """
    return F.avg_pool2d(x, 1, 2)


def _unfold(x: Tensor, lanes: int) -> Tensor:
    """Images (B, L * ch, H, W) as (B, L, ch, H, W)."""
    return x.view(x.shape[0], lanes, -1, *x.shape[2:])


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
