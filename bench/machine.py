"""What every result of a measurement says about where it was taken."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sweep.version import code_version

RESULTS = Path(__file__).resolve().parent / "results"


def described() -> dict[str, Any]:
    """The command, the code, the versions and the machine."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "command": " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "code_version": code_version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "processor": _processor(),
        "gpu": gpu,
    }


def write(name: str, result: Mapping[str, Any], directory: Path | None = None) -> Path:
    """Keep a result with the machine that it was taken on; says where."""
    path = (directory or RESULTS) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**described(), **result}, indent=2) + "\n", encoding="utf-8")
    say(f"wrote {path}")
    return path


def say(line: str) -> None:
    """One line to the terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
