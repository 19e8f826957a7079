"""Letters to phonemes: words of the CMU Pronouncing Dictionary, from the file that PocketSphinx
carries.

A line is a word and the phonemes of a way to say it, without stress. Words of three to eight of the
letters a to z are taken, by the first way that has at most eight phonemes.
"""

import re
from pathlib import Path

from trainers.data.errors import DataError
from trainers.data.files import holding, not_found, places
from trainers.data.sources import DebianPackage, Published, Wheel
from trainers.language.data.dataset import Lengths, SequenceDataset, of_texts
from trainers.language.data.vocabulary import Symbols

NAME, FOLDER, FILE = "cmudict", "cmudict", "cmudict-en-us.dict"
DEBIAN = "/usr/share/pocketsphinx/model/en-us"
WORD = re.compile(r"[a-z]{3,8}")
MOST_PHONEMES = 8
# What the published files say of some words, from their beginning to their end.
SAID = {"abbey": "AE B IY", "mother": "M AH DH ER", "zoology": "Z OW AA L AH JH IY"}
# Of the longest word, with what ends a prompt; of the longest response, with its end.
PROMPT, RESPONSE = 9, MOST_PHONEMES + 1
SPACE = " "
PUBLISHED = Published(
    folder=FOLDER,
    licence="BSD-2-Clause, Carnegie Mellon University",
    terms="http://www.speech.cs.cmu.edu/cgi-bin/cmudict",
    sources=(
        Wheel("pocketsphinx==5.1.1", {FILE: f"pocketsphinx/model/en-us/{FILE}"}),
        DebianPackage("pocketsphinx-en-us", {FILE: f"{DEBIAN}/{FILE}"}),
    ),
)


def cmudict(folder: str | None = None) -> SequenceDataset:
    """All of its words, in the order of the file; DataError where it is not there or another."""
    found = holding([FILE], places(folder, FOLDER, DEBIAN))
    if found is None:
        raise DataError(missing_cmudict(folder) or "")
    words = _words(found / FILE)
    for word, phonemes in SAID.items():
        if SPACE.join(words.get(word, ())) != phonemes:
            raise DataError(
                f"{found / FILE}: does not say {word!r} as {phonemes}, as the published one does; "
                "fetch it again"
            )
    said = [SPACE.join(phonemes) for phonemes in words.values()]
    symbols = Symbols.of(words, said, SPACE)
    return of_texts(NAME, list(words), said, symbols, Lengths(PROMPT, RESPONSE))


def missing_cmudict(folder: str | None = None) -> str | None:
    """What to fetch and where to put it, or None if it is there."""
    folders = places(folder, FOLDER, DEBIAN)
    return None if holding([FILE], folders) else not_found([FILE], folders, NAME)


def _words(file: Path) -> dict[str, list[str]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}; fetch it again") from None
    words: dict[str, list[str]] = {}
    for line in lines:
        word, _, rest = line.partition(SPACE)
        phonemes = rest.split()
        if WORD.fullmatch(word) and 1 <= len(phonemes) <= MOST_PHONEMES:
            words.setdefault(word, phonemes)
    return words
