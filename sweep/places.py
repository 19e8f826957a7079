"""Where sweeps are kept: a runs directory, and a tracking store in it or elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import BadInput

if TYPE_CHECKING:
    from sweep.adapters.mlflow.store import MlflowStore


@dataclass(frozen=True)
class Places:
    """Where a sweep is kept: the runs directory, and a tracking store if not the one in there."""

    runs_dir: Path
    tracking_uri: str | None = None
    optuna_url: str | None = None

    def sweep(self, name: str) -> Path:
        """The directory of a sweep's tables, figures and journal."""
        return self.runs_dir / name

    @property
    def database(self) -> Path:
        """The file of a store of this machine's own."""
        return self.runs_dir / "mlflow.db"

    @property
    def has_store(self) -> bool:
        """Whether there is a store of this machine's own."""
        return self.database.exists()

    @property
    def artifacts(self) -> Path:
        """The files of runs in a store of this machine's own."""
        return self.runs_dir / "artifacts"

    @property
    def teachers(self) -> Path:
        """Trained teachers, which all sweeps share."""
        return self.runs_dir / "teachers"

    def results(self, name: str) -> Path:
        """The directory of a sweep's tables, figures and report."""
        return self.sweep(name) / "results"

    def checkpoints(self, name: str) -> Path:
        """The directory of a sweep's cohorts that train."""
        return self.sweep(name) / "checkpoints"

    def profile(self, name: str) -> Path:
        """The file that says where the time of a sweep's last launch went."""
        return self.sweep(name) / "profile.json"

    def check_writable(self, name: str) -> None:
        """BadInput where a launch of that name could not write; makes its directories."""
        from sweep.writable import check_writable

        directories = [self.runs_dir, self.sweep(name)]
        if not self.tracking_uri:
            directories.append(self.runs_dir / "artifacts")
        written = ("lock", "mlflow.spool", "optuna.journal")
        files = [self.database, *(self.sweep(name) / file for file in written)]
        check_writable(self.runs_dir, directories, files)

    def studies(self, name: str) -> str:
        """The URL or the journal of a sweep's studies."""
        return self.optuna_url or str(self.journal(name))

    def journal(self, name: str) -> Path:
        """The file of a sweep's studies."""
        return self.sweep(name) / "optuna.journal"


def open_store(
    places: Places,
    must_exist: bool = False,
    patience_s: float = 0.0,
    say: Callable[[str], None] | None = None,
) -> "MlflowStore":
    """The tracking store, made if it is a local one that does not exist yet.

    ``patience_s``: how long a server is waited for, if longer than seconds; ``say`` is told.
    ``must_exist``: for who reads; else a store that was moved is told where its files are now.
    """
    from sweep.adapters.mlflow.database import make_database
    from sweep.adapters.mlflow.store import MlflowStore, local_uri

    if places.tracking_uri:
        return MlflowStore(
            places.tracking_uri, runs_dir=places.runs_dir, patience_s=patience_s, say=say
        )
    if must_exist and not places.has_store:
        raise BadInput(
            f"{places.runs_dir}: holds no sweeps; launch one, or name the directory with "
            "--runs-dir or the store with --tracking-uri"
        )
    make_database(places.database, places.artifacts)
    store = MlflowStore(local_uri(places.database), places.artifacts, places.runs_dir)
    if not must_exist:
        store.move_here()
    return store
