"""Transcripts as what a student is to write: which of their characters are kept."""

import unicodedata
from collections.abc import Sequence

from trainers.ctc.data.dataset import SPACE
from trainers.data.errors import listed

# The values of ``letters``.
LOWER, AS_THEY_ARE = "lower", "as_they_are"
APOSTROPHE = "'"
# Others that mean one; quotes on the left do in the middle of a word.
APOSTROPHES = dict.fromkeys(map(ord, "\u2019\u2018\u02bc\u00b4`"), APOSTROPHE)
# Of Unicode: letters, marks upon them, and digits.
KEPT = ("L", "M", "Nd")
# What says how others are drawn, as soft hyphens and joiners.
UNSEEN = "Cf"


def cleaned(texts: Sequence[str], letters: str) -> tuple[list[str], list[str]]:
    """Texts as ``letters`` says, and the characters that were dropped from them.

    `LOWER`: lower-case letters, digits, apostrophes and single spaces, in Unicode's form NFC; any
    other character stands for a space. `AS_THEY_ARE`: but for blanks around them.
    """
    if letters == AS_THEY_ARE:
        return [text.strip() for text in texts], []
    lower = [_lower(text) for text in texts]
    dropped = {c for text in lower for c in text if not (_is_kept(c) or c.isspace())}
    return [_kept(text) for text in lower], sorted(dropped)


def says_nothing(text: str) -> bool:
    """Whether there is neither letter nor digit, nor another character that is to be written."""
    return not text.strip(SPACE + APOSTROPHE)


def told_of(dropped: Sequence[str]) -> list[str]:
    """A sentence on characters that were dropped; none where none were."""
    if not dropped:
        return []
    named = listed([c if c.isprintable() else f"U+{ord(c):04X}" for c in dropped])
    return [
        f"dropped from the transcripts: {named}; data.letters: {AS_THEY_ARE} keeps all characters"
    ]


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", text.translate(APOSTROPHES).lower())


def _is_kept(character: str) -> bool:
    return character == APOSTROPHE or unicodedata.category(character).startswith(KEPT)


def _kept(text: str) -> str:
    seen = "".join(c for c in text if unicodedata.category(c) != UNSEEN)
    return SPACE.join("".join(c if _is_kept(c) else SPACE for c in seen).split())
