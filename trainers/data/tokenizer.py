"""From texts to tokens, by the library ``tokenizers``.

N texts, S tokens of each at most, V tokens of the vocabulary. Places behind the end of a text hold
`PADDING`, which is no token.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class Encoded(NamedTuple):
    """``ids`` (N, S) int32; ``whole`` (N,): whether a text was not cut."""

    ids: NDArray[np.int32]
    whole: NDArray[np.bool_]


class Tokenizer:
    """What cuts texts into tokens, as the JSON of a tokenizer file says."""

    def __init__(self, json: str) -> None:
        """DataError where ``json`` is none, or the library is not there."""
        self.json = json
        from_text = _library().Tokenizer.from_str
        try:
            self._made = from_text(json)
        except Exception as error:  # noqa: BLE001 - the library raises Exception itself
            raise DataError(f"is no tokenizer of the library tokenizers: {error}") from None
        self._made.no_padding()

    @property
    def vocabulary(self) -> int:
        """V: one more than the largest number of a token."""
        return 1 + max(self.numbers_of_tokens.values())

    @property
    def numbers_of_tokens(self) -> dict[str, int]:
        """Those of all tokens."""
        found: dict[str, int] = self._made.get_vocab(with_added_tokens=True)
        return found

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
            for place, encoding in enumerate(self._made.encode_batch(chunk), start):
                found = encoding.ids[:length]
                ids[place, : len(found)] = found
                cut = len(texts[place]) > CHARACTERS * length
                whole[place] = not (encoding.overflowing or cut)
        return Encoded(ids, whole)

    def numbers(self, text: str) -> list[int]:
        """All tokens of a text, without those that mark its ends."""
        self._made.no_truncation()
        found: list[int] = self._made.encode(text, add_special_tokens=False).ids
        return found

    def number(self, token: str) -> int | None:
        """That of a token, if there is one."""
        found: int | None = self._made.token_to_id(token)
        return found

    def text(self, ids: Sequence[int]) -> str:
        """What numbers of tokens say."""
        found: str = self._made.decode(list(ids))
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
    try:
        return Tokenizer(text)
    except DataError as error:
        raise DataError(f"{file}: {error}") from None


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
