"""Speech out of packages of Debian: Dutch dialogues of two fish, English prompts of telephones.

Both are read below the folder in which the packages are unpacked: ``/``, where apt-get installs
them, or where ``dpkg-deb -x`` put them. Whatever cannot be used is left out and counted.

Fish Fillets NG (`fillets_nl`): ``sound/<level>/nl/<id>.ogg`` is what ``script/<level>/
*dialogs_nl.lua`` says of that id: ``dialogId("<id>", "<font>", "<English>")`` and, in the next
line, ``dialogStr("<Dutch>")``. All that is recorded is said by two speakers, the small fish and the
big one. What has digits is left out: they are said as words.

Asterisk (`asterisk_en`): a line ``<place>: <text>`` of core-sounds-en.txt.gz for each recording,
all of one speaker. What stands in brackets is a sound or a comment. Digits, ``*`` and ``#``, which
are said one by one, are written as they are said.
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from trainers.ctc.data.dataset import Utterances
from trainers.ctc.data.recordings import Notes, missing_soundfile
from trainers.ctc.data.transcripts import LOWER, cleaned, says_nothing
from trainers.ctc.data.utterances import Reading, Said, read_utterances
from trainers.data.errors import DataError
from trainers.data.files import VARIABLE, places

INSTALLED = "/"
FILLETS_RATE, ASTERISK_RATE = 22_050, 8000  # in Hz
FILLETS_FILES = "usr/share/games/fillets-ng"
ASTERISK_SOUNDS = "usr/share/asterisk/sounds/en_US_f_Allison"
ASTERISK_TEXTS = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
DIALOGUE = re.compile(
    r'^dialogId\("(?P<id>[^"]+)",[^\n]*\n\s*dialogStr\("(?P<text>(?:[^"\\]|\\.)*)"\)', re.MULTILINE
)
PROMPT = re.compile(r"(?P<place>[^:;\s]+):(?P<text>.*)")
BRACKETS = re.compile(r"\[[^]]*\]|\([^)]*\)")
AS_SAID = {
    "0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
    "7": "seven", "8": "eight", "9": "nine", "*": "star", "#": "pound",
}  # fmt: skip


class Packages(NamedTuple):
    """Packages of Debian: their ``names``, the folder of their ``own`` below the data sets of a
    machine, and ``places`` that there are once they are unpacked."""

    names: tuple[str, ...]
    own: str
    places: tuple[str, ...]

    def are_in(self, root: Path) -> bool:
        """Whether they are unpacked there."""
        return all((root / place).exists() for place in self.places)


FILLETS = Packages(
    ("fillets-ng-data", "fillets-ng-data-nl"),
    "fillets-ng",
    (f"{FILLETS_FILES}/script", f"{FILLETS_FILES}/sound/airplane/nl"),
)
ASTERISK = Packages(
    ("asterisk-core-sounds-en", "asterisk-core-sounds-en-wav"),
    "asterisk-core-sounds-en",
    (ASTERISK_SOUNDS, ASTERISK_TEXTS),
)


def fillets_nl(max_seconds: float, folder: str | None = None) -> Utterances:
    """The dialogues in the order of their files."""
    root = _root(FILLETS, folder) / FILLETS_FILES
    notes = Notes()
    how = Reading(FILLETS_RATE, max_seconds, padded=True, refuse=False)
    return read_utterances(root, list(_dialogues(root, notes)), how, notes)[0]


def missing_fillets(folder: str | None = None, **options: object) -> str | None:
    """What to install, or None if it is there."""
    return _missing(FILLETS, folder)


def asterisk_en(max_seconds: float, folder: str | None = None) -> Utterances:
    """The prompts in the order of their files."""
    root = _root(ASTERISK, folder)
    notes = Notes()
    how = Reading(ASTERISK_RATE, max_seconds, padded=True, refuse=False)
    said = list(_prompts(root / ASTERISK_SOUNDS, root / ASTERISK_TEXTS, notes))
    return read_utterances(root / ASTERISK_SOUNDS, said, how, notes)[0]


def missing_asterisk(folder: str | None = None, **options: object) -> str | None:
    """What to install, or None if it is there."""
    return _missing(ASTERISK, folder)


def _missing(packages: Packages, folder: str | None) -> str | None:
    roots = places(folder, packages.own, INSTALLED)
    if any(map(packages.are_in, roots)):
        return missing_soundfile()
    return (
        f"no {' and '.join(packages.places)} below {' or '.join(map(str, roots))}; apt-get install "
        f"{' '.join(packages.names)} brings them, or unpack these packages with dpkg-deb -x and "
        f"name the folder as data.folder or in the environment variable {VARIABLE}"
    )


def _root(packages: Packages, folder: str | None) -> Path:
    """Below which they are; DataError where they are nowhere."""
    if problem := _missing(packages, folder):
        raise DataError(problem)
    return next(filter(packages.are_in, places(folder, packages.own, INSTALLED)))


def _dialogues(root: Path, notes: Notes) -> Iterator[Said]:
    """What is said in the recordings below ``root``, in ascending order of these."""

    @cache
    def texts_of(level: str) -> Mapping[str, str]:
        scripts = sorted((root / "script" / level).glob("*dialogs_nl.lua"))
        return {id_: text for script in scripts for id_, text in _dialogues_of(script)}

    sounds = root / "sound"
    for file in sorted(sounds.rglob("nl/*.ogg")):
        place = file.relative_to(sounds)
        text = texts_of(place.parts[0]).get(file.stem)
        if text is not None and any(map(str.isdigit, text)):
            notes.add("left out {} with digits in the transcript", place.as_posix())
            continue
        yield from _said(place.as_posix(), file, text, notes)


def _dialogues_of(script: Path) -> Iterator[tuple[str, str]]:
    """Ids and what is said."""
    for found in DIALOGUE.finditer(_read_text(script)):
        yield found["id"], re.sub(r"\\(.)", r"\1", found["text"])


def _prompts(sounds: Path, written: Path, notes: Notes) -> Iterator[Said]:
    """What is said in the recordings below ``sounds``, in ascending order of these."""
    lines = _read_text(written).splitlines()
    texts = {found["place"]: found["text"] for line in lines if (found := PROMPT.fullmatch(line))}
    for file in sorted(sounds.rglob("*.wav")):
        place = file.relative_to(sounds)
        text = texts.get(place.with_suffix("").as_posix())
        if text is not None:
            bare = BRACKETS.sub(" ", text)
            text = "".join(f" {AS_SAID[c]} " if c in AS_SAID else c for c in bare)
        yield from _said(place.as_posix(), file, text, notes)


def _said(name: str, file: Path, text: str | None, notes: Notes) -> Iterator[Said]:
    """A recording whose transcript says something."""
    if text is None:
        notes.add("left out {} without a transcript", name)
        return
    (written,), _ = cleaned([text], LOWER)
    if says_nothing(written):
        notes.add("left out {} of sounds, in which nothing is said", name)
        return
    yield Said(name, file, written)


def _read_text(file: Path) -> str:
    try:
        packed = file.read_bytes()
        return (gzip.decompress(packed) if file.suffix == ".gz" else packed).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}; install its package again") from None
