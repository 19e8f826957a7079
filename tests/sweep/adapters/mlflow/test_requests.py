"""Records carried out as requests: once, also where the answer to one was lost."""

import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweep.adapters.mlflow.known import SweepRuns
from sweep.adapters.mlflow.requests import SENT_AGAIN, Requests
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from tests.sweep.specs import small_spec

KEY = "symmetric-0.4-noisy/fixed_kd/trial/0"


@pytest.fixture
def runs(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> SweepRuns:
    # Requests changes it.
    monkeypatch.setenv(SENT_AGAIN, "5")
    shutil.copy(empty_store, tmp_path)
    return open_store(Places(tmp_path)).open_sweep(Plan(small_spec()))


def _open(runs: SweepRuns) -> dict[str, Any]:
    tags = {"key": KEY, "state": "running", MLFLOW_PARENT_RUN_ID: runs.parent_id}
    return {"do": "open", "key": KEY, "tags": tags, "params": {"alpha": "0.5"}, "at": 1}


def _fails_once(call: Callable[..., Any], first: bool) -> Callable[..., Any]:
    """``call``, after which the answer is lost, the first time; before it, if ``first``."""
    calls: list[None] = []

    def failing(*words: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) > 1:
            return call(*words, **options)
        if not first:
            call(*words, **options)
        raise MlflowException("connection reset")

    return failing


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_run_is_made_once_whether_the_server_went_before_or_after_it_was_made(
    runs: SweepRuns, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Requests(runs)
    monkeypatch.setattr(
        requests._client, "create_run", _fails_once(requests._client.create_run, first)
    )
    records = deque([_open(runs)])
    with pytest.raises(MlflowException):
        requests.take(records)
    requests.take(records)
    (made,) = MlflowClient(runs.uri).search_runs([runs.experiment_id], "tags.key != ''")
    assert made.data.tags["key"] == KEY
    assert made.data.params == {"alpha": "0.5"}
