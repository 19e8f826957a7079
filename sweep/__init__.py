"""Sweeps over methods, conditions and seeds: what runs, where, and what it showed.

From Python: ``from sweep import launch, load``; docs/python.md.
"""

from typing import TYPE_CHECKING, Any

from sweep.errors import BadInput, SweepFailed

if TYPE_CHECKING:
    from sweep.api import launch, load
    from sweep.comparison import Comparison

__all__ = ["BadInput", "Comparison", "SweepFailed", "launch", "load"]


def __getattr__(name: str) -> Any:
    """What takes a while to import, where it is first asked for."""
    if name in ("launch", "load"):
        from sweep import api

        return getattr(api, name)
    if name == "Comparison":
        from sweep.comparison import Comparison

        return Comparison
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
