"""A sweep from launch to table: the stages, in order.

    teachers -> search -> confirm      on Ray, as the referee hands them out
    compare                            from the tracking store alone

What is durable lives in two stores, Optuna's and MLflow's; launching the same spec again goes on
from there, or shows the table if nothing is left to do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from sweep.errors import BadInput, SweepFailed
from sweep.plan import Plan
from sweep.spec import SweepSpec

if TYPE_CHECKING:
    from rich.console import Console

    from sweep.adapters.mlflow_store import MlflowStore
    from sweep.compare.records import SweepRecord


@dataclass(frozen=True)
class Places:
    """Where a sweep is kept: the runs directory, and a tracking store if not the one in there."""

    runs_dir: Path
    tracking_uri: str | None = None
    optuna_url: str | None = None

    def sweep(self, name: str) -> Path:
        """The directory of a sweep's tables, figures and journal."""
        return self.runs_dir / name


@dataclass(frozen=True)
class Comparison:
    """What a sweep showed: its record, its comparison table, the directory of its files."""

    record: "SweepRecord"
    table: pd.DataFrame
    directory: Path


def launch(
    spec: SweepSpec, places: Places, console: "Console", address: str | None = None
) -> Comparison:
    """Run or resume a sweep and compare; every stage that is done already is left alone.

    Raises KeyboardInterrupt, with true states written, when interrupted; BadInput where the name
    was launched with another spec.
    """
    from sweep.adapters.optuna_rules import check_rules

    check_rules(spec)
    plan = Plan(spec)
    store = open_store(places)
    if not store.is_complete(plan):
        _train(plan, places, store, console, address)
    return compare(spec.name, places, store)


def compare(name: str, places: Places, store: "MlflowStore") -> Comparison:
    """Statistics, tables and figures of a sweep from its runs; written, and logged beside them."""
    from sweep.compare.comparison import comparison_table
    from sweep.outputs import write_outputs

    record = store.record(name)
    table = comparison_table(record, store.spec(name).seed)
    directory = places.sweep(name) / "results"
    write_outputs(record, table, directory)
    store.log_outputs(name, directory)
    return Comparison(record, table, directory)


def open_store(places: Places, must_exist: bool = False) -> "MlflowStore":
    """The tracking store, made if it is a local one that does not exist yet."""
    from sweep.adapters.mlflow_store import MlflowStore, local_uri

    if places.tracking_uri:
        return MlflowStore(places.tracking_uri)
    if must_exist and not (places.runs_dir / "mlflow.db").exists():
        raise BadInput(
            f"{places.runs_dir}: holds no sweeps; launch one, or name the directory with "
            "--runs-dir or the store with --tracking-uri"
        )
    places.runs_dir.mkdir(parents=True, exist_ok=True)
    return MlflowStore(local_uri(places.runs_dir), places.runs_dir / "artifacts")


def _train(
    plan: Plan, places: Places, store: "MlflowStore", console: "Console", address: str | None
) -> None:
    """The stages on Ray; the parent run ends with the true state whatever happens."""
    from sweep.adapters.ray_tune import Stores, ray_session, train_everything
    from sweep.screen import summary, watcher
    from trainers.data.datasets import DATASETS

    spec = plan.spec
    runs = store.open_sweep(plan)
    places.sweep(spec.name).mkdir(parents=True, exist_ok=True)
    journal = str(places.sweep(spec.name) / "optuna.journal")
    stores = Stores(runs, places.optuna_url or journal, places.runs_dir / "teachers")
    try:
        dataset = DATASETS[spec.data.dataset].load()
        with ray_session(address):
            progress = train_everything(spec, stores, dataset, watcher(console))
    except KeyboardInterrupt:
        store.close_sweep(spec.name, "interrupted")
        raise
    except Exception:
        store.close_sweep(spec.name, "failed")
        raise
    console.print(summary(progress), soft_wrap=True)
    if not progress.done["confirm"]:
        store.close_sweep(spec.name, "failed")
        raise SweepFailed(
            f"{spec.name}: no cell could be confirmed; see almkd export --table trials"
        )
    store.close_sweep(spec.name, "complete")
