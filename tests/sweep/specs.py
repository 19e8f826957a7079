"""Small specs as a user would write them, changed by dotted paths."""

import copy
from collections.abc import Mapping
from typing import Any

from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec

SMALL: Mapping[str, Any] = {
    "name": "small",
    "data": {"dataset": "digits", "splits": {"train": 0.4, "meta": 0.1, "validation": 0.2}},
    "conditions": {"noise_rate": [0.0, 0.4]},
    "teacher": {
        "model": {"name": "mlp", "hidden": [24]},
        "training": {"epochs": 3, "batch_size": 64},
    },
    "student": {
        "model": {"name": "mlp", "hidden": [8]},
        "training": {"epochs": 4, "batch_size": 64},
    },
    "methods": [
        {"method": "alm_kd", "pin": {"warmup_epochs": 1, "update_every": 1}},
        {"method": "fixed_kd", "baseline": True},
        {"method": "cross_entropy"},
    ],
    "search": {
        "trials": 6,
        "generation": 3,
        "shortlist": "none",
        "sampler": {"name": "tpe", "n_startup_trials": 3},
        "pruner": {"name": "median", "n_startup_trials": 0},
    },
    "confirm": {"seeds": 3},
}


def small_data(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The small spec as plain data; ``changes`` by dotted path, list places as numbers."""
    data = copy.deepcopy(dict(SMALL))
    for path, value in (changes or {}).items():
        put(data, path, copy.deepcopy(value))
    return data


def small_spec(changes: Mapping[str, Any] | None = None) -> SweepSpec:
    """The small spec, checked."""
    return check_spec(small_data(changes), "small")


def put(data: Any, path: str, value: Any) -> None:
    """Set what ``path`` names, making mappings on the way."""
    *parents, last = path.split(".")
    place = data
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    place[int(last) if isinstance(place, list) else last] = value
