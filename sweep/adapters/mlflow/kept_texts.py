"""Texts that a sweep keeps as artifacts of its own run, each with a checksum among its tags."""

import hashlib
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from sweep.adapters.mlflow.places import local_files

# Names the tag that holds a file's checksum; it is set once the file is there.
CHECKSUM = "sha256."


class DamagedFile(Exception):
    """An artifact that is not what was written."""


class KeptTexts:
    """The texts of a store's sweeps."""

    def __init__(self, client: MlflowClient, artifacts: Path | None) -> None:
        """``artifacts``: where a runs directory has the files of its store."""
        self._client = client
        self._artifacts = artifacts

    def keep(self, run_id: str, name: str, text: str) -> None:
        """An artifact, then its checksum."""
        self._client.log_text(run_id, text, name)
        self._client.set_tag(run_id, CHECKSUM + name, _digest(text.encode()))

    def read(self, run: Run, name: str) -> str:
        """What was kept; DamagedFile if it is gone or not what was written."""
        try:
            content = self._content(run, name)
        except (MlflowException, OSError) as error:
            raise DamagedFile(f"its {name} cannot be read ({error})") from None
        if _digest(content) != run.data.tags.get(CHECKSUM + name):
            raise DamagedFile(f"its {name} is not what was written (the checksum differs)")
        return content.decode("utf-8")

    def _content(self, run: Run, name: str) -> bytes:
        if self._artifacts:
            place = local_files(run.info.artifact_uri, self._artifacts)
            if place is not None:
                return (place / name).read_bytes()
        with tempfile.TemporaryDirectory() as directory:
            path = self._client.download_artifacts(run.info.run_id, name, directory)
            return Path(path).read_bytes()


def is_kept(run: Run, name: str) -> bool:
    """Whether a text of that name was kept, whatever became of it."""
    return CHECKSUM + name in run.data.tags


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
