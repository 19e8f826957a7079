"""Where a sweep's results come from, as the report tells it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from sweep.spec import SweepSpec


@dataclass(frozen=True)
class Origin:
    """Where a sweep's results come from."""

    spec: SweepSpec
    state: str
    started: pd.Timestamp
    versions: Mapping[str, str]  # of what ran it, by name
    dashboard: str  # address of the sweep's page in MLflow
    parent_id: str
    is_served: bool  # by a server, rather than by whoever runs `almkd ui`
