"""A sweep over texts of the user's own: its students by themselves, in every form."""

import json
from pathlib import Path

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import tokenizers
import torch
import yaml

import trainers
from sweep.best_students import log_best_students
from sweep.compare.confirm_runs import ConfirmRun, Wanted, select
from sweep.places import Places
from sweep.spec.reader import check_spec
from tests.end_to_end.stage import almkd
from tests.end_to_end.test_students import Kept
from tests.trainers.text.bert import bert
from tests.trainers.text.cases import texts


@pytest.fixture(scope="module")
def kept(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    place = tmp_path_factory.mktemp("texts")
    (place / "mlflow.db").write_bytes(empty_store.read_bytes())
    written, labels = texts(160)
    pd.DataFrame({"body": written, "kind": labels}).to_csv(place / "mine.csv", index=False)
    spec = {
        "name": "texts",
        "task": "text",
        "data": {
            "dataset": "csv", "path": str(place / "mine.csv"), "text": "body", "label": "kind",
            "max_length": 8, "pretrained": str(bert(place / "bert")),
            "splits": {"train": 0.3, "meta": 0.1, "validation": 0.2, "test": 0.2, "teacher": 0.2},
        },
        "conditions": {"noise_rate": [0.4]},
        "teacher": {
            "model": {"name": "pretrained", "train": "last_layer"}, "training": {"epochs": 3},
        },
        "student": {
            "model": {"name": "transformer", "width": 8, "heads": 2, "embeddings": "pretrained"},
            "training": {"epochs": 3, "batch_size": 16},
        },
        "methods": [
            {"method": "mixkd", "pin": {"bank": 2}},
            {"method": "fixed_kd", "baseline": True},
        ],
        "search": {"trials": 2, "generation": 2, "shortlist": "none"},
        "confirm": {"seeds": 2},
    }  # fmt: skip
    swept = Kept(check_spec(spec, "texts"), Places(place))
    log_best_students(swept.spec.name, swept.store)
    return swept


def _tested(kept: Kept, run: ConfirmRun, place: Path) -> tuple[list[str], np.ndarray]:
    """Texts of the test split of a confirm run, and the logits that were kept of them."""
    table = kept.store.artifacts().fetch(run.run_id, "predictions.parquet", place)
    assert table is not None
    said = pd.read_parquet(table)
    written = pd.read_csv(kept.places.runs_dir / "mine.csv")["body"]
    return written[said["row"]].tolist(), said.filter(like="logit_").to_numpy()


def _predict(student: str, data: Path, *more: str) -> tuple[int | str | None, str]:
    return almkd("predict", student, "--data", str(data), *more)


def test_students_need_neither_the_sweep_nor_the_pretrained_network(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, _ = kept.run("--out", str(tmp_path))
    assert code == 0
    monkeypatch.chdir(tmp_path)
    (kept.places.runs_dir / "bert").rename(kept.places.runs_dir / "elsewhere")
    try:
        for run in select(kept.record, Wanted()):
            student = trainers.load_student(tmp_path / run.folder)
            said, logits = _tested(kept, run, tmp_path)
            with torch.no_grad():
                np.testing.assert_allclose(student(student.encode(said)), logits, atol=1e-5)
    finally:
        (kept.places.runs_dir / "elsewhere").rename(kept.places.runs_dir / "bert")


@pytest.mark.filterwarnings("ignore")
def test_as_onnx_it_comes_with_its_tokenizer(kept: Kept, tmp_path: Path) -> None:
    words = ("--method", "mixkd", "--seed", "1", "--format", "onnx", "--out", str(tmp_path))
    code, (place,), said = kept.run(*words)
    assert code == 0
    assert "student.onnx takes what tokenizer.json, beside it, makes of raw inputs" in said
    told = json.loads((Path(place) / "student.json").read_text(encoding="utf-8"))
    cutter = tokenizers.Tokenizer.from_file(str(Path(place) / "tokenizer.json"))
    (length,) = told["shape"]
    cutter.enable_truncation(length)
    (run,) = select(kept.record, Wanted(methods=("mixkd",), seeds=(1,)))
    tested, logits = _tested(kept, run, tmp_path)
    ids = np.full((len(tested), length), -1, np.int64)
    for row, encoding in zip(ids, cutter.encode_batch(tested), strict=True):
        row[: len(encoding.ids)] = encoding.ids
    session = onnxruntime.InferenceSession(str(Path(place) / "student.onnx"))
    (found,) = session.run(None, {session.get_inputs()[0].name: ids})
    np.testing.assert_allclose(found, logits, atol=1e-5)


def test_texts_are_predicted_from_files(kept: Kept, tmp_path: Path) -> None:
    code, (place,), _ = kept.run("--method", "mixkd", "--seed", "1", "--out", str(tmp_path))
    assert code == 0
    (run,) = select(kept.record, Wanted(methods=("mixkd",), seeds=(1,)))
    tested, logits = _tested(kept, run, tmp_path)
    pd.DataFrame({"body": tested, "more": 1}).to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "new.txt").write_text("\n".join(tested) + "\n\n", encoding="utf-8")
    for name in ("new.csv", "new.txt"):
        out = tmp_path / f"{name}.said.csv"
        code, err = _predict(place, tmp_path / name, "--out", str(out))
        assert code == 0, err
        said = pd.read_csv(out)
        np.testing.assert_allclose(said.filter(like="logit_"), logits, atol=1e-5)
        names = np.array(["class 0", "class 1", "class 2"])
        assert said["prediction"].tolist() == names[logits.argmax(1)].tolist()
    (tmp_path / "other.csv").write_text("text\nw1\n")
    code, err = _predict(place, tmp_path / "other.csv")
    assert code == 2
    assert "has no column 'body' but text; name the column of texts as data.text" in err


def test_a_model_of_mlflow_takes_a_column_of_texts(kept: Kept) -> None:
    mlflow.set_tracking_uri(kept.store.uri)
    experiment = kept.store.experiment("texts")
    found = mlflow.search_logged_models(experiment_ids=[experiment], output_format="list")
    assert len(found) == 2
    model = mlflow.pyfunc.load_model(f"models:/{found[0].model_id}")  # type: ignore[union-attr]
    said = model.predict(pd.DataFrame({"body": ["c1w1 c1w2", "w3"]}))
    assert len(said) == 2
    assert set(said["prediction"]) <= {"class 0", "class 1", "class 2"}


def _check(data: Path, folder: Path, place: Path) -> tuple[int | str | None, str]:
    """`almkd check --data` of a sweep whose teacher is the tuned network of a folder as it is."""
    spec = {
        "name": "tuned", "task": "text",
        "data": {
            "dataset": "csv", "path": str(data), "max_length": 8, "pretrained": str(folder),
            "splits": {"train": 0.4, "meta": 0.1, "validation": 0.2, "test": 0.3},
        },
        "conditions": {"noise_rate": [0.4]},
        "teacher": {"model": {"name": "pretrained", "head": "given", "train": "nothing"}},
        "student": {"model": {"name": "transformer"}, "training": {"epochs": 1}},
        "methods": [{"method": "fixed_kd", "baseline": True}],
    }  # fmt: skip
    path = place / "tuned.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return almkd("check", str(path), "--data")


def test_a_tuned_network_of_other_classes_is_refused_before_anything_trains(tmp_path: Path) -> None:
    written, labels = texts(60)
    data = tmp_path / "posts.csv"
    pd.DataFrame({"text": written, "label": labels}).to_csv(data, index=False)
    tuned = bert(tmp_path / "tuned", "bert.", sorted(set(labels), reverse=True))
    assert _check(data, tuned, tmp_path)[0] == 0
    for folder, message in (
        (bert(tmp_path / "ham", labels=("ham", "spam")), "tells ham, spam apart, the data class 0"),
        (bert(tmp_path / "plain"), "has no classifier; head: new puts a last layer on it"),
    ):
        code, said = _check(data, folder, tmp_path)
        assert code == 2
        assert message in said
