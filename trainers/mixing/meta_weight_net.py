"""Meta-Weight-Net: L_i = w_i l_i, w_i = net(l_i) in (0, 1), l_i the label's term.

The net, 1-100-1 with ReLU and a sigmoid at the end, learns from clean data through a look-ahead of
the whole student; see `trainers.mixing.learned_weights`.

Source: Shu et al. 2019, arXiv 1902.07379, and its authors' public code (Adam, 1e-3).
"""

import torch
from torch import Tensor

from trainers.method import Setup
from trainers.mixing.learned_weights import LearnedWeights
from trainers.mixing.weighting_net import WeightingNet
from trainers.task import Terms


class MetaWeightNet(LearnedWeights):
    """Labels weighted by a learned function of their loss; the teacher is not read."""

    weighted = 1
    purpose = "MetaWeightNet"

    def __init__(self, setup: Setup) -> None:
        net = WeightingNet((1, 100, 1), torch.relu, setup.seeds, "meta_weight_net")
        super().__init__(setup, net)

    def weights(self, terms: Terms) -> Tensor:
        w: Tensor = self.net(terms.label.detach().unsqueeze(1))
        return w
