"""What every result of a measurement says about where it was taken."""

import json
import os
import platform
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from sweep.version import code_version

LIBRARIES = ("ray", "optuna", "mlflow", "numpy", "pandas")
RESULTS = Path(__file__).resolve().parent / "results"


def described() -> dict[str, Any]:
    """The command, the code, the versions and the machine."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "command": " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "code_version": code_version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "versions": {name: version(name) for name in LIBRARIES if _installed(name)},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "processor": _processor(),
        "gpu": gpu,
    }


def options(doc: str | None) -> ArgumentParser:
    """The options of every benchmark."""
    parser = ArgumentParser(description=doc, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="small, to see that it runs; its figures mean nothing"
    )
    parser.add_argument("--out", type=Path, help="another directory for the result")
    return parser


def keep(given: Namespace, name: str, result: Mapping[str, Any]) -> None:
    """Write a result with the machine it was taken on; a quick one only where --out says."""
    if given.quick and not given.out:
        return
    path = (given.out or RESULTS) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**described(), **result}, indent=2) + "\n", encoding="utf-8")
    say(f"wrote {path}")


def keep_median(given: Namespace, name: str, results: Sequence[Mapping[str, Any]]) -> None:
    """Keep the one of an odd number of rounds whose ``ratio`` is the median, with all ratios."""
    ordered = sorted(results, key=lambda result: float(result["ratio"]))
    ratios = [result["ratio"] for result in ordered]
    keep(given, name, {**ordered[len(ordered) // 2], "ratios": ratios})


def say(line: str) -> None:
    """One line to the terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
