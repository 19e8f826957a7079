"""What launched a run, as MLflow's dashboard shows it in its columns Source, Version and Created
by."""

import getpass

from mlflow.entities import SourceType
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)

from sweep.version import code_version


def source_tags(sweep: str) -> dict[str, str]:
    """Tags of every run of a sweep; the commit is almkd's own, in a checkout."""
    _, _, commit = code_version().partition("+g")
    return {
        MLFLOW_SOURCE_NAME: f"almkd launch {sweep}",
        MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.LOCAL),
        MLFLOW_USER: _user(),
        **({MLFLOW_GIT_COMMIT: commit.removesuffix(".dirty")} if commit else {}),
    }


def _user() -> str:
    """Who launched it; a container may know no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
