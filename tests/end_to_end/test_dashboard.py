"""The pages of MLflow on which a reader of the report lands, in a browser."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from sweep.compare.answer import answer
from sweep.compare.figures.saver import FigureSaver
from sweep.places import Places, open_store
from sweep.results import Shown, compare
from tests.end_to_end.stage import launched_in_process
from tests.sweep.compare.browser import Visit, browser, visit
from tests.sweep.specs import small_spec

# Milliseconds of a page's own clock in which it asks the server for all it shows.
SETTLED = 20_000
CHANGES = {
    "name": "dashboard",
    "conditions.noise_rate": [0.4],
    "methods": [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}],
    "search.trials": 3,
    "confirm.seeds": 2,
}


@dataclass(frozen=True)
class Served:
    """A finished sweep and the address of the dashboard over it."""

    shown: Shown
    address: str
    experiment: str
    parent: str

    def page(self, path: str, width: int, directory: Path) -> Visit:
        """A page of the dashboard, opened by a browser that is new to it."""
        return visit(f"{self.address}/#/{path}", (width, 1000), directory, SETTLED)


@pytest.fixture(scope="module")
def served(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if browser() is None:
        pytest.skip("no Chromium to look with: apt-get install chromium")
    places = Places(tmp_path_factory.mktemp("dashboard"))
    (places.runs_dir / "mlflow.db").write_bytes(empty_store.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        launched_in_process(small_spec(CHANGES), places, patch)
    store = open_store(places)
    shown = compare("dashboard", places, store, FigureSaver())
    origin = store.origin("dashboard")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from sweep.cli import main; main()", "ui"]
    process = subprocess.Popen(
        [*command, "--runs-dir", str(places.runs_dir), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}", process)
        experiment = origin.dashboard.rpartition("/")[2]
        yield Served(shown, f"http://127.0.0.1:{port}", experiment, origin.parent_id)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline, "the dashboard does not answer"
        with suppress(OSError), urlopen(f"{address}/health", timeout=5) as reply:
            if reply.status == 200:
                return
        time.sleep(0.1)


def test_links_of_the_report_lead_to_the_runs(served: Served, tmp_path: Path) -> None:
    page = served.shown.report.read_text(encoding="utf-8")
    runs = f"experiments/{served.experiment}/runs?workflowType=machine_learning"
    assert f"/#/{runs}" in page
    seen = served.page(runs, 1400, tmp_path)
    assert f"/runs/{served.parent}" in seen.document
    assert "Traces</h" not in seen.document
    assert not [line for line in seen.console if "error" in line.lower()]


def test_parent_run_tells_the_answer_and_has_the_report(served: Served, tmp_path: Path) -> None:
    page = served.shown.report.read_text(encoding="utf-8")
    parent = f"experiments/{served.experiment}/runs/{served.parent}"
    assert f"/#/{parent}?workflowType=machine_learning" in page
    seen = served.page(f"{parent}?workflowType=machine_learning", 600, tmp_path / "parent")
    question = answer(served.shown.table, served.shown.record)[0]
    assert question.partition("?")[0] in seen.document
    assert not [line for line in seen.console if "error" in line.lower()]
    files = served.page(f"{parent}/artifacts/results/report.html", 1400, tmp_path / "files")
    assert "report.html" in files.document
    assert "<iframe" in files.document
