"""From texts to tokens, by the library ``tokenizers``.

N texts, S tokens of each at most, V tokens of the vocabulary. Places behind the end of a text hold
`PADDING`, which is no token.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError

# The file of one, as Hugging Face calls it.
TOKENIZER = "tokenizer.json"
PADDING = -1
# Of a vocabulary of whole words: what stands for all others.
UNKNOWN = "[UNK]"
# A word of which there are fewer is among the others.
FEWEST = 2
# Texts are cut to so many characters for each token that is kept before they are read: a book in
# one field would take seconds, and all but its beginning be thrown away.
CHARACTERS = 24
# Words are counted in so many characters of a text, from its beginning.
COUNTED = 24_000
# How many texts are read at once.
AT_ONCE = 1000
REMEDY = "install almkd[text]"
CUTS_NOT = "cannot cut texts into tokens"
# What the library's panics are called, whose class it does not give a name to import.
PANIC = "PanicException"
# How many numbers there may be for each token.
SPARSEST = 10

T = TypeVar("T")


class Encoded(NamedTuple):
    """``ids`` (N, S) int32; ``whole`` (N,): whether a text was not cut."""

    ids: NDArray[np.int32]
    whole: NDArray[np.bool_]


class Tokenizer:
    """What cuts texts into tokens, as the JSON of a tokenizer file says."""

    def __init__(self, json: str, where: str = "the tokenizer") -> None:
        """DataError, beginning with ``where`` it is, where ``json`` is none that can be used, or
        the library is not there."""
        self.json, self._where = json, where
        from_text = _library().Tokenizer.from_str
        self._made = self._answer(
            lambda: from_text(json), "is no tokenizer of the library tokenizers"
        )
        self._made.no_padding()
        self._numbers: dict[str, int] = self._made.get_vocab(with_added_tokens=True)
        if not self._numbers:
            raise DataError(f"{where}: has no token; name a tokenizer.json that has some")
        self._vocabulary: int = 1 + max(self._numbers.values())
        if self._vocabulary > SPARSEST * len(self._numbers):
            raise DataError(
                f"{where}: has {len(self._numbers)} tokens and numbers up to "
                f"{self._vocabulary - 1}, for each of which networks would hold a row; number its "
                "tokens one after the other"
            )

    def _answer(self, ask: Callable[[], T], problem: str) -> T:
        """What the library says; DataError where it cannot."""
        try:
            return ask()
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != PANIC:
                raise
            raise DataError(
                f"{self._where}: {problem}: {error}; name another tokenizer.json"
            ) from None

    def _known(self, ids: list[int]) -> list[int]:
        """Numbers of tokens; DataError where one is of none."""
        if ids and max(ids) >= self._vocabulary:
            raise DataError(
                f"{self._where}: cuts texts into tokens of numbers up to {max(ids)}, and has none "
                f"above {self._vocabulary - 1}; name another tokenizer.json"
            )
        return ids

    @property
    def vocabulary(self) -> int:
        """V: one more than the largest number of a token."""
        return self._vocabulary

    @property
    def numbers_of_tokens(self) -> dict[str, int]:
        """Those of all tokens."""
        return self._numbers

    @property
    def unknown(self) -> int | None:
        """The number of the token that stands for all that is not in the vocabulary, if any."""
        return self.number(UNKNOWN)

    def encode(self, texts: Sequence[str], length: int) -> Encoded:
        """Every text's first ``length`` tokens, with those that mark its ends where there are
        such."""
        self._made.enable_truncation(length)
        ids = np.full((len(texts), length), PADDING, np.int32)
        whole = np.ones(len(texts), np.bool_)
        for start in range(0, len(texts), AT_ONCE):
            chunk = [text[: CHARACTERS * length] for text in texts[start : start + AT_ONCE]]
            # One alone first: in a batch every thread would tell of the same panic.
            self._answer(partial(self._made.encode, chunk[0]), CUTS_NOT)
            encodings: list[Any] = self._answer(partial(self._made.encode_batch, chunk), CUTS_NOT)
            for place, encoding in enumerate(encodings, start):
                found = self._known(encoding.ids[:length])
                ids[place, : len(found)] = found
                cut = len(texts[place]) > CHARACTERS * length
                whole[place] = not (encoding.overflowing or cut)
        return Encoded(ids, whole)

    def numbers(self, text: str) -> list[int]:
        """All tokens of a text, without those that mark its ends."""
        self._made.no_truncation()
        encoded: Any = self._answer(
            lambda: self._made.encode(text, add_special_tokens=False), CUTS_NOT
        )
        return self._known(encoded.ids)

    def number(self, token: str) -> int | None:
        """That of a token, if there is one."""
        found: int | None = self._made.token_to_id(token)
        return found

    def text(self, ids: Sequence[int]) -> str:
        """What numbers of tokens say."""
        found: str = self._answer(
            lambda: self._made.decode(list(ids)), "cannot make a text of tokens"
        )
        return found

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """What these numbers stand for."""
        return [self._made.id_to_token(i) or UNKNOWN for i in ids if i != PADDING]


def read_tokenizer(file: Path) -> Tokenizer:
    """A tokenizer.json as Hugging Face writes it; DataError where it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}; name a tokenizer.json") from None
    return Tokenizer(text, str(file))


def whole_words(texts: Sequence[str], size: int) -> Tokenizer:
    """One whose tokens are the ``size`` words, marks and numbers that ``texts`` hold most often, in
    lower case; all others are one token. Of those that come equally often the first in the alphabet
    counts."""
    library = _library()
    kinds = library.normalizers
    normalizer = kinds.Sequence([kinds.NFKC(), kinds.Lowercase()])
    cutter = library.pre_tokenizers.Whitespace()
    counts: Counter[str] = Counter()
    for text in texts:
        words = cutter.pre_tokenize_str(normalizer.normalize_str(text[:COUNTED]))
        counts.update(word for word, _ in words)
    known = [(-count, word) for word, count in counts.items() if count >= FEWEST]
    kept = [UNKNOWN, *(word for _, word in sorted(known)[: size - 1] if word != UNKNOWN)]
    made = library.Tokenizer(
        library.models.WordLevel(
            {word: number for number, word in enumerate(kept)}, unk_token=UNKNOWN
        )
    )
    made.normalizer, made.pre_tokenizer = normalizer, cutter
    return Tokenizer(made.to_str())


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise DataError(f"texts are read by the library tokenizers; {REMEDY}") from None
    return tokenizers
