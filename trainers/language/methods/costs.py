"""What a step of methods that write takes, in the units of `trainers.costs`.

Writing a response with a cache takes about what a forward pass over prompt and response takes.
"""

from collections.abc import Mapping

from trainers.costs import FORWARD, GRADIENT, Costs
from trainers.fields import Value


def on_policy(costs: Costs, values: Mapping[str, Value]) -> float:
    """A forward and a backward pass; in the share of steps in which the student writes, that, and a
    forward pass of the teacher. Where the teacher wrote the others, it wrote once for all epochs,
    and is asked about what it wrote."""
    writes = float(values["on_policy"])
    step = GRADIENT + writes * (FORWARD + costs.of_teachers)
    if values.get("fixed_data") == "teacher":
        step += costs.of_teachers * (1 - writes + 1 / costs.epochs)
    return step


def seq_kd(costs: Costs, values: Mapping[str, Value]) -> float:
    """A forward and a backward pass, and what the teacher wrote once for all epochs."""
    return GRADIENT + costs.of_teachers / costs.epochs


def online(costs: Costs, values: Mapping[str, Value]) -> float:
    """A forward and a backward pass of student and teacher."""
    return GRADIENT * (1 + costs.of_teachers)
