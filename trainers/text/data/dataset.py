"""Sentences, or longer texts, with one class each, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainers.classes.dataset import Check, ClassDataset
from trainers.classes.labels import Classes
from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError, counted
from trainers.data.tokenizer import PADDING, TOKENIZER, Tokenizer, read_tokenizer, whole_words
from trainers.settings import DataSpec
from trainers.text.data.pretrained import Given, Pretrained


@dataclass(frozen=True)
class TextDataset(ClassDataset):
    """N texts: ``inputs`` (N, S) int32, the numbers of their tokens, `PADDING` behind their ends.

    ``tokenizer``: the JSON of what made tokens of them; ``vocabulary``: how many there are.
    ``given``: the network that its tokenizer is of, if any.
    """

    inputs: NDArray[np.int32]
    tokenizer: str = ""
    vocabulary: int = 0
    given: Given | None = None

    def checks(self) -> Sequence[Check]:
        return (self._misfit, *super().checks())

    def _misfit(self, spec: DataSpec) -> str | None:
        """Why its inputs are not tokens, as code of the user's own may give them."""
        if self.inputs.dtype != np.int32 or self.inputs.ndim != 2:
            return (
                f"its inputs are {self.inputs.dtype} of the shape {self.inputs.shape}; give "
                "numbers of tokens as int32, a text per row"
            )
        if len(self.inputs) and not PADDING <= self.inputs.min() <= self.inputs.max() < (
            self.vocabulary
        ):
            return (
                f"its tokens go from {self.inputs.min()} to {self.inputs.max()}; of a vocabulary "
                f"of {self.vocabulary} they are 0 to {self.vocabulary - 1}, and {PADDING} behind "
                "the end of a text"
            )
        wordless = np.flatnonzero((self.inputs == PADDING).all(axis=1))
        if len(wordless):
            return (
                f"{counted(len(wordless), 'text')} without a token, the first of them "
                f"{wordless[0]} (counted from 0); drop these"
            )
        return None


@dataclass(frozen=True)
class Reading:
    """How texts become tokens, as options of a data set have it.

    ``max_length``: S. ``vocabulary``: how many words are known where ``pretrained``, a folder with
    a tokenizer, is not given.
    """

    max_length: int
    vocabulary: int
    pretrained: str = ""

    def dataset(
        self, where: object, texts: Sequence[str], classes: Classes, tests: int = 0,
        column: str = "text",
    ) -> TextDataset:  # fmt: skip
        """Texts (N,), the last ``tests`` of them the official test part, as tokens.

        ``column``: what they are called in tables. Words are counted outside the test part alone.
        DataError, which names ``where``, if a text is empty.
        """
        _refuse_empty(where, texts)
        pretrained = Pretrained.at(self.pretrained) if self.pretrained else None
        tokenizer = self._tokenizer(texts[: len(texts) - tests], pretrained)
        ids, whole = tokenizer.encode(texts, self.max_length)
        remarks = [*classes.remarks, *self._remarks(where, ids, whole, tokenizer)]
        return TextDataset(
            ids, classes.labels, len(classes.names), tests,
            info=DatasetInfo(tuple(remarks), classes.names, (column,)),
            tokenizer=tokenizer.json, vocabulary=tokenizer.vocabulary,
            given=pretrained.given(self.pretrained) if pretrained else None,
        )  # fmt: skip

    def _tokenizer(self, texts: Sequence[str], pretrained: Pretrained | None) -> Tokenizer:
        if pretrained is None:
            return whole_words(texts, self.vocabulary)
        if self.max_length > pretrained.positions:
            raise DataError(
                f"data.max_length: {self.max_length} tokens are asked for, and the network of "
                f"{self.pretrained} takes {pretrained.positions}; lower it"
            )
        found = read_tokenizer(pretrained.folder / TOKENIZER)
        if found.vocabulary > (words := pretrained.sizes["vocabulary"]):
            raise DataError(
                f"{pretrained.folder}: its tokenizer knows {found.vocabulary} tokens, its network "
                f"{words}; name a folder whose files belong together"
            )
        return found

    def _remarks(
        self,
        where: object,
        ids: NDArray[np.int32],
        whole: NDArray[np.bool_],
        tokenizer: Tokenizer,
    ) -> list[str]:
        remarks = []
        if cut := len(whole) - int(whole.sum()):
            remarks.append(
                f"{where}: {cut} of {counted(len(whole), 'text')} are longer than "
                f"{self.max_length} tokens and end there; data.max_length says how many are read"
            )
        unknown = tokenizer.unknown
        tokens = int((ids != PADDING).sum())
        if unknown is not None and 2 * (strange := int((ids == unknown).sum())) > tokens:
            remarks.append(
                f"{where}: {100 * strange / tokens:.0f} % of its tokens are not in the vocabulary "
                f"of {tokenizer.vocabulary}; raise data.vocabulary, or name a network of that "
                "language as data.pretrained"
            )
        return remarks


def _refuse_empty(where: object, texts: Sequence[str]) -> None:
    empty = [place for place, text in enumerate(texts) if not text.strip()]
    if not empty:
        return
    rows = f"row {empty[0] + 1}"
    if len(empty) > 1:
        rows = f"{counted(len(empty), 'row')}, the first of them {empty[0] + 1}"
    raise DataError(f"{where}: has no text in {rows}; fill or drop these")
