"""Files of runs: fetched, looked for, deleted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from sweep.adapters.mlflow.places import local_files


class Artifacts:
    """The artifacts of a tracking store's runs."""

    def __init__(self, uri: str, root: Path | None) -> None:
        """``root``: where a runs directory has the files of its store, wherever that is now."""
        self._uri, self._root = uri, root
        self._client = MlflowClient(tracking_uri=uri)

    def fetch(self, run_id: str, name: str, place: Path) -> Path | None:
        """A file or folder of a run, copied below ``place``; None where the run has none."""
        repository = self._of(run_id)
        if not _has(repository, name):
            return None
        return Path(repository.download_artifacts(name, str(place)))

    def has(self, run_id: str, name: str) -> bool:
        """Whether a run has a file or folder of that name."""
        return _has(self._of(run_id), name)

    def bytes(self, run_id: str, name: str) -> int:
        """Of a file, or of all files of a folder, of a run."""
        return sum(
            size
            for path, size in _files(self._of(run_id), None)
            if path == name or path.startswith(f"{name}/")
        )

    def delete(self, run_id: str, name: str) -> None:
        """Delete a file or folder of a run for good; nothing where it is not there."""
        repository = self._of(run_id)
        try:
            repository.delete_artifacts(name)
        except (MlflowException, FileNotFoundError):
            if _has(repository, name):
                raise

    def _of(self, run_id: str) -> Any:
        uri = self._client.get_run(run_id).info.artifact_uri
        here = local_files(uri, self._root) if self._root else None
        return get_artifact_repository(
            here.resolve().as_uri() if here else uri, tracking_uri=self._uri
        )


def _has(repository: Any, name: str) -> bool:
    return any(entry.path == name for entry in repository.list_artifacts())


def _files(repository: Any, below: str | None) -> Iterator[tuple[str, int]]:
    """Every file: its path, and its bytes."""
    for entry in repository.list_artifacts(below):
        if entry.is_dir:
            yield from _files(repository, entry.path)
        else:
            yield entry.path, entry.file_size or 0
