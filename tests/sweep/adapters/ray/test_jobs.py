"""What is sent to a cluster, and what is said where none answers."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from sweep.adapters.ray import jobs, own_code
from sweep.adapters.ray.jobs import Jobs
from sweep.adapters.ray.own_code import carry_own_code
from sweep.errors import BadInput
from tests.sweep.specs import small_spec

Answers = dict[str, tuple[int, str]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Answers]]:
    """A server's address, and what it answers to each path."""
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    answers: Answers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, text = answers.get(self.path, (404, "not found"))
            self.send_response(code)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    server.server_close()


def _version(number: str) -> tuple[int, str]:
    return 200, json.dumps({"version": "4", "ray_version": number, "ray_commit": "x"})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, "not found"), "404"),
        ((200, "<html>welcome</html>"), "is no dashboard of a Ray cluster"),
        ((200, "{}"), "is no dashboard of a Ray cluster"),
        ((500, "broken"), "500"),
        ((401, "Unauthorized: Missing authentication token"), "RAY_AUTH_TOKEN_PATH"),
        ((403, "Forbidden: Invalid authentication token"), "RAY_AUTH_TOKEN_PATH"),
        (_version("2.9.3"), r"runs Ray 2\.9\.3, and here is Ray .*ray\[default\]==2\.9\.3"),
    ],
)
def test_what_is_no_cluster_for_us_is_told_in_one_line(
    served: tuple[str, Answers], answer: tuple[int, str], message: str
) -> None:
    address, answers = served
    answers["/api/version"] = answer
    with pytest.raises(BadInput, match=message) as caught:
        Jobs(address)
    assert str(caught.value).startswith(f"--address {address}: ")
    assert "\n" not in str(caught.value)


def test_jobs_of_others_are_left_out_and_the_newest_comes_first(
    served: tuple[str, Answers],
) -> None:
    address, answers = served
    answers["/api/version"] = _version(ray.__version__)

    def job(name: str, start: int, status: str, metadata: dict[str, str]) -> dict[str, object]:
        return {"type": "SUBMISSION", "submission_id": name, "status": status, "entrypoint": "x",
                "start_time": start, "metadata": metadata}  # fmt: skip

    mine = {"almkd_sweep": "digits"}
    listed = [
        job("a", 1000, "FAILED", mine),
        job("b", 3000, "PENDING", mine),
        job("c", 2000, "RUNNING", {"almkd_sweep": "other"}),
        job("d", 9000, "RUNNING", {}),
    ]
    answers["/api/jobs/"] = 200, json.dumps(listed)
    jobs = Jobs(f"{address}/")
    assert [j.id for j in jobs.all()] == ["b", "c", "a"]
    newest = jobs.newest("digits")
    assert (newest.id, newest.state, newest.is_over) == ("b", "pending", False)
    assert str(newest) == "job b, pending since 1970-01-01 00:00:03 UTC"
    with pytest.raises(BadInput, match="nobody: no job of"):
        jobs.newest("nobody")


def test_own_code_is_carried_and_nothing_else(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for name in ("mine.py", "parts/block.py", "data.bin", ".env", ".git/hook.py",
                 "venv/lib/their.py", "parts/__pycache__/block.py"):  # fmt: skip
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / "venv" / "pyvenv.cfg").touch()
    carry_own_code(source, target)
    found = {str(p.relative_to(target)): p.read_text() for p in target.rglob("*") if p.is_file()}
    assert found == {"mine.py": "mine.py", "parts/block.py": "parts/block.py"}


def test_a_link_among_the_code_says_nothing_of_what_is_sent(tmp_path: Path) -> None:
    own, away = tmp_path / "own", tmp_path / "sent"
    own.mkdir()
    (tmp_path / "key").write_text("s3cret")
    (own / "mine.py").write_text("")
    (own / "again.py").symlink_to("mine.py")
    carry_own_code(own, away)
    assert sorted(path.name for path in away.iterdir()) == ["again.py", "mine.py"]
    (own / "notes.py").symlink_to("../key")
    with pytest.raises(BadInput, match=r"notes\.py: is a link to .*key, outside of"):
        carry_own_code(own, tmp_path / "other")
    assert "s3cret" not in [path.read_text() for path in (tmp_path / "other").iterdir()]


def test_what_a_job_is_sent_is_read_by_its_user_alone_and_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, job = tmp_path / "own", tmp_path / "job"
    (own / "below").mkdir(parents=True)
    (own / "below" / "mine.py").write_text("")
    (own / ".env").write_text("s3cret")
    job.mkdir()
    monkeypatch.chdir(own)
    for name in ("MLFLOW_TRACKING_PASSWORD", "ALMKD_OPTUNA_URL", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "s3cret")
    logits = tmp_path / "logits.npy"
    logits.write_bytes(b"1")
    spec = small_spec({"teacher": {"logits": str(logits)}})
    monkeypatch.setattr(jobs, "needs_code", lambda spec: True)
    words = jobs.written_into(job, spec, [])
    sent = {path.relative_to(job): path for path in job.rglob("*")}
    assert {path.suffix for path in sent} >= {".yaml", ".py", ".npy"}
    for path in sent.values():
        assert path.stat().st_mode & 0o077 == 0
        assert path.is_dir() or b"s3cret" not in path.read_bytes()
    assert "s3cret" not in " ".join(words)


@pytest.mark.parametrize("limit", [("MOST_BYTES", 10), ("MOST_FILES", 2)])
def test_more_code_than_anyone_writes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: tuple[str, int]
) -> None:
    monkeypatch.setattr(own_code, *limit)
    for name in "abc":
        (tmp_path / f"{name}.py").write_text("x = 1")
    with pytest.raises(BadInput, match="launch from a directory that holds your own code"):
        carry_own_code(tmp_path, tmp_path / "target")
