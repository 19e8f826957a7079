"""Which changes to a spec go on with the same sweep, and which make it another one."""

from typing import Any

from sweep.errors import BadInput
from sweep.spec.spec import SweepSpec

# Larger is an extension: what is there is kept, and more of the same is run.
MAY_GROW = ("search.trials", "confirm.seeds")
# Says nothing about results.
MAY_CHANGE = ("description", "resources.")


def refuse_change(before: SweepSpec, now: SweepSpec) -> None:
    """BadInput where ``now`` is neither the spec that was launched nor an extension of it."""
    differing = [
        f"{path}: {_shown(old)} before, {_shown(new)} now"
        for path, old, new in _differences(
            before.model_dump(mode="json"), now.model_dump(mode="json")
        )
        if not _is_allowed(path, old, new)
    ]
    if differing:
        raise BadInput(
            f"the sweep {now.name!r} was launched with another spec; these fields differ: "
            f"{'; '.join(differing)}. Undo that, or give the new one its own name with --fork NAME"
        )


def grows(before: SweepSpec, now: SweepSpec) -> bool:
    """Whether ``now`` asks for more than ``before``."""
    return any(path in MAY_GROW for path, _, _ in _between(before, now))


def _between(before: SweepSpec, now: SweepSpec) -> list[tuple[str, Any, Any]]:
    return _differences(before.model_dump(mode="json"), now.model_dump(mode="json"))


def _is_allowed(path: str, old: Any, new: Any) -> bool:
    return path.startswith(MAY_CHANGE) or (path in MAY_GROW and new >= old)


def _differences(before: Any, now: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        found = []
        for key in sorted({*before, *now}):
            below = f"{path}.{key}" if path else key
            found += _differences(before.get(key), now.get(key), below)
        return found
    return [] if before == now else [(path, before, now)]


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)
