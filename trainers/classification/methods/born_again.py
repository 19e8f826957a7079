"""Born-again networks: a student learns from a teacher of its own architecture.

L_i   (1 - alpha) CE(y_i, z_i) + alpha KL(softmax(t_i) || softmax(z_i)), without a temperature

The teacher of a generation is the student of the one before; that is the plan's matter. alpha 1,
the default, is the teacher alone.

Source: Furlanello et al. 2018, arXiv 1805.04770.
"""

from torch import Tensor

from trainers.method import Method, Step


class BornAgain(Method):
    """Fixed-alpha distillation at temperature 1, from a teacher that is like the student."""

    def losses(self, step: Step) -> Tensor:
        alpha = self.values.numbers["alpha"].view(-1, 1)
        # The method has no temperature, so that the teacher's term is at temperature 1.
        return (1 - alpha) * step.terms.label + alpha * step.terms.teacher(0)
