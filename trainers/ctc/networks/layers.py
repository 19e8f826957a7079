"""Convolutions over time, over lanes.

L lanes, B utterances of T frames, D numbers of a frame, K outputs, k frames of a window. Lane l of
the output depends on lane l of the input and of the parameters only.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.ctc.data.dataset import STRIDE, output_frames
from trainers.lanes.sequences import Norm

EPSILON = 1e-5


class Convolution(nn.Module):
    """W [x_(t - k/2), ..., x_(t + k/2)] + b of every ``stride``-th frame:
    ``(L, B, T, D) -> (L, B, T / stride, K)``, rounded up.

    ``weight`` (L, K, k D), ``bias`` (L, K); zeros before the beginning and behind the end. Starts
    as in `torch.nn.Conv1d`, uniform in +-1/sqrt(k D), b at zero. One product of matrices, as lanes
    have for every other map: forward mode goes through it.
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
        self.kernel, self.stride = kernel, stride
        bound = 1 / math.sqrt(kernel * inputs)
        shape = (outputs, kernel * inputs)
        drawn = [torch.empty(shape).uniform_(-bound, bound, generator=g) for g in generators]
        self.weight = nn.Parameter(torch.stack(drawn))
        self.bias = nn.Parameter(torch.zeros(len(generators), outputs))

    def forward(self, x: Tensor) -> Tensor:
        lanes, examples, frames, _ = x.shape
        there = -(-frames // self.stride)
        x = F.pad(x, (0, 0, self.kernel // 2, self.kernel // 2))
        behind = (there - 1) * self.stride + 1
        windows = [x[:, :, j : j + behind : self.stride] for j in range(self.kernel)]
        flat = torch.cat(windows, dim=3).view(lanes, examples * there, -1)
        y = torch.baddbmm(self.bias.unsqueeze(1), flat, self.weight.mT)
        return y.view(lanes, examples, there, -1)


class Layer(nn.Module):
    """A convolution, normalised frame by frame, then ReLU; nothing behind the end of an utterance:
    ``(L, B, T, D) -> (L, B, T / stride, K)``.

    No statistics of a batch, of which padding would be a part.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        kernel: int,
        generators: Sequence[torch.Generator],
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.convolution = Convolution(inputs, width, kernel, generators, stride)
        self.norm = Norm(width, len(generators), EPSILON)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """``there`` (L, B, T / stride, 1): 1 where there is a frame, else 0."""
        y: Tensor = self.convolution(x)
        normalised: Tensor = self.norm(y.flatten(1, 2))
        return F.relu(normalised.view(y.shape)) * there


def layers(
    inputs: int, width: int, kernel: int, count: int, generators: Sequence[torch.Generator]
) -> nn.ModuleList:
    """``count`` of them, the first with the task's stride."""
    return nn.ModuleList(
        Layer(width if i else inputs, width, kernel, generators, 1 if i else STRIDE)
        for i in range(count)
    )


def frames_there(lengths: Tensor, frames: int, like: Tensor) -> Tensor:
    """Where there are frames of output, of utterances with so many frames (L, B) of ``frames`` at
    most: (L, B, T', 1), 1 or 0."""
    place = torch.arange(output_frames(frames), device=lengths.device)
    there: Tensor = place < output_frames(lengths).unsqueeze(2)
    return there.to(like).unsqueeze(3)
