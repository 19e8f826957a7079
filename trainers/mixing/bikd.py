"""BiKD: label and teacher weighted by a net that sees how well student and teacher know the label.

w_i   net(label's term at the student, label's term at the teacher), two weights in (0, 1)
L_i   w_i0 l_i0 + w_i1 l_i1, the label's term and the teacher's

The net, 2-64-64-2 with tanh and a sigmoid at the end, learns from clean data through a look-ahead
of the whole student; see `trainers.mixing.learned_weights`. It steps once for several steps of the
student, and less far whenever the student's learning rate has fallen; see
`trainers.mixing.weighting_net`.

Source: arXiv 2605.17839 and its authors' public code. Departure: gradients that have not made a
step of the net by the end of an epoch are kept for the next one, where the code drops them, so that
the net learns also where an epoch has few batches.
"""

import torch
from torch import Tensor

from trainers.method import Setup
from trainers.mixing.learned_weights import LearnedWeights
from trainers.mixing.weighting_net import WeightingNet
from trainers.task import Terms


class Bikd(LearnedWeights):
    """Label and teacher weighted by a learned function of how well both know the label."""

    weighted = 2
    purpose = "Bikd"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, WeightingNet((2, 64, 64, 2), torch.tanh, setup.seeds, "bikd"))

    def weights(self, terms: Terms) -> Tensor:
        seen = [terms.label.detach(), terms.label_at_teachers[:, 0]]
        w: Tensor = self.net(torch.stack(seen, dim=1))
        return w
