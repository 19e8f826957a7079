"""Data sets as MLflow's runs have them for inputs: name, digest, source, size."""

import json
from collections.abc import Mapping

from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from sweep.plan.data_inputs import DataInput

# What a run reads it for.
CONTEXT = {MLFLOW_DATASET_CONTEXT: "training"}

# The fields of MLflow's entity, all of them text.
Fields = Mapping[str, str]


def fields_of(data: DataInput) -> Fields:
    """A data set as plain text, for the record that opens a run."""
    return {
        "name": data.name,
        "digest": data.digest,
        **_source(data),
        "profile": json.dumps({"num_rows": data.examples}),
    }


def as_input(fields: Fields) -> DatasetInput:
    """The same as MLflow's client takes it."""
    return DatasetInput(Dataset(**fields), [InputTag(*tag) for tag in CONTEXT.items()])


def _source(data: DataInput) -> Fields:
    """Files by their path; what a package has, or a generator makes, by how it was asked for."""
    if data.path:
        return {"source_type": "local", "source": json.dumps({"uri": data.path})}
    given = {f"data.{name}": str(value) for name, value in data.options.items()}
    source = CodeDatasetSource({"data.dataset": data.name, **given})
    return {"source_type": source._get_source_type(), "source": source.to_json()}
