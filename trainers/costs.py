"""What a training step takes, counted before anything trains, so that no result depends on a clock.

The unit is a forward pass of the student on one example. A backward pass counts as two of them
(Kaplan et al. 2020, arXiv 2001.08361, section 2.1); what a forward-mode derivative takes beside the
value, likewise two: a product for the tangent of the weights, and one for that of the inputs. What
is kept of teachers costs nothing, nor do terms, optimizers and evaluations.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from trainers.fields import Value

FORWARD, BACKWARD, ALONG = 1.0, 2.0, 2.0
GRADIENT = FORWARD + BACKWARD


@dataclass(frozen=True)
class Costs:
    """What the cost of a step depends on beside hyperparameters.

    ``batch_size``, ``epochs``: of the student's training. ``teachers``: a forward pass of each, in
    the student's; 0 of one that is known by its outputs alone, NaN where it is not known. ``asks``:
    whether they are asked at every step, as inputs change while students train.
    """

    batch_size: int
    epochs: int
    teachers: tuple[float, ...] = ()
    asks: bool = False

    @property
    def of_teachers(self) -> float:
        """A forward pass of all of them."""
        return sum(self.teachers)


def plain(costs: Costs, values: Mapping[str, Value]) -> float:
    """Of a step: a forward and a backward pass of the student, and a forward pass of teachers that
    are asked at every step."""
    return GRADIENT + (costs.of_teachers if costs.asks else 0.0)
