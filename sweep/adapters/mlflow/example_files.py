"""What a confirm run keeps of its training examples: files for people and for pandas.

N training examples, C classes, K losses per example (the label's first, then the teachers').
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sweep.atomic_files import replaced
from trainers.data.noise import transition_matrix
from trainers.mixing.weight_histogram import EDGES, weight_histogram

EXAMPLES_FILE = "examples.parquet"
LABELS_FILE = "labels.json"
# Columns of examples that have one class each.
GIVEN, TRUE = "label", "true_label"
# The table of a method's learned weights, (N, K), and that of each row of an example, (N, T, K).
WEIGHTS, WEIGHTS_OF_ROWS = "lambda", "lambda_rows"


def write_examples(directory: Path, examples: Mapping[str, Any]) -> list[Path]:
    """Write the files of one run into ``directory``.

    ``examples.parquet``: a row per training example with ``row`` (its place in the data set),
    ``corrupted``, whatever else the task knows of each (of classes ``label``, as given, and
    ``true_label``), and the learned weights where there are any, those of its rows as a list.
    ``labels.json``: the realised noise rate; of classes the transition matrix (C, C) with true
    classes as rows; histograms of the weights of clean and of corrupted examples.
    """
    directory.mkdir(parents=True, exist_ok=True)
    corrupted = np.asarray(examples["corrupted"])
    columns: dict[str, Any] = {
        name: column
        for name, column in ((name, np.asarray(array)) for name, array in examples.items())
        if column.ndim == 1
    }
    summary: dict[str, Any] = {
        "realised_noise_rate": float(corrupted.mean()) if len(corrupted) else 0.0
    }
    if TRUE in columns:
        given, true = columns[GIVEN], columns[TRUE]
        classes = int(max(given.max(), true.max())) + 1
        summary["transition_matrix"] = transition_matrix(true, given, classes).tolist()
    if WEIGHTS in examples:
        lam = np.asarray(examples[WEIGHTS])
        columns |= {name: lam[:, k] for k, name in enumerate(_weight_names(lam.shape[1]))}
        summary["weight_histogram"] = _histograms(lam, corrupted)
    if WEIGHTS_OF_ROWS in examples:
        columns |= _lists(np.asarray(examples[WEIGHTS_OF_ROWS]))
    with replaced(directory / EXAMPLES_FILE) as path:
        pd.DataFrame(columns).to_parquet(path, index=False)
    with replaced(directory / LABELS_FILE) as path:
        path.write_text(json.dumps(summary), encoding="utf-8")
    return [directory / EXAMPLES_FILE, directory / LABELS_FILE]


def _weight_names(losses: int) -> list[str]:
    """Of K columns: ``lambda_label``, then ``lambda_teacher``, numbered where there are several."""
    teachers = range(1, losses)
    numbered = [f"lambda_teacher_{m}" for m in teachers] if losses > 2 else ["lambda_teacher"]
    return ["lambda_label", *numbered]


def _lists(lam: np.ndarray) -> dict[str, Any]:
    """Weights (N, T, K), NaN where an example has no such row, as K columns of N lists."""
    names = _weight_names(lam.shape[2])
    return {
        f"{name}_rows": [of_example[~np.isnan(of_example)] for of_example in lam[..., k]]
        for k, name in enumerate(names)
    }


def _histograms(lam: np.ndarray, corrupted: np.ndarray) -> dict[str, Any]:
    counts = weight_histogram(lam, corrupted)
    names = _weight_names(lam.shape[1])
    return {
        "edges": EDGES.tolist(),
        "clean": dict(zip(names, counts.clean.tolist(), strict=True)),
        "corrupted": dict(zip(names, counts.corrupted.tolist(), strict=True)),
    }
