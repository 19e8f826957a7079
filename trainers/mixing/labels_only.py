"""Training on the given labels alone: L_i = l_i0, the label's term."""

from torch import Tensor

from trainers.method import Method, Step


class LabelsOnly(Method):
    """The label's term; teachers are not read."""

    def losses(self, step: Step) -> Tensor:
        return step.terms.label
