"""Fixed-alpha distillation: L_i = (1 - alpha) l_i0 + alpha mean_m l_im.

l_i0 the label's term, l_im those of M teachers; alpha the weight of the teachers in [0, 1]. In
classification l_i0 = CE(y_i, z_i) and l_im = tau^2 KL(t_im || z_i).

Source: Hinton, Vinyals and Dean 2015, arXiv 1503.02531.
"""

from torch import Tensor

from trainers.method import Method, Step


class FixedKd(Method):
    """The same mix for every example, all through training."""

    def losses(self, step: Step) -> Tensor:
        alpha = self.values.numbers["alpha"].view(-1, 1)
        terms = step.terms
        # The mean over one teacher would cost time and change nothing.
        teacher = terms.teacher(0) if self.data.teachers == 1 else terms.teachers.mean(1)
        return (1 - alpha) * terms.label + alpha * teacher
