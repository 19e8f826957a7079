"""The best student of each cell of a sweep as a model of MLflow, once all are trained.

Best is the one with the best value on the validation split: the test split chooses nothing.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from sweep.adapters.mlflow.models import Models
from sweep.adapters.mlflow.run_files import STUDENT
from sweep.adapters.mlflow.store import MlflowStore
from sweep.compare.confirm_runs import ConfirmRun, Wanted, select, winners
from sweep.errors import BadInput


def log_best_students(name: str, store: MlflowStore) -> None:
    """Log a model for each cell that has none, or whose best student is another one now.

    Where a sweep keeps the best alone, the other students are deleted.
    """
    record, spec = store.record(name), store.spec(name)
    if not spec.confirm.keeps_students:
        return
    runs = select(record, Wanted())
    best = winners(record, runs)
    artifacts, models, experiment = store.artifacts(), Models(store.uri), store.experiment(name)
    there = models.of(experiment)
    for run in best:
        model_id, source = there.get(run.cell, ("", ""))
        if source == run.run_id:
            continue
        if model_id:
            models.delete(model_id)
        with TemporaryDirectory(prefix="almkd-") as scratch:
            if directory := artifacts.fetch(run.run_id, STUDENT, Path(scratch)):
                models.log(experiment, run.run_id, run.cell, directory)
    if spec.confirm.keep_students == "best":
        kept = {run.run_id for run in best}
        for run in runs:
            if run.run_id not in kept:
                artifacts.delete(run.run_id, STUDENT)


def register(name: str, runs: list[ConfirmRun], store: MlflowStore, registered: str) -> str:
    """Register the model of the one cell that ``runs`` are of; its version.

    BadInput where they are of several cells, or its model is gone.
    """
    cells = list(dict.fromkeys(run.cell for run in runs))
    if len(cells) > 1:
        raise BadInput(
            f"--register {registered}: takes the model of one cell, and these are of {len(cells)}: "
            f"{', '.join(cells[:3])}, ...; choose one with --method and --where"
        )
    store.move_here()
    models = Models(store.uri)
    there = models.of(store.experiment(name))
    if cells[0] not in there:
        raise BadInput(
            f"--register {registered}: {cells[0]} has no model in MLflow; launch the sweep again "
            "with confirm.keep_students: best or all"
        )
    return models.register(*there[cells[0]], registered)
