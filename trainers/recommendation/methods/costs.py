"""What a step of methods that rank takes, in the units of `trainers.costs`.

A forward pass of the student on one example is the scores of two items; a method that asks for more
of them, for some users a step, takes as many times as much.
"""

from collections.abc import Mapping

from trainers.costs import GRADIENT, Costs
from trainers.fields import Value

# Items of an example.
OF_EXAMPLE = 2


def unkd(costs: Costs, values: Mapping[str, Value]) -> float:
    """Two items for each pair."""
    return _with_lists(costs, values, 2 * int(values["pairs"]))


def rd(costs: Costs, values: Mapping[str, Value]) -> float:
    """The teacher's first items; what estimates ranks is left out, as it has no gradient."""
    return _with_lists(costs, values, int(values["top"]))


def rrd(costs: Costs, values: Mapping[str, Value]) -> float:
    """The teacher's first items, and others."""
    return _with_lists(costs, values, int(values["top"]) + int(values["others"]))


def _with_lists(costs: Costs, values: Mapping[str, Value], items: int) -> float:
    lists = int(values["users"]) * items / (OF_EXAMPLE * costs.batch_size)
    return GRADIENT * (1 + lists)
