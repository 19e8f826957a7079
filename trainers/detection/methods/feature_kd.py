"""The label's term and the teacher's features: L_i = l_i + w F_i.

F_i is the mean square distance of the student's features, through a linear map that is trained with
it, from the teacher's, over the variance of these; w the weight. The map is no part of the student
by itself.

Source: Romero et al. 2015, arXiv 1412.6550, hints through a trained map. Departures: over the
variance, so that a weight means the same for every teacher and size; at the last features, from
which both say what is where, and all through training.
"""

from torch import Tensor

from trainers.detection.terms import BoxTerms
from trainers.method import Method, Step


class FeatureKd(Method):
    """Labels, and what the teacher's last features are."""

    def losses(self, step: Step) -> Tensor:
        assert isinstance(step.terms, BoxTerms)
        weight = self.values.numbers["feature_weight"].unsqueeze(1)
        return step.terms.label + weight * step.terms.features()
