"""Small files of every kind that texts can be loaded from."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from tests.trainers.specimens import TABLES
from tests.trainers.text.cases import LENGTH, texts
from trainers.settings import Option
from trainers.text.data.corpora import NEWSGROUPS, R8, R52, Corpus

CORPORA: Mapping[str, Corpus] = {corpus.name: corpus for corpus in (NEWSGROUPS, R8, R52)}
# Parts of a collection that have texts of every class, where the smallest would not.
ENOUGH: Mapping[str, Option] = {R52.name: 150}


def options_for(name: str, folder: Path) -> dict[str, Option]:
    """What a data set is told so that it loads, with its files made in ``folder``."""
    if name in TABLES:
        written, labels = texts(60)
        TABLES[name](pd.DataFrame({"text": written, "label": labels}), folder / f"a.{name}")
        return {"path": str(folder / f"a.{name}"), "max_length": LENGTH}
    if name in CORPORA:
        write_corpus(folder, CORPORA[name])
        part = {"examples": ENOUGH[name]} if name in ENOUGH else {}
        return {"folder": str(folder), "max_length": LENGTH, "vocabulary": 50, **part}
    return {}


def write_corpus(folder: Path, corpus: Corpus) -> None:
    """Texts of two words, the second the class's own; as many as were published."""
    for file, count in zip(corpus.files, corpus.counts, strict=True):
        classes = [i % corpus.classes for i in range(count)]
        written = [f"w{i % 7} c{c}" for i, c in enumerate(classes)]
        write_part(folder / file, [f"class {c}" for c in classes], written)


def write_part(file: Path, labels: Iterable[str], written: Iterable[str]) -> None:
    """A part of a published collection, in Orange's layout."""
    lines = [f"{label}\t{text}" for label, text in zip(labels, written, strict=True)]
    head = ["Category\tText", "d\tstring", "class\t", ""]
    file.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
