"""A data set in memory: what every task's has in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainers.data.standard import Standard

if TYPE_CHECKING:
    from trainers.data.given_splits import GivenSplits
    from trainers.settings import DataSpec


@dataclass(frozen=True)
class DatasetInfo:
    """What its reader says of a data set beside the examples; no part of its fingerprint.

    ``remarks``: sentences on what was not taken as it stands, such as files that were skipped.
    ``class_names``: what the classes are called, by number; ``feature_names``: the columns of a
    table, in the order of the inputs. Both are empty where there are no names. ``standard``: by
    which raw inputs became those that the data set has; None where they are raw.
    """

    remarks: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    standard: Standard | None = None


NOTHING_TOLD = DatasetInfo()


class Dataset(ABC):
    """N examples; what an example is, is its task's matter.

    ``official_test``: how many examples, the last ones, form the test part as published; 0 where
    there is none. ``given_splits``: the rows of each split where the user names them.
    ``info``: what is to be told of them. Its fields, or attributes, are what
    `trainers.data.fingerprint` looks at, ``info`` aside.
    """

    official_test: int
    given_splits: "GivenSplits | None" = None
    info: DatasetInfo = NOTHING_TOLD

    @abstractmethod
    def __len__(self) -> int:
        """N."""

    @property
    @abstractmethod
    def strata(self) -> NDArray[np.int64]:
        """What every split holds in the same shares, (N,): classes, where there are any."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one input, as networks are told it."""

    @abstractmethod
    def take(self, rows: NDArray[np.int64], official_test: int) -> "Dataset":
        """The examples at ``rows``, of which the last ``official_test`` are the official test
        part."""

    def problem(self, spec: "DataSpec") -> str | None:
        """Why no student could be trained on this as ``spec`` says, or None."""
        return None

    def with_splits(self, rows: "GivenSplits") -> "Dataset":
        """The same with splits of the user's own; of tasks that take them (`TaskEntry`)."""
        raise NotImplementedError

    def with_noise_options(self, spec: "DataSpec") -> "Dataset":
        """With whatever the options of the noise name, such as labels of a file.

        DataError if that cannot be used.
        """
        return self
