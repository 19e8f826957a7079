import subprocess
import sys

import pytest

from trainers.loop import memory

PROGRAM = """
import os, sys
from trainers.loop.memory import keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

told = keep_freed_memory() if sys.argv[1] == "keep" else True
block = bytearray(b"x") * 100_000_000
del block
print(told, resident() > 90_000_000)
"""


def _run(argument: str) -> str:
    command = [sys.executable, "-c", PROGRAM, argument]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_process_keeps_what_it_frees_once_it_was_told() -> None:
    assert _run("leave") == "True False"
    assert _run("keep") in {"True True", "False False"}


def test_other_systems_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not memory.keep_freed_memory()
