"""Files of runs: fetched, looked for, deleted."""

from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository


class Artifacts:
    """The artifacts of a tracking store's runs."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)

    def fetch(self, run_id: str, name: str, place: Path) -> Path | None:
        """A file or folder of a run, copied below ``place``; None where the run has none."""
        if not self.has(run_id, name):
            return None
        return Path(self._client.download_artifacts(run_id, name, str(place)))

    def has(self, run_id: str, name: str) -> bool:
        """Whether a run has a file or folder of that name."""
        return any(entry.path == name for entry in self._client.list_artifacts(run_id))

    def files(self, run_id: str, below: str | None = None) -> Iterator[tuple[str, int]]:
        """Every file of a run: its path, and its bytes."""
        for entry in self._client.list_artifacts(run_id, below):
            if entry.is_dir:
                yield from self.files(run_id, entry.path)
            else:
                yield entry.path, entry.file_size or 0

    def bytes(self, run_id: str, name: str) -> int:
        """Of a file, or of all files of a folder, of a run."""
        return sum(
            size for path, size in self.files(run_id) if path == name or path.startswith(f"{name}/")
        )

    def delete(self, run_id: str, name: str) -> None:
        """Delete a file or folder of a run for good; nothing where it is not there."""
        place = self._client.get_run(run_id).info.artifact_uri
        repository = get_artifact_repository(place, tracking_uri=self._uri)
        try:
            repository.delete_artifacts(name)  # type: ignore[no-untyped-call]
        except (MlflowException, FileNotFoundError):
            if self.has(run_id, name):
                raise
