"""Meta-Weight-Net: L_i = w_i l_i, w_i = sigmoid(net(l_i)), l_i the label's term.

The net, 1-100-1 with ReLU, learns from clean data through a look-ahead of the whole student; see
`trainers.mixing.learned_weights`.

Source: Shu et al. 2019, arXiv 1902.07379, and its authors' public code (Adam, 1e-3).
"""

import torch
from torch import Tensor

from trainers.method import Setup
from trainers.mixing.learned_weights import LearnedWeights, WeightingNet
from trainers.task import Terms


class MetaWeightNet(LearnedWeights):
    """Labels weighted by a learned function of their loss; the teacher is not read."""

    weighted = 1
    purpose = "MetaWeightNet"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, WeightingNet(1, 1, setup.seeds, "meta_weight_net"))

    def weights(self, terms: Terms) -> Tensor:
        # The sigmoid; torch's own rounds the last elements of a tensor unlike those before them,
        # so that a lane would depend on its place.
        return 0.5 * (1 + torch.tanh(0.5 * self.net(terms.label.detach().unsqueeze(1))))
