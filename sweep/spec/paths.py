"""Relative paths of a spec, which are relative to the spec's own file.

Paths are the fields that rows declare as such: options of data sets, what noise kinds read, and the
folder of a model.
They may also stand in the values of an axis and in the patch of a row.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers import registry
from trainers.entries import DatasetEntry
from trainers.loading import options_of
from trainers.own import CodeNotAllowed, OwnCodeError
from trainers.registry import TASKS

# Where a spec names files by fields of its own.
OWN_FIELDS = (
    "data.splits.file",
    "teacher.weights",
    "teacher.logits",
    "teacher.model.folder",
    "student.model.folder",
)

# Keys from the top of a spec to a value, places in lists among them.
Place = tuple[str, ...]


def beside_spec(
    data: Mapping[str, Any], directory: Path, changed: Sequence[Place] = ()
) -> Mapping[str, Any]:
    """A spec as it was written in ``directory``, its relative paths as seen from anywhere.

    A path stays as it is where the spec lies in the current directory, and where there is no such
    file beside the spec but one below the current directory. ``changed``: what did not come from
    the file, and is left alone.
    """
    here = Path(os.path.abspath(directory))
    if os.path.samefile(here, Path.cwd()):
        return data
    return _Anchor(here, tuple(changed), _path_fields(data)).spec(data)


@dataclass(frozen=True)
class _Anchor:
    """``fields``: those that hold paths, dotted and without places in lists."""

    directory: Path
    changed: tuple[Place, ...]
    fields: frozenset[str]

    def spec(self, data: Mapping[str, Any]) -> dict[str, Any]:
        whole: dict[str, Any] = self._content(data, (), "")
        conditions, rows = whole.get("conditions"), whole.get("methods")
        if isinstance(conditions, Mapping) and isinstance(axes := conditions.get("vary"), Mapping):
            where = ("conditions", "vary")
            vary = {name: self._axis(axis, (*where, str(name))) for name, axis in axes.items()}
            whole["conditions"] = {**conditions, "vary": vary}
        if isinstance(rows, list):
            whole["methods"] = [
                {**row, "with": self._patch(row["with"], ("methods", str(place), "with"))}
                if isinstance(row, Mapping) and "with" in row
                else row
                for place, row in enumerate(rows)
            ]
        return whole

    def _axis(self, axis: Any, where: Place) -> Any:
        if not isinstance(axis, Mapping):
            return axis
        values = axis.get("values")
        if "field" in axis and isinstance(values, list):
            field, place = str(axis["field"]), (*where, "values")
            found = [self._content(v, (*place, str(i)), field) for i, v in enumerate(values)]
            # Whatever else makes no axis is told later.
            names = {value for value in values if isinstance(value, str)}
            if found == values or len(names) < len(values):
                return axis
            # As named patches, since a value is the name of its condition, wherever the spec lies.
            return {value: {field: path} for value, path in zip(values, found, strict=True)}
        return {label: self._patch(patch, (*where, str(label))) for label, patch in axis.items()}

    def _patch(self, patch: Any, where: Place) -> Any:
        if not isinstance(patch, Mapping):
            return patch
        return {
            path: self._content(content, (*where, str(path)), str(path))
            for path, content in patch.items()
        }

    def _content(self, content: Any, where: Place, field: str) -> Any:
        """What stands at ``where`` and is, or holds, a ``field``."""
        if isinstance(content, Mapping):
            return {
                name: self._content(part, (*where, str(name)), f"{field}.{name}".lstrip("."))
                for name, part in content.items()
            }
        if isinstance(content, list):
            return [self._content(p, (*where, str(i)), field) for i, p in enumerate(content)]
        plain = ".".join(part for part in field.split(".") if not part.isdecimal())
        if plain not in self.fields or not isinstance(content, str):
            return content
        if any(where[: len(other)] == other for other in self.changed):
            return content
        return _seen_from_anywhere(content, self.directory)


def _seen_from_anywhere(path: str, directory: Path) -> str:
    if not path or "\0" in path or path.startswith("~") or os.path.isabs(path):
        return path
    place = directory / path
    # Before, all were relative to the current directory.
    return path if os.path.exists(path) and not os.path.exists(place) else str(place)


def _path_fields(data: Mapping[str, Any]) -> frozenset[str]:
    options = [field for entry in _rows(data) for field in options_of(entry)]
    told = [
        field
        for task in TASKS.values()
        for kind in task.noise_kinds.values()
        for field in kind.fields
    ]
    return frozenset(
        [f"data.{field.name}" for field in options if field.kind == "path"]
        + [f"conditions.{field.name}" for field in told if field.kind == "path"]
        + [*OWN_FIELDS]
    )


def _rows(data: Mapping[str, Any]) -> Iterator[DatasetEntry]:
    """Of all data sets that a spec names; what is wrong with them is told later."""
    for name in dict.fromkeys(_named(data, "")):
        try:
            for task in registry.tasks_with_dataset(name):
                yield TASKS[task].datasets[name]
        except (OwnCodeError, CodeNotAllowed):
            continue


def _named(content: Any, path: str) -> Iterator[str]:
    """The data sets that are named below ``path``, by the spec itself, its axes and its rows."""
    if path.endswith("data.dataset"):
        name = content.get("path") if isinstance(content, Mapping) else content
        if isinstance(name, str):
            yield name
    elif isinstance(content, Mapping):
        if content.get("field") == "data.dataset" and isinstance(content.get("values"), list):
            yield from (name for name in content["values"] if isinstance(name, str))
        for name, part in content.items():
            yield from _named(part, f"{path}.{name}")
    elif isinstance(content, list):
        for part in content:
            yield from _named(part, path)
