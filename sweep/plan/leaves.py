"""Where two specs differ, told by the field, row or value that does, and not by the list around."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# A row of `methods` goes by it; parts of other lists go by their place.
NAME = "label"


def differences(before: Any, now: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Where two specs differ as they are written: path, value of the one, of the other."""
    if isinstance(before, dict) and isinstance(now, dict):
        found = []
        for key in sorted({*before, *now}):
            below = f"{path}.{key}" if path else key
            found += differences(before.get(key), now.get(key), below)
        return found
    return [] if before == now else [(path, before, now)]


def changed_leaves(path: str, old: Any, new: Any) -> list[str]:
    """Each leaf of a difference, with both values."""
    if _holds_parts(old) and _holds_parts(new):
        return list(_of_parts(path, _by_name(old), _by_name(new)))
    return [f"{path}: {_shown(old)} before, {_shown(new)} now"]


def lost_leaves(path: str, old: Any, new: Any) -> list[str]:
    """Each leaf of a difference that is gone or another; nothing of what was only added."""
    if old is None:
        return []
    if _holds_parts(old) and _holds_parts(new):
        a, b = _by_name(old), _by_name(new)
        return list(_of_parts(path, a, {name: b[name] for name in a if name in b}))
    if isinstance(old, list) and isinstance(new, list):
        gone = [value for value in old if value not in new]
        return [f"{path}: {', '.join(map(_shown, gone))} before, not now"] if gone else []
    return changed_leaves(path, old, new)


def _of_parts(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*old, *new]):
        below = f"{path}.{name}"
        if name not in new:
            yield f"{below}: there before, not now"
        elif name not in old:
            yield f"{below}: not there before"
        else:
            for leaf in differences(old[name], new[name], below):
                yield from changed_leaves(*leaf)


def _holds_parts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _by_name(parts: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(part.get(NAME, place)): part for place, part in enumerate(parts)}


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)
