"""What a step of methods that know pictures takes, in the units of `trainers.costs`."""

from collections.abc import Mapping

from trainers.costs import GRADIENT, Costs
from trainers.fields import Value


def ikd(costs: Costs, values: Mapping[str, Value]) -> float:
    """A step of the student; where pictures are changed and have twins, another one on these, and
    two forward passes of the teacher, who is asked about both. The attack, once in a training, is a
    gradient of the teacher for each of its steps."""
    share = float(values["ikd_until"])
    own = GRADIENT + (costs.of_teachers if costs.asks else 0.0)
    twins = float(values["twin_weight"]) > 0
    changed = costs.of_teachers + (GRADIENT + costs.of_teachers if twins else 0.0)
    attack = GRADIENT * costs.of_teachers * int(values["attack_steps"]) if twins else 0.0
    return own + share * changed + (attack / costs.epochs if share else 0.0)
