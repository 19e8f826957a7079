"""Sweeps whose teachers the user brings: weights, logits, a module that loads its own."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.numpy import load_file

from sweep.compare.records import SweepRecord
from sweep.confirm_runs import Wanted, select
from sweep.run import Places, open_store
from sweep.spec.reader import check_spec
from tests.end_to_end.stage import launched_in_process
from tests.sweep.specs import small_data, small_spec

MLP = {"name": "mlp", "hidden": [24]}
CHANGES: dict[str, Any] = {
    "conditions.noise_rate": [0.4],
    "methods": [
        {"method": "alm_kd", "pin": {"warmup_epochs": 1, "update_every": 1}},
        {"method": "fixed_kd", "baseline": True},
    ],
    "search.trials": 2,
    "search.generation": 2,
    "student.training.epochs": 2,
    "confirm.seeds": 2,
}
# A module like the network above that takes its weights from a file, and learns nothing.
MODULE = """
import torch

class Mine(torch.nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.body = torch.nn.ModuleList([torch.nn.Linear(64, 24)])
        self.head = torch.nn.Linear(24, 10)
        self.load_state_dict(torch.load(weights, weights_only=True))
        self.requires_grad_(False)

    def forward(self, x):
        return self.head(torch.relu(self.body[0](x.flatten(1))))
"""


class Brought:
    """A network that another sweep trained, as files: its student and its logits."""

    def __init__(self, folder: Path, places: Places) -> None:
        self.folder, self.places = folder, places
        changes = {"student.model": MLP, "student.training.epochs": 4, "confirm.seeds": 1}
        spec = small_spec({**CHANGES, **changes, "name": "first", "methods.0": {"method": "aver"}})
        raise NotImplementedError(spec)


def _spec(name: str, teacher: dict[str, Any], **changes: Any) -> Any:
    return check_spec(
        small_data({**CHANGES, "name": name, "teacher": teacher, **changes}), name, allow_code=True
    )


def _results(record: SweepRecord) -> pd.DataFrame:
    """All that came out of search and confirm."""
    students = record.trials[record.trials["stage"] != "teacher"]
    columns = ["stage", "cell", "seed", "state", "validation_accuracy", "test_accuracy", "params"]
    return students[columns].sort_values(["stage", "cell", "seed", "params"]).reset_index(drop=True)


def _teachers(record: SweepRecord) -> pd.DataFrame:
    return record.trials[record.trials["stage"] == "teacher"]
