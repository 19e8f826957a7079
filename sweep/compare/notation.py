"""How numbers, units and conditions are written in tables, figures and sentences."""

import math
from collections.abc import Sequence

from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

# Unit of a metric -> how an axis shows it, and what a difference of two such values is called.
AXIS_UNITS = {"percent": "%"}
DIFFERENCE_UNITS = {"percent": "percentage points"}
# An estimate is given to two significant digits of its uncertainty; ISO GUM 7.2.6.
SIGNIFICANT_DIGITS = 2
MOST_DECIMALS = 6
SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
SMALLEST_SHOWN_P = 0.001  # smaller ones are written as "< 0.001"


def decimals(uncertainty: float) -> int:
    """Decimals to write beside an uncertainty (the width of an interval, a deviation), in [0, 6].

    Two where the uncertainty is zero or unknown.
    """
    if not math.isfinite(uncertainty) or uncertainty <= 0.0:
        return SIGNIFICANT_DIGITS
    leading = math.floor(math.log10(uncertainty))
    return min(max(SIGNIFICANT_DIGITS - 1 - leading, 0), MOST_DECIMALS)


def p_text(p: float) -> str:
    """A p-value with its relation: "= 0.0234", "< 0.001"."""
    return f"< {SMALLEST_SHOWN_P}" if p < SMALLEST_SHOWN_P else f"= {p:.3g}"


def rate_text(noise_rate: float) -> str:
    """A noise rate in [0, 1] as "40 %"."""
    return f"{100.0 * noise_rate:g} %"


def axis_label(record: SweepRecord) -> str:
    """The test metric with its unit: "Test accuracy (%)"."""
    return _with_unit("Test", record.metric, record.unit)


def objective_label(record: SweepRecord) -> str:
    """The metric that search improves, with its unit: "Validation accuracy (%)"."""
    return _with_unit("Validation", record.objective.name, record.objective.unit)


def better_text(record: SweepRecord) -> str:
    """Which way is better: "higher is better"."""
    return "higher is better" if record.direction == "maximize" else "lower is better"


def difference_unit(record: SweepRecord) -> str:
    """ " in percentage points", or nothing for a metric without a unit."""
    unit = DIFFERENCE_UNITS.get(record.unit, record.unit)
    return f" in {unit}" if unit else ""


def noise_text(condition: Condition, among: Sequence[Condition]) -> str:
    """The noise of a condition: "40 %", or "40 % symmetric" among others of other kinds."""
    noisy = condition.noise_rate > 0.0
    kinds = {c.noise_kind for c in among if (c.noise_rate > 0.0) == noisy}
    kind = f" {condition.noise_kind}" if len(kinds) > 1 else ""
    return f"{rate_text(condition.noise_rate)}{kind}"


def teachers_differ(conditions: Sequence[Condition]) -> bool:
    """Whether conditions differ in the labels that teachers saw."""
    return len({c.teacher_labels for c in conditions}) > 1


def condition_title(condition: Condition, among: Sequence[Condition]) -> str:
    """A condition over a column or beside a row: "40 % noise", "40 % noise, clean teacher"."""
    return ", ".join(condition_levels(condition, among))


def condition_levels(condition: Condition, among: Sequence[Condition]) -> list[str]:
    """What sets a condition apart, a text for each way in which ``among`` differ, the axes first.

    Noise stands there also where nothing differs.
    """
    levels = axis_texts(condition, among)
    teacher = [f"{condition.teacher_labels} teacher"] if teachers_differ(among) else []
    if not levels or teacher or noise_differs(among):
        levels.append(", ".join([f"{noise_text(condition, among)} noise", *teacher]))
    return levels


def noise_differs(conditions: Sequence[Condition]) -> bool:
    """Whether conditions differ in kind or rate of the noise."""
    return len({(c.noise_kind, c.noise_rate) for c in conditions}) > 1


def varying(conditions: Sequence[Condition]) -> tuple[str, ...]:
    """The axes by which conditions differ, in the order of the spec."""
    labels: dict[str, set[str]] = {}
    for condition in conditions:
        for value in condition.varied:
            labels.setdefault(value.axis, set()).add(value.label)
    return tuple(axis for axis, found in labels.items() if len(found) > 1)


def label_on(condition: Condition, axis: str) -> str:
    """The label of a condition's value on an axis; empty where it has none."""
    return next((value.label for value in condition.varied if value.axis == axis), "")


def axis_texts(condition: Condition, among: Sequence[Condition]) -> list[str]:
    """Where a condition stands on the axes by which ``among`` differ: "clean 0.05", "A → B"."""
    axes = varying(among)
    return [
        value.label if value.number is None else f"{value.axis} {value.label}"
        for value in condition.varied
        if value.axis in axes
    ]


def condition_text(condition: Condition, record: SweepRecord) -> str:
    """A condition in as few words as set it apart from the record's others.

    "40 % noise", or "40 % symmetric noise, teacher trained on clean labels".
    """
    axes = axis_texts(condition, record.conditions)
    teachers = teachers_differ(record.conditions)
    parts = []
    if not axes or teachers or noise_differs(record.conditions):
        parts.append(f"{noise_text(condition, record.conditions)} noise")
    if teachers:
        parts.append(f"teacher trained on {condition.teacher_labels} labels")
    return ", ".join([*parts, *axes])


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def counted(number: int, noun: str) -> str:
    """ "1 seed", "2 seeds"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size_text(size: float) -> str:
    """Bytes in the largest unit that leaves one or more of it."""
    unit = 0
    while size >= 1024 and unit < len(SIZES) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.3g} {SIZES[unit]}"


def _with_unit(split: str, metric: str, unit: str) -> str:
    unit = AXIS_UNITS.get(unit, unit)
    name = f"{split} {metric.replace('_', ' ')}"
    return f"{name} ({unit})" if unit else name
