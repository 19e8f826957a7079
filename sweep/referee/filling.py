"""Which searches share a cohort: it is filled with lanes that train alike, up to what pays.

A search's own lanes, a generation or the runs that it could confirm now, are never split here.
"""

import math
from collections.abc import Sequence

from sweep.plan.plan import Plan
from sweep.plan.sharing import shapes
from sweep.referee.search_state import Offer


class Filling:
    """How cohorts of a plan are filled."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._shapes = shapes(plan)

    def alike(self, first: Offer, offers: Sequence[Offer], flying: int, slots: int) -> list[Offer]:
        """``first``, and those of ``offers`` that train in one cohort with it.

        As many as pay, and no more than leave each of ``slots`` processes its share of all lanes
        that could train now or do so already, of which there are ``flying``. Those under the same
        seed come first, as these have inputs in common; what goes on from a checkpoint shares it
        alone.
        """
        lanes = flying + sum(offer.lanes for offer in offers)
        room = min(self._plan.lanes_of(first.state.cell), math.ceil(lanes / slots)) - first.lanes
        others = [offer for offer in offers if offer is not first and self._fits(first, offer)]
        seed, found = first.state.search.seed, [first]
        for offer in sorted(others, key=lambda offer: offer.state.search.seed != seed):
            if offer.lanes <= room:
                found.append(offer)
                room -= offer.lanes
        return found

    def _fits(self, first: Offer, other: Offer) -> bool:
        shape = self._shapes.get(first.state.cell.id)
        alike = shape is not None and shape == self._shapes.get(other.state.cell.id)
        return alike and (first.stage, first.saved) == (other.stage, other.saved)
