"""The best student of each cell as a model in MLflow's sense: with a signature, an input example,
and `mlflow.pyfunc.load_model` to predict with it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow.pyfunc
import pandas as pd
import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.tracking._tracking_service.utils import _use_tracking_uri
from mlflow.types.schema import ColSpec, Schema, TensorSpec
from mlflow.utils import environment

from sweep.adapters.mlflow import predictor
from sweep.errors import BadInput
from sweep.version import code_version
from trainers.student_files import describe, load_student

CELL = "cell"
# MLflow's look at what is installed, each time that a model is saved.
REMARK = "warn_dependency_requirement_mismatches"
# All characters that a name of a model may not have.
FORBIDDEN = str.maketrans(dict.fromkeys("/:.%\"'", "-"))


class Models:
    """The logged models of one tracking store."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def of(self, experiment_id: str) -> dict[str, tuple[str, str]]:
        """The models of a sweep by cell: the model's id, and that of the run it came from."""
        found: dict[str, tuple[str, str]] = {}
        token = None
        while True:
            page = self._client.search_logged_models([experiment_id], page_token=token)
            for model in page:
                if CELL in model.tags and model.source_run_id:
                    found[model.tags[CELL]] = (model.model_id, model.source_run_id)
            token = page.token
            if not token:
                return found

    def log(self, experiment_id: str, run_id: str, cell: str, directory: Path) -> None:
        """Make a model of a student's files, as that of its cell."""
        told = describe(directory)
        metrics = {name: value for name, value in told["metrics"].items() if name[:5] == "test_"}
        trained, run = told["trained"], self._client.get_run(run_id)
        model = self._client.create_logged_model(
            experiment_id,
            name=cell.translate(FORBIDDEN),
            source_run_id=run_id,
            tags={CELL: cell, "code_version": code_version()},
            params={
                **run.data.params,
                **{name: str(trained[name]) for name in ("label", "best_epoch")},
            },
            model_type=told["task"],
        )
        with TemporaryDirectory(prefix="almkd-") as scratch, _quiet():
            place = Path(scratch) / "model"
            _save(directory, place)
            self._client.log_model_artifacts(model.model_id, str(place))
        self._client.finalize_logged_model(model.model_id, "READY")
        self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        data, digest = _data_of(run)
        at = int(time.time() * 1000)
        measured = [
            Metric(name, value, at, 0, model.model_id, data, digest)
            for name, value in metrics.items()
        ]
        self._client.log_batch(run_id, measured)

    def delete(self, model_id: str) -> None:
        """Take a model away, as another student is the best of its cell now."""
        self._client.delete_logged_model(model_id)

    def register(self, model_id: str, run_id: str, name: str) -> str:
        """Have a model in MLflow's registry under ``name``; the number of its version there."""
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise BadInput(f"--register {name}: {error.message}") from None
        # A database's registry looks a model up in the store that the process has in general.
        with _use_tracking_uri(self._uri):
            version = self._client.create_model_version(name, f"models:/{model_id}", run_id)
        return str(version.version)


def _data_of(run: Run) -> tuple[str | None, str | None]:
    """Name and digest of the data set that a run's metrics are of, where they are kept."""
    found = run.inputs.dataset_inputs if run.inputs else []
    return (found[0].dataset.name, found[0].dataset.digest) if found else (None, None)


def _save(directory: Path, place: Path) -> None:
    """Write a student's files as a model on disk."""
    student = load_student(directory, allow_code=True)
    example: Any = torch.zeros(1, *student.shape, dtype=student.input_dtype).numpy()
    if student.takes_texts:
        (column,) = student.columns or ("text",)
        takes = Schema([ColSpec("string", column)])
        example = pd.DataFrame({column: [student.example_text]})
    elif student.columns:
        takes = Schema([ColSpec("double", name) for name in student.columns])
        example = pd.DataFrame(example.astype(float), columns=student.columns)
    else:
        takes = Schema([TensorSpec(example.dtype, (-1, *student.shape))])
    gives = infer_signature(model_output=predictor.Predictor(student).predict(example))
    mlflow.pyfunc.save_model(
        place,
        loader_module=predictor.__name__,
        data_path=str(directory),
        signature=ModelSignature(takes, gives.outputs),
        input_example=example,
        pip_requirements=[student.requirement],
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without MLflow's remarks on how a model is served, and without what it reads of every
    installed package to make them."""
    logger = logging.getLogger("mlflow")
    before, remark = logger.level, getattr(environment, REMARK)
    logger.setLevel(logging.ERROR)
    setattr(environment, REMARK, lambda requirements: None)
    try:
        yield
    finally:
        setattr(environment, REMARK, remark)
        logger.setLevel(before)
