"""Specs as stores keep them: with a version, so that those of earlier releases can be read."""

from typing import Any

from sweep.spec.defaults import task_of
from sweep.spec.method_use import RENAMED
from sweep.spec.spec import SweepSpec

VERSION = "version"
# 1, without a number: of 0.1.0; what baselines did with the clean labels was one switch for all.
# 2: no search had a shortlist, nor tried the limits of its method first.
NOW = 3


def written(spec: SweepSpec) -> dict[str, Any]:
    """A spec as it is kept."""
    return {VERSION: NOW, **spec.model_dump(mode="json")}


def migrated(data: Any) -> Any:
    """What was kept, as a spec of today that asks for the same."""
    if not isinstance(data, dict):
        return data
    spec = {name: value for name, value in data.items() if name != VERSION}
    kept_as = data.get(VERSION, 1)
    if kept_as < 2:
        spec = _with_clean_in_rows(spec)
    return spec if kept_as >= 3 else _searched_as_then(spec)


def _searched_as_then(spec: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "search": {**spec["search"], "shortlist": "none", "limits_first": False}}


def _with_clean_in_rows(spec: dict[str, Any]) -> dict[str, Any]:
    switch, task = spec.pop("meta_split_for_baselines", "withhold"), task_of(spec)
    if switch == "withhold" or task is None:
        return spec
    rows = []
    for row in spec["methods"]:
        name = RENAMED.get(row["method"], row["method"])
        learns = name in task.methods and task.methods[name].uses_meta
        rows.append(row if learns else {**row, "clean": "train"})
    return {**spec, "methods": rows}
