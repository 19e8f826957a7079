"""A student as MLflow's models have it: a data frame or a tensor in, a data frame out.

MLflow names this module in a model that was logged, and calls `_load_pyfunc` of it.
"""

from typing import Any

import pandas as pd
import torch

from trainers.student_files import load_student
from trainers.task import StudentModule


class Predictor:
    """What `mlflow.pyfunc.load_model` gives calls this."""

    def __init__(self, student: StudentModule) -> None:
        self._student = student

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """``model_input``: raw inputs, a data frame with an example per row, or an array or tensor
        (B, ...); of students of texts, a data frame with a column of them, or their tokens."""
        inputs = self._inputs(model_input)
        with torch.no_grad():
            raw = inputs.reshape(-1, *self._student.shape).to(self._student.input_dtype)
            outputs = self._student(raw)
        return pd.DataFrame(self._student.table(outputs))

    def _inputs(self, model_input: Any) -> torch.Tensor:
        if not isinstance(model_input, pd.DataFrame):
            return torch.as_tensor(model_input)
        columns = self._student.columns
        rows = model_input[list(columns)] if columns else model_input
        if self._student.takes_texts:
            return self._student.encode(rows.iloc[:, 0].astype(str).tolist())
        return torch.from_numpy(rows.to_numpy(dtype="float64", copy=True))


def _load_pyfunc(path: str) -> Predictor:
    """As MLflow calls it; ``path``: the directory of the student's files.

    A network of the user's own runs its code: whoever loads a model of MLflow has to trust it.
    """
    return Predictor(load_student(path, allow_code=True))
