"""Whether files are those that were published, or, where no digest is, those of the first fetch.

Recorded in ``SHA256SUMS`` beside the files, in the form that ``sha256sum --check`` reads.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from sweep.atomic_files import SUMS, replaced
from sweep.errors import BadInput


def check(name: str, file: Path, folder: Path, md5: Mapping[str, str]) -> None:
    """BadInput where ``file``, to be ``name`` in ``folder``, is another than the published one, or
    than the one that was there first."""
    if (expected := md5.get(name)) is not None:
        if (found := _digest(file, "md5")) != expected:
            raise BadInput(
                f"{name}: its MD5 is {found}, the published one {expected}; it is not kept, fetch "
                "it again or from elsewhere"
            )
        return
    known = _recorded(folder).get(name)
    if known is not None and (found := _digest(file, "sha256")) != known:
        raise BadInput(
            f"{name}: its SHA-256 is {found}, that of the first fetch was {known}; it is not kept. "
            f"If it may have changed, remove its line from {folder / SUMS}"
        )


def record(folder: Path, names: tuple[str, ...]) -> None:
    """Note the digests of these files of ``folder`` beside those that are noted."""
    sums = {**_recorded(folder), **{name: _digest(folder / name, "sha256") for name in names}}
    with replaced(folder / SUMS) as beside:
        text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
        beside.write_text(text, encoding="utf-8")


def _recorded(folder: Path) -> dict[str, str]:
    file = folder / SUMS
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    found = {}
    for line in lines:
        digest, _, name = line.partition("  ")
        found[name] = digest
    return found


def _digest(file: Path, algorithm: str) -> str:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return digest.hexdigest()
