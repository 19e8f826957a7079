"""A file from an address, taken up again where it broke off."""

import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple

from sweep.errors import BadInput

# The bytes that are there, and those of the whole, where the server tells.
Progress = Callable[[int, int | None], None]
CHUNK = 1 << 16
# Breaks in a row, without a byte between them, after which it is given up.
ATTEMPTS = 3
TIMEOUT_S = 30
PARTIAL, WHOLE, NOT_SATISFIABLE = 206, 200, 416


class _Part(NamedTuple):
    """What is there of a file, and beside it the server's name for this version of it."""

    content: Path
    validator: Path

    @property
    def size(self) -> int:
        return self.content.stat().st_size if self.content.exists() else 0

    def version(self) -> str:
        """Empty where the server gave none, so that nothing can be taken up."""
        return self.validator.read_text(encoding="utf-8") if self.validator.exists() else ""

    def drop(self) -> None:
        self.content.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)


def download(address: str, place: Path, progress: Progress) -> None:
    """Bring what is at ``address`` to ``place``; BadInput where it cannot be had.

    What is there already stays beside it, ``.NAME.part``, for the next try.
    """
    part = _Part(*(place.with_name(f".{place.name}.{end}") for end in ("part", "version")))
    failures, why = 0, ""
    while failures < ATTEMPTS:
        before = part.size
        try:
            if _receive(address, part, progress):
                part.content.replace(place)
                part.drop()
                return
            why = "it broke off"
        except urllib.error.HTTPError as error:
            if error.code != NOT_SATISFIABLE:
                raise BadInput(_given_up(address, f"{error.code} {error.reason}")) from None
            part.drop()
            why = "it is shorter than what was there"
        except (OSError, HTTPException) as error:
            why = str(getattr(error, "reason", error)) or type(error).__name__
        failures = 0 if part.size > before else failures + 1
    raise BadInput(_given_up(address, why))


def _receive(address: str, part: _Part, progress: Progress) -> bool:
    """Whether all of it is there; it goes on from what is, if the server's version is the same."""
    request = urllib.request.Request(address, headers={"User-Agent": "almkd"})
    if part.size and (version := part.version()):
        request.add_header("Range", f"bytes={part.size}-")
        request.add_header("If-Range", version)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        goes_on = answer.status == PARTIAL and _start(answer) == part.size
        if answer.status == PARTIAL and not goes_on:
            part.drop()
            return False
        have = part.size if goes_on else 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        if not goes_on:
            part.validator.write_text(_version(answer), encoding="utf-8")
        with part.content.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                progress(have, total)
    return total is None or have == total


def _version(answer: HTTPResponse) -> str:
    """What tells this content from another under its address: a strong ETag, or a date."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def _start(answer: HTTPResponse) -> int | None:
    """The first byte of a part, as its ``Content-Range: bytes 5-9/10`` says."""
    words = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")
    return int(words[0]) if words[0].isdigit() else None


def _given_up(address: str, why: str) -> str:
    return (
        f"{address}: cannot be fetched: {why}; the same command goes on from what is there, or "
        "bring the file another way and name it with --from"
    )
