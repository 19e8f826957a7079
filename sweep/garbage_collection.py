"""What Python's searches for garbage may leave out, and how often they are made.

A process that has loaded what a launch loads holds a million objects, modules and their functions,
of which none is garbage. A search of all of them takes a tenth of a second; by default there is one
every few tenths while modules load, and one now and then for as long as the process lives.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New objects until the youngest are searched; Python's own number is 700.
SELDOM = 50_000


def collect_seldom() -> None:
    """For a process that loads much and makes little garbage."""
    gc.set_threshold(SELDOM)


@contextmanager
def loading() -> Iterator[None]:
    """No searches while modules load; what is in memory then is left out of later ones."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def frozen() -> Iterator[None]:
    """Leaves what is in memory by now out of searches during the block, also of those asked for.

    Figures are made of many objects.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
