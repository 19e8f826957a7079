"""Texts that differ in numbers alone, as one with ranges."""

import re
from collections.abc import Sequence

NUMBER = re.compile(r"\d+(?:\.\d+)?")


def ranges(texts: Sequence[str]) -> str:
    """ "17 to 179 trained on" of several such; those of other words stand side by side."""
    forms: dict[str, list[list[str]]] = {}
    for text in texts:
        forms.setdefault(NUMBER.sub("{}", text), []).append(NUMBER.findall(text))
    told = []
    for form, found in forms.items():
        columns = [sorted(set(column), key=float) for column in zip(*found, strict=True)]
        told.append(form.format(*(c[0] if len(c) == 1 else f"{c[0]} to {c[-1]}" for c in columns)))
    return " or ".join(told)
