"""Vocabularies: what numbers of tokens stand for, and how prompts and responses become tokens.

V tokens. A vocabulary is kept as plain values, so that a student by itself has it, too.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainers.data.errors import DataError, listed
from trainers.data.tokenizer import PADDING, Tokenizer

# Of symbols: what ends a response, and what stands between a prompt and its response.
END, RESPONSE = "<end>", "<response>"


class Vocabulary(ABC):
    """What cuts prompts and responses into tokens.

    ``size``: V; ``end``: the number of the token that ends a response, which is one like any other
    to networks and losses. ``requirement``: what has to be installed for it.
    """

    size: int
    end: int
    requirement: str = "almkd"

    @abstractmethod
    def prompt(self, text: str) -> list[int]:
        """The tokens of a prompt, up to where its response begins."""

    @abstractmethod
    def response(self, text: str) -> list[int]:
        """Those of a response, without its end."""

    @abstractmethod
    def prompt_text(self, ids: Iterable[int]) -> str:
        """What a prompt says, padding left out."""

    @abstractmethod
    def text(self, ids: Iterable[int]) -> str:
        """What a response (its end or padding, and all behind it, left out) says."""

    @property
    @abstractmethod
    def values(self) -> dict[str, Any]:
        """All that `vocabulary_of` needs to make it again."""

    def until_end(self, ids: Iterable[int]) -> list[int]:
        """The tokens before the end of a response."""
        found: list[int] = []
        for token in ids:
            if token in (self.end, PADDING):
                break
            found.append(int(token))
        return found


@dataclass(frozen=True)
class Symbols(Vocabulary):
    """Single symbols. ``between``: what stands between two of a response, empty for characters;
    those of a prompt are characters."""

    symbols: tuple[str, ...]
    between: str = ""

    @staticmethod
    def of(
        prompts: Iterable[str], responses: Iterable[str], between: str = "", more: str = ""
    ) -> "Symbols":
        """Those that occur; ``more``: characters that may besides."""
        known = {*more}
        for prompt in prompts:
            known.update(prompt)
        for response in responses:
            known.update(_cut(response, between))
        return Symbols((END, RESPONSE, *sorted(known)), between)

    @property
    def size(self) -> int:  # type: ignore[override]
        return len(self.symbols)

    @property
    def end(self) -> int:  # type: ignore[override]
        return self.symbols.index(END)

    def prompt(self, text: str) -> list[int]:
        return [*self._numbers(text), self._beginning]

    def response(self, text: str) -> list[int]:
        return self._numbers(_cut(text, self.between))

    def prompt_text(self, ids: Iterable[int]) -> str:
        return "".join(self.symbols[i] for i in ids if i not in (PADDING, self._beginning))

    def text(self, ids: Iterable[int]) -> str:
        return self.between.join(self.symbols[i] for i in self.until_end(ids))

    @property
    def values(self) -> dict[str, Any]:
        return {"symbols": list(self.symbols), "between": self.between}

    @property
    def _beginning(self) -> int:
        """The number of what stands between a prompt and its response."""
        return self.symbols.index(RESPONSE)

    def _numbers(self, symbols: Iterable[str]) -> list[int]:
        known = {symbol: number for number, symbol in enumerate(self.symbols)}
        found = list(symbols)
        if unknown := [symbol for symbol in dict.fromkeys(found) if symbol not in known]:
            raise DataError(f"{listed(unknown[:5])} is not in the vocabulary of the training data")
        return [known[symbol] for symbol in found]


class Tokens(Vocabulary):
    """Those of a tokenizer.json; ``end_token``: the one that ends a response."""

    requirement = "almkd[text]"

    def __init__(self, json: str, end_token: str) -> None:
        """DataError where it has no such token."""
        self._tokenizer = Tokenizer(json)
        self._end_token = end_token
        number = self._tokenizer.number(end_token)
        if number is None:
            raise DataError(
                f"the tokenizer has no token {end_token!r}; name the one that ends a response as "
                "data.end_token"
            )
        self.end = number
        self.size = self._tokenizer.vocabulary

    @property
    def numbers_of_tokens(self) -> dict[str, int]:
        """Those of all tokens."""
        return self._tokenizer.numbers_of_tokens

    def prompt(self, text: str) -> list[int]:
        return self._tokenizer.numbers(text)

    def response(self, text: str) -> list[int]:
        return self._tokenizer.numbers(text)

    def prompt_text(self, ids: Iterable[int]) -> str:
        return self._tokenizer.text([int(i) for i in ids if i != PADDING])

    def text(self, ids: Iterable[int]) -> str:
        return self._tokenizer.text(self.until_end(ids))

    @property
    def values(self) -> dict[str, Any]:
        return {"tokenizer": self._tokenizer.json, "end_token": self._end_token}


def vocabulary_of(values: Mapping[str, Any]) -> Vocabulary:
    """The one that `Vocabulary.values` are of."""
    if "tokenizer" in values:
        return Tokens(values["tokenizer"], values["end_token"])
    return Symbols(tuple(values["symbols"]), values["between"])


def _cut(text: str, between: str) -> Sequence[str]:
    return text.split(between) if between else text
