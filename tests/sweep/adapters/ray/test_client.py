"""What is said where Ray Client cannot be used, and what a launch on the head tells its client."""

import signal
import sys
from collections.abc import Callable

import pytest

from sweep.adapters.ray import client, supervised_launch
from sweep.adapters.ray.client import attend
from sweep.adapters.ray.supervised_launch import SupervisedLaunch
from sweep.errors import BadInput, SweepFailed
from tests.sweep.specs import small_spec

ADDRESS = "ray://127.0.0.1:1"
# As Ray words it.
MISMATCH = """Version mismatch: The cluster was started with:
    Ray: 2.9.3
    Python: 3.12.1
This process on Ray Client was started with:
    Ray: 2.60.0
    Python: 3.11.7
"""


def _attend_where(monkeypatch: pytest.MonkeyPatch, init: Callable[..., None]) -> None:
    """Launch where a Ray Client answers, with a stand-in for Ray's own connecting."""
    monkeypatch.setattr(client, "_check_answers", lambda address: None)
    monkeypatch.setattr(client.ray, "init", init)
    attend(ADDRESS, small_spec(), options=(), show=lambda printed: None)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError(MISMATCH), "Ray: 2.9.3 Python: 3.12.1 This process .*; install Ray and Pyth"),
        (ConnectionError("ray client connection timeout"), "ray client connection timeout"),
        (ConnectionAbortedError("Traceback:\n  x\nOSError: no room\n"), "OSError: no room"),
    ],
)
def test_why_ray_does_not_connect_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def init(*_: object, **__: object) -> None:
        raise error

    with pytest.raises(BadInput, match=message) as caught:
        _attend_where(monkeypatch, init)
    assert str(caught.value).startswith(f"--address {ADDRESS}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("failures", [0, 3, 4])
def test_a_head_whose_server_crashes_at_its_start_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    asked: list[int] = []

    def init(*_: object, **__: object) -> None:
        asked.append(len(asked))
        if len(asked) <= failures:
            raise ConnectionAbortedError("RuntimeError: Starting Ray client server failed.")

    def started(address: str, words: list[str]) -> None:
        raise ConnectionError("got there")

    monkeypatch.setattr(client, "_started", started)
    ends = (SweepFailed, "got there") if failures < 4 else (BadInput, "Starting Ray client server")
    with pytest.raises(ends[0], match=ends[1]):
        _attend_where(monkeypatch, init)
    assert len(asked) == min(failures + 1, 4)


def test_sigterm_while_ray_connects_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        _attend_where(monkeypatch, lambda *_, **__: sys.exit(15))


def test_sigterm_is_an_interruption_again_once_ray_has_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def init(*_: object, **__: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))

    monkeypatch.setattr(client.ray, "init", init)
    before = signal.getsignal(signal.SIGTERM)
    with client._connected(ADDRESS, "."):
        after = signal.signal(signal.SIGTERM, before)
    assert after == before


def test_a_connection_that_is_lost_fails_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(address: str, words: list[str]) -> None:
        raise ConnectionError("Client is shutting down.")

    monkeypatch.setattr(client, "_started", lost)
    with pytest.raises(SweepFailed, match=r"was lost \(Client is shutting down\.\)"):
        _attend_where(monkeypatch, lambda *_, **__: None)


def test_all_that_a_launch_prints_is_read_before_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervised_launch, "_variables_of_a_job", dict)
    monkeypatch.setattr(supervised_launch, "MOST_BYTES", 3)
    launch = SupervisedLaunch(
        [sys.executable, "-c", "import sys; print('12345'); sys.stderr.write('ab'); sys.exit(1)"]
    )
    out, err, code = b"", b"", None
    while code is None:
        (more, more_err), code = launch.read((len(out), len(err)))
        assert len(more) <= 3
        out, err = out + more, err + more_err
    assert (out, err, code) == (b"12345\n", b"ab", 1)
    launch.stop()
    assert launch.read((0, 0)) == ((b"123", b"ab"), None)
    assert launch.read((6, 2)) == ((b"", b""), 1)
