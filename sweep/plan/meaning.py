"""What releases changed in what a spec means. A sweep that an earlier one launched is read and
compared as ever; it is not gone on with where its rows would be of two meanings. Pure."""

from collections.abc import Iterable, Mapping

from sweep.errors import BadInput
from sweep.plan.plan import Cell, Plan

# By release, the methods that it made others: their rule, or the defaults of these hyperparameters,
# which are heard where a row neither searches nor pins them.
RULE = ()
METHODS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "0.2.0": {
        "alm_kd": RULE,
        "bikd": RULE,
        "dist": ("inter_weight", "intra_weight", "temperature"),
        "ae_kd": ("cap",),
    },
}
# Since which searches of a mix try its ends first.
LIMITS_FIRST = "0.2.0"


def is_before(code_version: str, release: str) -> bool:
    """Whether a version such as ``0.1.0+g1a2b3c4`` is of an earlier release; not where it is not
    known."""
    mine, other = _numbers(code_version), _numbers(release)
    return bool(mine) and mine < other


def changed_rows(plan: Plan, code_version: str) -> frozenset[str]:
    """The labels of rows that mean something else now than in that version, in some cell."""
    since = [m for release, m in METHODS.items() if is_before(code_version, release)]
    return frozenset(
        cell.use.label
        for methods in since
        for cell in plan.cells
        if cell.use.method in methods and _hears(cell, methods[cell.use.method])
    )


def _hears(cell: Cell, defaults: tuple[str, ...]) -> bool:
    pinned = {name for use in (cell.use, *cell.spec.methods) for name in use.pin}
    return not defaults or any(n not in cell.space and n not in pinned for n in defaults)


def refuse_changed_rows(plan: Plan, ended: Iterable[tuple[str, str]]) -> None:
    """BadInput where rows of a sweep that is to go on would be of two meanings.

    ``ended``: label and code version of its runs that have ended, the oldest last.
    """
    runs = dict(ended)
    of_old = {label: v for label, v in runs.items() if label in changed_rows(plan, v)}
    if not of_old:
        return
    (version, *_) = of_old.values()
    rows = ", ".join(sorted(of_old))
    raise BadInput(
        f"{plan.spec.name}: almkd {version} trained runs of {rows}, whose method this version has "
        "changed, so that the rest of them would be of something else; launch it under another "
        "name with --fork NAME, which takes over the rows that mean the same, or let the version "
        f"that began it end it. What it has so far: almkd compare {plan.spec.name}"
    )


def _numbers(version: str) -> tuple[int, ...]:
    """Of a release; empty where it is not known."""
    parts = version.partition("+")[0].split(".")
    return tuple(map(int, parts)) if len(parts) > 1 and all(map(str.isdecimal, parts)) else ()
