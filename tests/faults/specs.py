"""The sweep of `tests.faults.launcher` for every task: as many trials and runs, and teachers where
these are networks of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from tests.faults.launcher import PLANNED_TEACHERS, SPEC, write_spec
from tests.trainers.text.cases import texts

TEXTS = """
name: faults
task: text
data:
  dataset: csv
  path: {path}
  max_length: 8
  splits: {{train: 0.3, meta: 0.1, validation: 0.2, test: 0.2, teacher: 0.2}}
conditions: {{noise_rate: [0.4]}}
teacher: {{model: {{name: transformer, width: 8, heads: 2}}, training: {{epochs: 3}}}}
student: {{model: {{name: transformer, width: 8, heads: 2}}, training: {{epochs: 8}}}}
methods:
  - {{method: mixkd, pin: {{bank: 2}}}}
  - {{method: fixed_kd, baseline: true}}
search:
  trials: 9
  generation: 3
  shortlist: {{configurations: 2, seeds: 2}}
  sampler: {{name: tpe, n_startup_trials: 3}}
  pruner: {{name: successive_halving, reduction_factor: 2}}
confirm: {{seeds: 3}}
"""


STREAM = """
name: faults
task: incremental
data:
  dataset: digits
  stream: {tasks: 2}
  splits: {train: 0.3, meta: 0.1, validation: 0.2, test: 0.2}
conditions: {noise_rate: [0.4]}
student:
  model: {name: mlp, hidden: [8], norm: batch}
  training: {epochs: 8, batch_size: 32}
methods:
  - {method: alm_kd, with: {teacher.batch_norm: batch}, pin: {warmup_epochs: 1, update_every: 1}}
  - {method: fixed_kd, baseline: true}
search:
  trials: 9
  generation: 3
  shortlist: {configurations: 2, seeds: 2}
  sampler: {name: tpe, n_startup_trials: 3}
  pruner: {name: successive_halving, reduction_factor: 2}
confirm: {seeds: 3}
"""


SUMS = """
name: faults
task: language
data:
  dataset: addition
  sums: 300
  splits: {train: 0.3, meta: 0.1, validation: 0.2, test: 0.2, teacher: 0.2}
conditions: {noise_kind: [swap], noise_rate: [0.4]}
teacher: {model: {name: decoder, width: 16, layers: 1, heads: 2}, training: {epochs: 3}}
student:
  model: {name: decoder, width: 8, layers: 1, heads: 2}
  training: {epochs: 8, batch_size: 32}
methods:
  - {method: skd, pin: {top_k: 3}}
  - {method: fixed_kd, baseline: true}
search:
  trials: 9
  generation: 3
  shortlist: {configurations: 2, seeds: 2}
  sampler: {name: tpe, n_startup_trials: 3}
  pruner: {name: successive_halving, reduction_factor: 2}
confirm: {seeds: 3}
"""


INTERACTIONS = """
name: faults
task: recommendation
data:
  dataset: affinity
  splits: {train: 0.6, meta: 0.1, validation: 0.1, test: 0.2}
conditions: {noise_rate: [0.4]}
teacher: {model: {name: factors, width: 8}, training: {epochs: 3}}
student:
  model: {name: factors, width: 4}
  training: {epochs: 8, batch_size: 256}
methods:
  - {method: unkd, pin: {groups: 2}}
  - {method: fixed_kd, baseline: true}
search:
  trials: 9
  generation: 3
  shortlist: {configurations: 2, seeds: 2}
  sampler: {name: tpe, n_startup_trials: 3}
  pruner: {name: successive_halving, reduction_factor: 2}
confirm: {seeds: 3}
"""


# An Oracle teaches one row, an ordinary teacher the other.
UTTERANCES = """
name: faults
task: ctc
data:
  dataset: digit_lines
  lines: 200
  max_digits: 2
  splits: {train: 0.5, meta: 0.1, validation: 0.2, test: 0.2}
conditions: {noise_rate: [0.4]}
teacher: {model: {name: conv, width: 8}, training: {epochs: 3}}
student:
  model: {name: conv, width: 6, layers: 1}
  training: {epochs: 8, batch_size: 32}
methods:
  - method: fixed_kd
    label: from_oracle
    with: {teacher.model: {name: oracle, width: 8, layers: 2, heads: 2}}
  - {method: fixed_kd, baseline: true}
search:
  trials: 9
  generation: 3
  shortlist: {configurations: 2, seeds: 2}
  sampler: {name: tpe, n_startup_trials: 3}
  pruner: {name: successive_halving, reduction_factor: 2}
confirm: {seeds: 3}
"""


CANVASES = """
name: faults
task: detection
data:
  dataset: canvases
  canvases: 60
  side: 48
  splits: {train: 0.5, meta: 0.1, validation: 0.2, test: 0.2}
conditions: {noise_kind: [flip], noise_rate: [0.4]}
teacher: {model: {name: detector, width: 3, layers: 1}, training: {epochs: 3}}
student:
  model: {name: detector, width: 2, layers: 1}
  training: {epochs: 8, batch_size: 10}
methods:
  - {method: ikd, pin: {ikd_until: 0.5}}
  - {method: fixed_kd, baseline: true}
search:
  trials: 9
  generation: 3
  shortlist: {configurations: 2, seeds: 2}
  sampler: {name: tpe, n_startup_trials: 3}
  pruner: {name: successive_halving, reduction_factor: 2}
confirm: {seeds: 3}
"""


def _images(directory: Path) -> str:
    return SPEC


def _texts(directory: Path) -> str:
    """With the table that it reads, in ``directory``."""
    written, labels = texts(200)
    path = directory / "texts.csv"
    pd.DataFrame({"text": written, "label": labels}).to_csv(path, index=False)
    return TEXTS.format(path=path)


def _stream(directory: Path) -> str:
    return STREAM


def _sums(directory: Path) -> str:
    return SUMS


def _interactions(directory: Path) -> str:
    return INTERACTIONS


def _utterances(directory: Path) -> str:
    return UTTERANCES


def _canvases(directory: Path) -> str:
    return CANVASES


SPECS: Mapping[str, Callable[[Path], str]] = {
    "classification": _images, "text": _texts, "incremental": _stream,
    "language": _sums, "recommendation": _interactions, "ctc": _utterances,
    "detection": _canvases,
}  # fmt: skip


# Networks of their own that are trained to teach.
TEACHERS = {task: PLANNED_TEACHERS for task in SPECS} | {
    "incremental": 0, "ctc": 2 * PLANNED_TEACHERS,
}  # fmt: skip


def written(directory: Path, task: str, epochs: int = 8) -> Path:
    """The spec of a task as a file, its students trained for so long."""
    return write_spec(directory, SPECS[task](directory).replace("epochs: 8", f"epochs: {epochs}"))
