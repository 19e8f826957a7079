"""Names that can be written: into tables, stores and onto a terminal."""

from collections.abc import Iterable

from trainers.data.errors import DataError

# What is half a character where it stands alone: of UTF-16, or a byte of a file's name that is no
# text in UTF-8, as Python has it.
SURROGATES = ("\ud800", "\udfff")
NUL = "\0"


def refuse_unwritable(where: object, what: str, names: Iterable[str]) -> None:
    """DataError where a name holds what no file of text takes; ``what`` it names, in ``where``."""
    for name in names:
        if NUL in name or any(SURROGATES[0] <= character <= SURROGATES[1] for character in name):
            held = "a byte of zero" if NUL in name else "half a character (a lone surrogate)"
            raise DataError(
                f"{where}: the name {name[:40]!a} of {what} holds {held}, which cannot be "
                "written as text; give it another"
            )
