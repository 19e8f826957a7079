"""Whether sweeps can stand in one table: they share data, seeds, networks, budgets and questions,
and differ in rows and conditions."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sweep.errors import BadInput
from sweep.plan.leaves import differences
from sweep.spec.axes import overlap
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec

# What sweeps of one table may differ in.
OWN = ("name", "description", "resources", "methods")
LISTS = ("noise_kind", "noise_rate", "teacher_labels")
SHARED = "search.shared."
ELSE = "Compare them one by one, or launch what is missing in one sweep"


def joined(specs: Sequence[SweepSpec]) -> SweepSpec:
    """One spec with the rows of all and the values of all in each dimension of the conditions.

    It has the name of the first, and no questions of its own. BadInput where they do not agree.
    """
    for one, other in pairwise(specs):
        refuse_disagreement(one, other)
    dumps = [spec.model_dump(mode="json") for spec in specs]
    whole = dumps[0]
    rows = {use["label"]: use for dump in dumps for use in dump["methods"]}
    whole["methods"] = list(rows.values())
    for name in LISTS:
        values = (value for dump in dumps for value in dump["conditions"][name])
        whole["conditions"][name] = list(dict.fromkeys(values))
    for axis in whole["conditions"].get("vary") or {}:
        contents = [dump["conditions"]["vary"][axis] for dump in dumps]
        whole["conditions"]["vary"][axis] = _joined_axis(contents)
    for part in ("own", "shared"):
        whole["search"][part] = {k: v for dump in dumps for k, v in dump["search"][part].items()}
    whole["compare"] = {"metric": specs[0].tested_metric.name}
    return check_spec(whole, " and ".join(spec.name for spec in specs))


def refuse_disagreement(one: SweepSpec, other: SweepSpec) -> None:
    """BadInput, with the fields and both values, where two sweeps are about different things."""
    found = [*_fields(one, other), *_rows(one, other), *_axes(one, other)]
    if found:
        told = "; ".join(
            f"{field}: {_shown(a)} in {one.name}, {_shown(b)} in {other.name}"
            for field, a, b in found
        )
        raise BadInput(f"{one.name} and {other.name} cannot stand in one table: {told}. {ELSE}")


def refuse_other_content(sweeps: Mapping[str, Mapping[str, str]]) -> None:
    """BadInput where two sweeps read other content under one name; ``sweeps``: the fingerprints
    that each keeps, by what they are of."""
    for (one, kept), (other, too) in pairwise(sweeps.items()):
        for what in kept.keys() & too.keys():
            if kept[what] != too[what]:
                raise BadInput(
                    f"{one} and {other} cannot stand in one table: {what} held something else when "
                    f"the second of them was launched. {ELSE}"
                )


def _fields(one: SweepSpec, other: SweepSpec) -> list[tuple[str, Any, Any]]:
    """Fields that differ, but for those that an axis varies."""
    varied = [path for spec in (one, other) for axis in spec.axes for path in axis.fields]
    return [
        (path, a, b)
        for path, a, b in differences(_shared(one), _shared(other))
        if not overlap([path], varied) and not _is_free_range(path, (one, a), (other, b))
    ]


def _shared(spec: SweepSpec) -> dict[str, Any]:
    """What sweeps of one table have to share, defaults written out."""
    whole = {k: v for k, v in spec.model_dump(mode="json").items() if k not in OWN}
    kinds, search = whole["conditions"], whole["search"]
    return {
        **whole,
        "task": spec.task_entry.name,
        "conditions": {k: v for k, v in kinds.items() if k not in (*LISTS, "vary")},
        "search": {k: v for k, v in search.items() if k not in ("own", "timeout")},
        "objective": {"metric": spec.objective.metric, "selection": spec.selection().epoch},
        "compare": {
            "metric": spec.tested_metric.name,
            "questions": "every row against every baseline" if spec.questions is None else "some",
        },
        "baselines": sorted(use.label for use in spec.methods if use.baseline),
    }


def _is_free_range(path: str, *sides: tuple[SweepSpec, Any]) -> bool:
    """Whether a shared range is one sweep's alone, as no row of the other has that
    hyperparameter."""
    name = path.removeprefix(SHARED)
    return path.startswith(SHARED) and any(
        value is None and not any(spec.entry_of(use).has(name) for use in spec.methods)
        for spec, value in sides
    )


def _rows(one: SweepSpec, other: SweepSpec) -> list[tuple[str, Any, Any]]:
    """Rows of one label that are not the same."""
    theirs = {use.label: use for use in other.methods}
    return [
        (f"methods.{use.label}", _written(use), _written(theirs[use.label]))
        for use in one.methods
        if theirs.get(use.label, use) != use
    ]


def _axes(one: SweepSpec, other: SweepSpec) -> list[tuple[str, Any, Any]]:
    """Axes that only one has, and values of one name that are not the same."""
    names = [[axis.name for axis in spec.axes] for spec in (one, other)]
    if names[0] != names[1]:
        return [("conditions.vary", names[0], names[1])]
    found: list[tuple[str, Any, Any]] = []
    for mine, theirs in zip(one.axes, other.axes, strict=True):
        values = {value.slug: value for value in theirs.values}
        for value in mine.values:
            same = values.get(value.slug, value)
            if same != value:
                where = f"conditions.vary.{mine.name}.{value.label}"
                found.append((where, dict(value.patch), dict(same.patch)))
        a, b = (list((spec.conditions.vary or {})[mine.name]) for spec in (one, other))
        if ("values" in a) != ("values" in b):
            found.append((f"conditions.vary.{mine.name}", a, b))
    return found


def _joined_axis(contents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """An axis with the values of all, each once."""
    if "values" not in contents[0]:
        return {label: patch for content in contents for label, patch in content.items()}
    values: list[Any] = []
    for content in contents:
        values += [value for value in content["values"] if value not in values]
    return {**contents[0], "values": values}


def _written(use: Any) -> dict[str, Any]:
    given: dict[str, Any] = use.model_dump(mode="json", exclude_defaults=True)
    return given


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
