"""A sweep over prompts and responses of the user's own: its students by themselves."""

import json
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import trainers
from sweep.best_students import log_best_students
from sweep.compare.confirm_runs import Wanted, select
from sweep.places import Places
from sweep.spec.reader import check_spec
from tests.end_to_end.stage import almkd
from tests.end_to_end.test_students import Kept

DIGITS = 3


@pytest.fixture(scope="module")
def kept(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """One that reads numbers from the last digit to the first, where labels and teachers' labels
    are others."""
    place = tmp_path_factory.mktemp("language")
    (place / "mlflow.db").write_bytes(empty_store.read_bytes())
    numbers = [f"{7 * i % 10**DIGITS:03}" for i in range(120)]
    lines = [json.dumps({"asked": number, "said": number[::-1]}) for number in numbers]
    (place / "mine.jsonl").write_text("\n".join(lines), encoding="utf-8")
    network = {"name": "decoder", "width": 8, "layers": 1, "heads": 2}
    spec = {
        "name": "backwards",
        "task": "language",
        "data": {
            "dataset": "jsonl", "path": str(place / "mine.jsonl"), "prompt": "asked",
            "response": "said", "max_prompt": 4, "max_response": 4,
            "splits": {"train": 0.3, "meta": 0.1, "validation": 0.2, "test": 0.2, "teacher": 0.2},
        },
        "conditions": {"noise_rate": [0.4], "teacher_labels": ["clean"]},
        "teacher": {"model": network, "training": {"epochs": 2}},
        "student": {
            "model": network, "training": {"epochs": 2, "batch_size": 16},
            "warm_start": {"epochs": 1, "lr": 0.01},
        },
        "methods": [
            {"method": "skd"},
            {"method": "alm_kd_token", "pin": {"warmup_epochs": 0, "update_every": 1}},
            {"method": "fixed_kd", "baseline": True},
        ],
        "search": {"trials": 2, "generation": 2, "shortlist": "none"},
        "confirm": {"seeds": 2},
    }  # fmt: skip
    swept = Kept(check_spec(spec, "backwards"), Places(place))
    log_best_students(swept.spec.name, swept.store)
    return swept


def test_students_answer_as_they_were_tested(kept: Kept, tmp_path: Path) -> None:
    code, _, _ = kept.run("--out", str(tmp_path))
    assert code == 0
    for run in select(kept.record, Wanted()):
        student = trainers.load_student(tmp_path / run.folder)
        table = kept.store.artifacts().fetch(run.run_id, "predictions.parquet", tmp_path)
        assert table is not None
        said = pd.read_parquet(table)
        answers = student.table(student(student.encode(said["prompt"].tolist())))["response"]
        assert answers.tolist() == said["response"].tolist()
        assert all(a[::-1] == b for a, b in zip(said["prompt"], said["reference"], strict=True))


def test_prompts_in_files_are_answered(kept: Kept, tmp_path: Path) -> None:
    code, (student, *_), _ = kept.run("--out", str(tmp_path))
    assert code == 0
    (tmp_path / "new.txt").write_text("123\n907\n", encoding="utf-8")
    target = tmp_path / "said.csv"
    assert (
        almkd("predict", student, "--data", str(tmp_path / "new.txt"), "--out", str(target))[0] == 0
    )
    answers = pd.read_csv(target, dtype=str, keep_default_na=False)
    assert list(answers.columns) == ["row", "response"]
    assert len(answers) == 2
    (tmp_path / "new.txt").write_text("12a\n", encoding="utf-8")
    code, said = almkd("predict", student, "--data", str(tmp_path / "new.txt"))
    assert code == 2
    assert "row 1: a is not in the vocabulary" in said


def test_models_in_mlflow_take_prompts(kept: Kept) -> None:
    mlflow.set_tracking_uri(kept.store.uri)
    experiment = kept.store.experiment("backwards")
    found = mlflow.search_logged_models(experiment_ids=[experiment], output_format="list")
    assert len(found) == 3
    model = mlflow.pyfunc.load_model(f"models:/{found[0].model_id}")  # type: ignore[union-attr]
    answers = model.predict(pd.DataFrame({"asked": ["123", "456"]}))
    assert list(answers.columns) == ["response"]
