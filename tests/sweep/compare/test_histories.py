"""Curves from MLflow, from a database and through a server: what the client says, in bulk."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.server import app, handlers
from werkzeug.serving import make_server

from sweep.adapters.mlflow import histories
from sweep.adapters.mlflow.histories import MlflowHistories, is_curve

EPOCHS = 12
# A double with 17 digits, and one that a database keeps apart.
ODD = {3: 0.1 + 0.2, 5: float("nan")}


@dataclass(frozen=True)
class Store:
    """A tracking store with five runs, in a database and behind a server that counts requests."""

    database: str
    server: str
    run_ids: tuple[str, ...]
    requests: list[str]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    place = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{place / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("curves", artifact_location=place.as_uri())
    run_ids = tuple(_run(client, experiment, number) for number in range(5))
    requests: list[str] = []

    def counted(environ, start_response):  # type: ignore[no-untyped-def]
        requests.append(environ["PATH_INFO"])
        return app(environ, start_response)

    handlers._tracking_store = None
    handlers.initialize_backend_stores(uri, uri, place.as_uri())
    server = make_server("127.0.0.1", 0, counted)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Store(uri, f"http://127.0.0.1:{server.server_port}", run_ids, requests)
    server.shutdown()
    thread.join()


def _run(client: MlflowClient, experiment: str, number: int) -> str:
    run_id: str = client.create_run(experiment).info.run_id
    epochs = range(1, EPOCHS - number)
    values = [Metric("loss", ODD.get(e, number + e / 7), 1000 + e, e) for e in epochs]
    # A run that was taken up again has written an epoch twice; the later value counts.
    again = [Metric("loss", -1.0, 5000, 2), Metric("best_loss", 0.5, 6000, EPOCHS)]
    rare = [Metric("weight", 0.25, 1000, 1)] if number == 0 else []
    client.log_batch(run_id, metrics=[*values, *again, *rare])
    return run_id


def expected(store: Store) -> pd.DataFrame:
    """The same by MLflow's own client, a request for each run and metric."""
    client = MlflowClient(tracking_uri=store.database)
    rows = {}
    for run_id in store.run_ids:
        for metric in ("loss", "weight"):
            points = client.get_metric_history(run_id, metric)
            for point in sorted(points, key=lambda p: p.timestamp):
                rows.setdefault((run_id, point.step), {})[metric] = point.value
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["loss", "weight"]).sort_index()
    return frame.rename_axis(index=["run_id", "epoch"]).reset_index()


@pytest.mark.parametrize("through", ["database", "server"])
def test_it_is_what_the_client_reads(store: Store, through: str) -> None:
    histories = MlflowHistories(getattr(store, through))
    found = histories.read(store.run_ids, ["loss", "weight"])
    pd.testing.assert_frame_equal(found, expected(store), check_dtype=False, check_exact=True)
    first = found[found["run_id"] == store.run_ids[0]].set_index("epoch")
    assert first.loc[2, "loss"] == -1.0
    assert first.loc[3, "loss"] == 0.1 + 0.2
    assert np.isnan(first.loc[5, "loss"])


def test_a_server_is_asked_once_for_each_metric(store: Store) -> None:
    before = len(store.requests)
    MlflowHistories(store.server).read(store.run_ids, ["loss", "weight"])
    bulk = [path for path in store.requests[before:] if path.endswith("get-history-bulk")]
    assert len(bulk) == 2


def test_an_answer_that_is_cut_short_is_asked_for_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "VALUES_PER_REQUEST", 9)
    found = MlflowHistories(store.server).read(store.run_ids, ["loss", "weight"])
    pd.testing.assert_frame_equal(found, expected(store), check_dtype=False, check_exact=True)


@pytest.mark.parametrize("through", ["database", "server"])
def test_nothing_logged_is_an_empty_frame(store: Store, through: str) -> None:
    histories = MlflowHistories(getattr(store, through))
    for runs, metrics in ((store.run_ids, ["unheard"]), ((), ["loss"]), (store.run_ids, [])):
        found = histories.read(runs, metrics)
        assert found.empty
        assert list(found.columns) == ["run_id", "epoch", *metrics]


def test_what_is_logged_once_is_no_curve() -> None:
    assert [is_curve(name) for name in ("loss", "lambda_auroc")] == [True, True]
    once = ("best_loss", "best_epoch", "test_accuracy", "epochs_trained")
    assert not any(is_curve(name) for name in once)
