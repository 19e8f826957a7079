"""Students of arbitrary weights in folders, beside what they are shown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from tests.trainers.specimens import TABLES, noise
from trainers.classification.networks.build import build_model
from trainers.classification.networks.table import NETWORKS
from trainers.settings import ModelSpec
from trainers.student_files import plain_weights, write_student

CLASSES, INPUTS = 3, 9
SHAPE = (1, 3, 4)
COLUMNS = ("a", "b")
SIDE = 8
MLP = ModelSpec("mlp", {"hidden": (5,)})
PIXELS = {"scale": 255, "mean": [0.5] * 3, "std": [0.25] * 3}


def write_student_of(folder: Path, shape: Sequence[int], **facts: Any) -> None:
    """The files of one in ``folder/student``."""
    network = build_model(MLP, tuple(shape), CLASSES, [torch.Generator().manual_seed(1)])
    held = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    weights = plain_weights({n: t.detach()[0].clone() for n, t in held.items()}, network.inside)
    description = {
        "task": "classification",
        "network": {"name": "mlp", "sizes": dict(NETWORKS["mlp"].complete(MLP).sizes)},
        "shape": list(shape),
        "class_names": [f"class {c}" for c in range(CLASSES)],
        "columns": None,
        "preprocessing": None,
        **facts,
    }
    (folder / "student").mkdir()
    write_student(folder / "student", weights, description)


def write_student_of_arrays(folder: Path) -> None:
    """One that takes arrays, beside some."""
    write_student_of(folder, SHAPE)
    inputs = noise(INPUTS, *SHAPE).astype(np.float32)
    np.savez(folder / "new.npz", inputs=inputs)
    np.save(folder / "new.npy", inputs)


def write_student_of_tables(folder: Path) -> None:
    """One that takes the columns of a table, beside tables."""
    write_student_of(folder, (len(COLUMNS),), columns=list(COLUMNS))
    table = pd.DataFrame(noise(INPUTS, len(COLUMNS)), columns=list(COLUMNS))
    for kind, write in TABLES.items():
        write(table, folder / f"new.{kind}")


def write_student_of_pictures(folder: Path) -> None:
    """One that takes pictures."""
    write_student_of(folder, (3, SIDE, SIDE), preprocessing=PIXELS)
