"""Meta-Weight-Net: L_i = w_i CE(y_i, z_i), w_i = sigmoid(net(CE(y_i, z_i))).

The net, 1-100-1 with ReLU, learns from clean data through a look-ahead of the whole student; see
`trainers.mixing.learned_weights`.

Source: Shu et al. 2019, arXiv 1902.07379, and its authors' public code (Adam, 1e-3).
"""

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy
from trainers.classification.data.lanes import Batch
from trainers.method import Setup
from trainers.mixing.learned_weights import LearnedWeights, WeightingNet


class MetaWeightNet(LearnedWeights):
    """Labels weighted by a learned function of their loss; the teacher is not read."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, WeightingNet(1, 1, setup.seeds, "meta_weight_net"))

    def parts(self, batch: Batch, z: Tensor) -> Tensor:
        return cross_entropy(z, batch.labels).unsqueeze(1)

    def weights(self, batch: Batch, z: Tensor) -> Tensor:
        u = cross_entropy(z.detach(), batch.labels).unsqueeze(1)
        # The sigmoid; torch's own rounds the last elements of a tensor unlike those before them,
        # so that a lane would depend on its place.
        return 0.5 * (1 + torch.tanh(0.5 * self.net(u)))
