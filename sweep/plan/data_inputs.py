"""The data sets of a sweep as they were read, for a tracking store to tell runs by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweep.spec.code_needed import specs_of_cells
from sweep.spec.spec import SweepSpec
from trainers.data.dataset import Dataset
from trainers.data.fingerprint import fingerprint
from trainers.loading import content_key


@dataclass(frozen=True)
class DataInput:
    """``name``: that of its row; ``digest``: its fingerprint, 32 hex digits; ``options``: as the
    spec gives them; ``path``: of its files, if they are named; ``examples``: how many there are."""

    name: str
    digest: str
    options: Mapping[str, Any]
    path: str | None
    examples: int


def data_inputs(
    spec: SweepSpec, datasets: Mapping[str, Dataset], known: Mapping[str, str]
) -> dict[str, DataInput]:
    """By content key, as ``datasets`` and ``known``, the fingerprints that are at hand, are."""
    found: dict[str, DataInput] = {}
    for made in specs_of_cells(spec):
        data = made.data_settings()
        key = content_key(data)
        if key in found or key not in datasets:
            continue
        path = data.options.get("path")
        found[key] = DataInput(
            name=data.dataset,
            digest=known.get(key) or fingerprint(datasets[key]),
            options=dict(data.options),
            path=str(path) if path else None,
            examples=len(datasets[key]),
        )
    return found
