"""What the rehearsal prints: each step with its seconds, and what was found wrong."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Steps as they are taken; a wrong finding does not end the rehearsal, but it fails it."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.checks = 0
        self._began = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step; its line is printed when it is done."""
        began = time.monotonic()
        yield
        self.say(f"{time.monotonic() - began:6.1f} s  {title}")

    def check(self, holds: bool, expectation: str, found: object = "") -> None:
        """Note whether something holds; where it does not, what was found instead."""
        self.checks += 1
        if not holds:
            self.wrong.append(expectation)
            self.say(f"   WRONG  {expectation}" + (f": {found}" if str(found) else ""))

    def say(self, line: str) -> None:
        """A line, at once."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began
