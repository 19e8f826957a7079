"""Convolutional classifiers over lanes.

L lanes, B examples, H features of the last layer, C classes, ch channels.
"""

from abc import abstractmethod

from torch import Tensor, nn

from trainers.lanes.layers import Linear, fold
from trainers.lanes.network import LaneNetwork, Output


class ImageClassifier(LaneNetwork):
    """A convolutional network: `vectors` of the images, then the linear layer ``head``.

    On a GPU the lanes are computed together, by grouped convolutions. On a CPU these gain nothing,
    and a lane would not get the bits that it gets alone; so lanes train in turn there.
    """

    head: Linear

    @abstractmethod
    def vectors(self, x: Tensor, lanes: int) -> Tensor:
        """Images (B, L * ch, H, W) to the features (L, H, B) that the head reads."""

    @property
    def last_bias(self) -> nn.Parameter:
        return self.head.bias

    def forward(self, x: Tensor) -> Output:
        features = self.vectors(fold(x), len(x))
        return Output(features.mT, self.head(features).mT)
