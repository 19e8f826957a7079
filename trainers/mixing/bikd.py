"""BiKD: label and teacher weighted by a net that sees how well student and teacher know the label.

w_i   1 + net(label's term at the student, label's term at the teacher), two weights
L_i   w_i0 l_i0 + w_i1 l_i1, the label's term and the teacher's

The weights are free, also to be negative. The net, 2-100-2 with ReLU, learns from clean data
through a look-ahead of the whole student; see `trainers.mixing.learned_weights`.

Source: arXiv 2605.17839 and its authors' public code. Departures: the net has the width of
Meta-Weight-Net; and the 1 that is added, without which training would begin with two losses of
random sign.
"""

import torch
from torch import Tensor

from trainers.method import Setup
from trainers.mixing.learned_weights import LearnedWeights, WeightingNet
from trainers.task import Terms


class Bikd(LearnedWeights):
    """Label and teacher weighted by a learned function of how well both know the label."""

    weighted = 2
    purpose = "Bikd"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, WeightingNet(2, 2, setup.seeds, "bikd"))

    def weights(self, terms: Terms) -> Tensor:
        seen = [terms.label.detach(), terms.label_at_teachers[:, 0]]
        w: Tensor = 1 + self.net(torch.stack(seen, dim=1))
        return w
