"""What `make audit` says of a report, and that what was not checked is no clean bill."""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CLEAN = {"name": "a", "version": "1.0", "vulns": []}
BAD = {
    "name": "b",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": [], "description": "..."}],
}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI: c (3.0)"}


@pytest.fixture
def audit() -> ModuleType:
    path = Path(__file__).parents[1] / ".ci" / "audit.py"
    spec = importlib.util.spec_from_file_location("audit", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("pins", "code", "last"),
    [
        ([CLEAN, CLEAN], 0, "nothing is known against the 2 pins"),
        ([CLEAN, BAD], 1, "FOUND: 1 advisories"),
        ([UNKNOWN, BAD], 1, "FOUND: 1 advisories"),
        ([CLEAN, UNKNOWN], 1, "NOT CHECKED: 1 of 2 pins were not found (Dependency not found on"),
    ],
)
def test_the_last_line_says_what_came_out(
    audit: ModuleType,
    pins: list[dict[str, Any]],
    code: int,
    last: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert audit.tell({"dependencies": pins}) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(f"almkd audit: {last}")
    assert ("almkd audit: b 2.0: PYSEC-1, fixed in 2.1" in lines) == (BAD in pins)


@pytest.mark.parametrize(("fails_in", "why"), [("pip", "be installed"), ("pip_audit", "be read")])
def test_a_database_out_of_reach_is_told(
    audit: ModuleType,
    fails_in: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        failed = command[1] == fails_in
        return subprocess.CompletedProcess(command, int(failed), "", "a\nno route to host\n")

    monkeypatch.setattr(audit, "_run", run)
    assert audit.main() == 1
    said = capsys.readouterr().out
    assert said.startswith("almkd audit: NOT CHECKED: ")
    assert f"{why} (no route to host)" in said
