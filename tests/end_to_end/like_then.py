"""Whether numbers that were kept can be had again to the last digit: by the same torch, on a
processor whose products are the same."""

import json
import platform
from pathlib import Path

import torch


def is_like_then(file: Path) -> bool:
    """Whether this machine is as the one that ``file`` describes."""
    return this_machine() == json.loads(file.read_text(encoding="utf-8"))


def this_machine() -> dict[str, str]:
    """What decides the last bits of a product."""
    return {
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": _processor(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = info.read_text(encoding="utf-8").splitlines()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
