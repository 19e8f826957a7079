"""Label smoothing: L_i = CE((1 - eps) onehot(y_i) + eps / C, z_i).

eps share of the label given to all C classes alike, in [0, 1].

Source: Szegedy et al. 2016, arXiv 1512.00567.
"""

from torch import Tensor

from trainers.classes.losses import log_softmax
from trainers.method import Method, Step


class LabelSmoothing(Method):
    """Cross-entropy with softened labels; the teacher is not read."""

    def losses(self, step: Step) -> Tensor:
        eps = self.values.numbers["smoothing"].view(-1, 1)
        uniform = -log_softmax(step.output.logits).mean(-1)
        return (1 - eps) * step.terms.label + eps * uniform
