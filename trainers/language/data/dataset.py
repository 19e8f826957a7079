"""Prompts with a response each, in memory, as tokens.

N examples, P columns of the longest prompt, R of the longest response with its end, V tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trainers.data import dataset
from trainers.data.dataset import NOTHING_TOLD, DatasetInfo
from trainers.data.errors import DataError, counted
from trainers.data.given_splits import GivenSplits
from trainers.data.tokenizer import PADDING
from trainers.language.data.vocabulary import Vocabulary
from trainers.settings import DataSpec

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class SequenceDataset(dataset.Dataset):
    """``prompts`` (N, P) int32, `PADDING` before their beginning, so that all responses begin at
    the same column; ``responses`` (N, R) int32, `PADDING` behind their end.

    A response that was cut has no end. ``vocabulary``: what `Vocabulary.values` gives; ``size``: V;
    ``end``: the number of what ends a response, which is never padding.
    """

    prompts: Ids
    responses: Ids
    vocabulary: dict[str, Any]
    size: int
    end: int
    official_test: int = 0
    info: DatasetInfo = NOTHING_TOLD
    given_splits: GivenSplits | None = None

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def strata(self) -> NDArray[np.int64]:
        """Lengths of responses."""
        lengths: NDArray[np.int64] = (self.responses != PADDING).sum(1)
        return lengths

    @property
    def shape(self) -> tuple[int, ...]:
        return self.prompts.shape[1], self.responses.shape[1]

    def take(self, rows: NDArray[np.int64], official_test: int) -> Self:
        return replace(
            self, prompts=self.prompts[rows], responses=self.responses[rows],
            official_test=official_test, given_splits=None,
        )  # fmt: skip

    def with_splits(self, rows: GivenSplits) -> Self:
        return replace(self, given_splits=rows)

    def problem(self, spec: DataSpec) -> str | None:
        if problem := self._misfit():
            return problem
        wordless = np.flatnonzero((self.responses == PADDING).all(1))
        if len(wordless):
            return (
                f"{counted(len(wordless), 'response')} without a token, the first of them "
                f"{wordless[0]} (counted from 0); drop these"
            )
        if len(self) < 2:
            return f"{counted(len(self), 'example')}; at least two are needed"
        return None

    def _misfit(self) -> str | None:
        """Why it does not hold tokens, as code of the user's own may give them."""
        for name, ids in (("prompts", self.prompts), ("responses", self.responses)):
            if ids.dtype != np.int32 or ids.ndim != 2 or len(ids) != len(self.prompts):
                return (
                    f"its {name} are {ids.dtype} of the shape {ids.shape}; give numbers of tokens "
                    "as int32, an example per row"
                )
            if ids.size and not PADDING <= ids.min() <= ids.max() < self.size:
                return (
                    f"its {name} hold tokens from {ids.min()} to {ids.max()}; of {self.size} they "
                    f"are 0 to {self.size - 1}, and {PADDING} where there is none"
                )
        return None


@dataclass(frozen=True)
class Lengths:
    """How many tokens are read: of a prompt its last ``prompt``, of a response, its end among them,
    its first ``response``; None: as many as the longest has."""

    prompt: int | None = None
    response: int | None = None


def of_texts(
    where: object,
    prompts: Sequence[str],
    responses: Sequence[str],
    vocabulary: Vocabulary,
    lengths: Lengths = Lengths(),
    info: DatasetInfo = NOTHING_TOLD,
) -> SequenceDataset:
    """Texts (N,) as tokens; ``where``: what messages name. DataError where one is empty."""
    for what, texts in (("prompt", prompts), ("response", responses)):
        empty = [place for place, text in enumerate(texts) if not text.strip()]
        if empty:
            raise DataError(
                f"{where}: has no {what} in row {empty[0] + 1}"
                + (f" and {len(empty) - 1} more" if len(empty) > 1 else "")
                + "; fill or drop these"
            )
    asked = [vocabulary.prompt(text) for text in prompts]
    said = [[*vocabulary.response(text), vocabulary.end] for text in responses]
    longest_prompt = lengths.prompt or max(map(len, asked), default=1)
    longest_response = lengths.response or max(map(len, said), default=1)
    remarks = [
        f"{where}: {cut} of {counted(len(found), what)} are longer than {longest} tokens and are "
        f"cut; data.max_{what} says how many are read"
        for what, found, longest in (
            ("prompt", asked, longest_prompt), ("response", said, longest_response),
        )
        if (cut := sum(len(ids) > longest for ids in found))
    ]  # fmt: skip
    left = np.full((len(asked), longest_prompt), PADDING, np.int32)
    right = np.full((len(said), longest_response), PADDING, np.int32)
    for row, ids in enumerate(asked):
        kept = ids[-longest_prompt:]
        left[row, longest_prompt - len(kept) :] = kept
    for row, ids in enumerate(said):
        kept = ids[:longest_response]
        right[row, : len(kept)] = kept
    told = replace(info, remarks=(*info.remarks, *remarks))
    return SequenceDataset(
        left, right, vocabulary.values, vocabulary.size, vocabulary.end, info=told
    )
