"""What every network of the task is: one that says of each frame which symbol is said.

L lanes, B utterances of T frames of F numbers, U columns of targets, C symbols with the blank.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from trainers.lanes.network import LaneNetwork, Output


@dataclass(frozen=True)
class UtteranceFacts:
    """What networks are told of the utterances: ``frames`` T, ``numbers`` F of a frame, ``symbols``
    C with the blank, ``labels``: columns U of targets."""

    frames: int
    numbers: int
    symbols: int
    labels: int


class Shown(NamedTuple):
    """What a network is shown: ``frames`` (L, B, T, F), zero behind the end of an utterance,
    ``lengths`` (L, B) of them, and the ``labels`` (L, B, U) it was given, `PADDING` behind their
    end, which no student reads."""

    frames: Tensor
    lengths: Tensor
    labels: Tensor


class UtteranceNetwork(LaneNetwork):
    """A network of frames over lanes.

    ``reads_targets``: whether its output depends on the labels that it is shown, so that it can
    teach, and never be a student.
    """

    reads_targets: bool = False

    @abstractmethod
    def forward(self, x: Shown) -> Output:
        """Features (L, B, T', H) and logits (L, B, T', C) of every `STRIDE`-th frame; what is
        behind the end of an utterance means nothing."""
