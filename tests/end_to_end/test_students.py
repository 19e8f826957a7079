"""The students of a sweep: kept, fetched, trained again, in MLflow's hands."""

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

import trainers
from sweep import cli
from sweep.adapters.mlflow.models import Models
from sweep.best_students import log_best_students
from sweep.compare.confirm_runs import Wanted, select, winners
from sweep.compare.records import SweepRecord
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.spec.spec import SweepSpec
from tests.end_to_end.stage import launched_in_process
from tests.sweep.specs import small_spec
from trainers.data.fingerprint import fingerprint
from trainers.loading import load_dataset

SEEDS = 3
METHODS = [
    {"method": "alm_kd", "pin": {"warmup_epochs": 1, "update_every": 1}},
    {"method": "fixed_kd", "baseline": True},
]


def kept_spec(**changes: object) -> SweepSpec:
    usual = {"methods": METHODS, "conditions.noise_rate": [0.4], "search.trials": 2}
    return small_spec({**usual, "confirm.seeds": SEEDS, **changes})


def command(*words: str, places: Places) -> tuple[int, list[str], str]:
    """A command over a store: exit code, the lines it printed, what it said beside."""
    out, beside = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(beside):
        patch.setattr(sys, "argv", ["almkd", *words, "--runs-dir", str(places.runs_dir)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    code = stop.value.code
    assert isinstance(code, int)
    return code, out.getvalue().splitlines(), beside.getvalue()


class Kept:
    """A sweep that has run, in its store."""

    def __init__(self, spec: SweepSpec, places: Places) -> None:
        with pytest.MonkeyPatch.context() as patch:
            self.record: SweepRecord = launched_in_process(spec, places, patch)
        self.spec, self.places, self.store = spec, places, open_store(places)

    def students(self) -> dict[str, bool]:
        """Of every confirm run, by cell and seed, whether it keeps a student."""
        files = self.store.artifacts()
        return {
            f"{run.cell}/{run.seed}": files.has(run.run_id, "student")
            for run in select(self.record, Wanted())
        }

    def run(self, *words: str) -> tuple[int, list[str], str]:
        """`almkd students` with these words: exit code, what it printed, what it said beside."""
        return command("students", self.spec.name, *words, places=self.places)


@pytest.fixture(scope="module")
def kept(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    runs = tmp_path_factory.mktemp("runs")
    (runs / "mlflow.db").write_bytes(empty_store.read_bytes())
    swept = Kept(kept_spec(), Places(runs))
    log_best_students(swept.spec.name, swept.store)
    return swept


def _raw_test_inputs(kept: Kept, rows: "pd.Series[int]") -> torch.Tensor:
    """Test images as scikit-learn has them: grey levels from 0 to 16."""
    dataset = load_dataset(kept.spec.data_settings())
    return torch.from_numpy(np.round(16 * dataset.inputs[rows.to_numpy()]))  # type: ignore[attr-defined]


def test_every_student_gives_the_predictions_that_were_kept(kept: Kept, tmp_path: Path) -> None:
    """From raw inputs, and with them the test accuracy that is on record."""
    code, places, _ = kept.run("--out", str(tmp_path))
    assert code == 0
    assert len(places) == 2 * SEEDS
    files = kept.store.artifacts()
    for run in select(kept.record, Wanted()):
        student = trainers.load_student(tmp_path / run.folder)
        table = files.fetch(run.run_id, "predictions.parquet", tmp_path)
        assert table is not None
        said = pd.read_parquet(table)
        with torch.no_grad():
            logits = student(_raw_test_inputs(kept, said["row"])).numpy()
        np.testing.assert_allclose(logits, said.filter(like="logit_"), atol=1e-5)
        accuracy = 100 * np.mean(logits.argmax(1) == said["label"])
        assert accuracy == pytest.approx(run.test)
        told = json.loads((tmp_path / run.folder / "student.json").read_text(encoding="utf-8"))
        assert told["metrics"]["test_accuracy"] == pytest.approx(run.test)
        assert told["trained"]["seed"] == run.seed


def test_one_student_is_found_by_row_condition_and_seed(kept: Kept, tmp_path: Path) -> None:
    words = ("--method", "alm_kd", "--where", "noise_rate=0.4", "--seed", "2")
    code, places, _ = kept.run("--out", str(tmp_path), *words)
    assert code == 0
    assert places == [str(tmp_path / "symmetric-0.4-noisy" / "alm_kd" / "seed-2")]


def test_the_best_by_validation_is_the_one_of_its_cell(kept: Kept, tmp_path: Path) -> None:
    trials = kept.record.trials
    confirm = trials[(trials["stage"] == "confirm") & (trials["method"] == "fixed_kd")]
    first = confirm.sort_values(
        ["validation_accuracy", "seed"], ascending=[False, True]
    ).iloc[0]  # fmt: skip
    _, places, _ = kept.run("--out", str(tmp_path), "--best", "--method", "fixed_kd")
    assert [Path(place).name for place in places] == [f"seed-{first['seed']}"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "alm"), "'alm' is no method of small"),
        (("--seed", "99"), "confirmed on seeds 1, 2, 3"),
        (("--where", "noise_rate=0.3"), "has noise_rate 0.4"),
        (("--format", "onxx"), "did you mean 'onnx'"),
        (("--register", "mine"), "choose one with --method and --where"),
    ],
)
def test_what_cannot_be_had_is_told(
    kept: Kept, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "out"
    code, places, told = kept.run("--out", str(out), *words)
    assert code != 0
    assert said in told
    assert not places
    assert not out.exists()


def test_mlflow_predicts_with_the_best_student_of_a_cell(kept: Kept, tmp_path: Path) -> None:
    """A model for each cell, from the run with the best validation value."""
    runs = select(kept.record, Wanted())
    models = Models(kept.store.uri).of(kept.store.experiment(kept.spec.name))
    assert {cell: run_id for cell, (_, run_id) in models.items()} == {
        run.cell: run.run_id for run in winners(kept.record, runs)
    }
    (cell, (model_id, run_id)) = next(iter(models.items()))
    table = kept.store.artifacts().fetch(run_id, "predictions.parquet", tmp_path)
    assert table is not None
    said = pd.read_parquet(table)
    mlflow.set_tracking_uri(kept.store.uri)
    model = mlflow.pyfunc.load_model(f"models:/{model_id}")
    predicted = model.predict(_raw_test_inputs(kept, said["row"]).numpy())
    logits = said.filter(like="logit_").to_numpy()
    np.testing.assert_allclose(predicted.filter(like="logit_"), logits, atol=1e-5)
    assert predicted["prediction"].tolist() == [str(c) for c in logits.argmax(1)]
    assert model.metadata.signature.inputs.input_types()
    assert model.input_example.shape == (1, 1, 8, 8)
    assert cell in kept.record.shown


def test_a_model_tells_of_its_run_and_of_the_data_it_was_measured_on(kept: Kept) -> None:
    client = mlflow.MlflowClient(tracking_uri=kept.store.uri)
    models = Models(kept.store.uri).of(kept.store.experiment(kept.spec.name))
    model_id, run_id = next(iter(models.values()))
    model, run = client.get_logged_model(model_id), client.get_run(run_id)
    assert run.data.params.items() <= model.params.items()
    assert model.params["noise_rate"] == "0.4"
    digest = fingerprint(load_dataset(kept.spec.data_settings()))
    (read,) = run.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.digest) == ("digits", digest)
    tested = {name: v for name, v in run.data.metrics.items() if name.startswith("test_")}
    assert {m.key: m.value for m in model.metrics} == tested
    assert {(m.dataset_name, m.dataset_digest) for m in model.metrics} == {("digits", digest)}


def test_models_are_logged_once(kept: Kept) -> None:
    before = Models(kept.store.uri).of(kept.store.experiment(kept.spec.name))
    log_best_students(kept.spec.name, kept.store)
    assert Models(kept.store.uri).of(kept.store.experiment(kept.spec.name)) == before


def test_a_model_is_registered_where_that_is_asked_for(kept: Kept, tmp_path: Path) -> None:
    words = ("--out", str(tmp_path), "--method", "alm_kd", "--best")
    kept.run(*words)
    client = mlflow.MlflowClient(kept.store.uri, kept.store.uri)
    assert not client.search_registered_models()
    for version in ("1", "2"):
        code, _, said = kept.run(*words, "--register", "mine")
        assert code == 0, said
        assert f"registered as version {version} of mine" in said
    mlflow.set_tracking_uri(kept.store.uri)
    model = mlflow.pyfunc.load_model("models:/mine/2")
    assert len(model.predict(np.zeros((2, 1, 8, 8), np.float32))) == 2


def test_a_student_that_was_not_kept_is_trained_again_bit_for_bit(
    kept: Kept, places: Places, tmp_path: Path
) -> None:
    none = Kept(kept_spec(**{"confirm.keep_students": "none"}), places)
    assert not any(none.students().values())
    log_best_students(none.spec.name, none.store)
    assert not Models(none.store.uri).of(none.store.experiment(none.spec.name))
    for swept, out in ((kept, "kept"), (none, "again")):
        code, _, said = swept.run("--out", str(tmp_path / out), "--seed", "2")
        assert code == 0, said
        assert ("training it again" in said) == (swept is none)
        assert "not the same bits" not in said
    for label in ("alm_kd", "fixed_kd"):
        below = Path("symmetric-0.4-noisy") / label / "seed-2" / "student.safetensors"
        was, now = (tmp_path / out / below for out in ("kept", "again"))
        assert was.read_bytes() == now.read_bytes()


def test_where_the_best_alone_are_kept_the_others_go_at_the_end(places: Places) -> None:
    swept = Kept(kept_spec(**{"confirm.keep_students": "best"}), places)
    assert all(swept.students().values())
    log_best_students(swept.spec.name, swept.store)
    best = {
        f"{run.cell}/{run.seed}" for run in winners(swept.record, select(swept.record, Wanted()))
    }
    assert {name for name, there in swept.students().items() if there} == best
    assert len(best) == len(Plan(swept.spec).cells)


def test_predictions_of_all_runs_are_one_table(kept: Kept, tmp_path: Path) -> None:
    """From which every metric can be had: accuracy by run is what is on record."""
    out = tmp_path / "predictions.parquet"
    given = ["export", kept.spec.name, "--table", "predictions", "--format", "parquet"]
    code, _, said = command(*given, "--out", str(out), places=kept.places)
    assert code == 0, said
    table = pd.read_parquet(out)
    right = table.filter(like="logit_").to_numpy().argmax(1) == table["label"]
    accuracy = 100 * right.groupby(table["run_id"]).mean()
    assert accuracy.to_dict() == pytest.approx(
        {run.run_id: run.test for run in select(kept.record, Wanted())}
    )
