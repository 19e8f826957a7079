"""Check the pins of constraints.txt against the known advisories, by pip-audit.

    make audit

Exit code 0: none of them is known. 1: an advisory was found, or it could not be checked, which is
no clean bill; the last line says which of the two.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PINS = Path(__file__).parents[1] / "constraints.txt"


def main() -> int:
    """Audit, and say in one last line what came out."""
    installed = _run("-m", "pip", "install", "--quiet", "pip-audit")
    if installed.returncode:
        return _not_checked("pip-audit could not be installed", installed.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        options = ["--no-deps", "--disable-pip", "--progress-spinner=off", "--timeout=10"]
        audited = _run(
            "-m", "pip_audit", "-r", str(PINS), *options, "--format=json", f"--output={report}"
        )  # fmt: skip
        # Written only once every pin was looked up.
        if not report.exists():
            return _not_checked("the database of advisories could not be read", audited.stderr)
        return tell(json.loads(report.read_text(encoding="utf-8")))


def tell(report: dict[str, Any]) -> int:
    """Say what pip-audit's report holds; the exit code."""
    pins = report["dependencies"]
    found = [(pin, advisory) for pin in pins for advisory in pin.get("vulns", ())]
    for pin, advisory in found:
        fixed = ", ".join(advisory["fix_versions"]) or "none yet"
        _say(f"{pin['name']} {pin['version']}: {advisory['id']}, fixed in {fixed}")
    if found:
        _say(f"FOUND: {len(found)} advisories; raise these pins (make constraints)")
        return 1
    # Every pin is of PyPI. One that is not known there was asked of something else, or not at all.
    skipped = [pin["skip_reason"] for pin in pins if "skip_reason" in pin]
    if skipped:
        return _not_checked(f"{len(skipped)} of {len(pins)} pins were not found", skipped[0])
    _say(f"nothing is known against the {len(pins)} pins")
    return 0


def _not_checked(why: str, said: str) -> int:
    lines = said.strip().splitlines()
    _say(f"NOT CHECKED: {why} ({lines[-1].strip() if lines else 'it gave no reason'})")
    return 1


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)


def _say(line: str) -> None:
    sys.stdout.write(f"almkd audit: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
