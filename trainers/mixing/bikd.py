"""BiKD: label and teacher weighted by a net that sees how well student and teacher know the label.

w_i   1 + net(CE(y_i, z_i), CE(y_i, t_i)), two weights
L_i   w_i0 CE(y_i, z_i) + w_i1 tau^2 KL(t_i || z_i)

The weights are free, also to be negative. The net, 2-100-2 with ReLU, learns from clean data
through a look-ahead of the whole student; see `trainers.mixing.learned_weights`.

Source: arXiv 2605.17839 and its authors' public code. Departures: the net has the width of
Meta-Weight-Net; and the 1 that is added, without which training would begin with two losses of
random sign.
"""

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy, distillation
from trainers.classification.data.lanes import Batch
from trainers.method import Setup
from trainers.mixing.learned_weights import LearnedWeights, WeightingNet


class Bikd(LearnedWeights):
    """Label and teacher weighted by a learned function of how well both know the label."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, WeightingNet(2, 2, setup.seeds, "bikd"))

    def parts(self, batch: Batch, z: Tensor) -> Tensor:
        tau = self.values.numbers["temperature"].view(-1, 1)
        teacher = distillation(batch.teachers[:, 0], z, tau)
        return torch.stack([cross_entropy(z, batch.labels), teacher], dim=1)

    def weights(self, batch: Batch, z: Tensor) -> Tensor:
        seen = [cross_entropy(x, batch.labels) for x in (z.detach(), batch.teachers[:, 0])]
        w: Tensor = 1 + self.net(torch.stack(seen, dim=1))
        return w
