"""DATASETS: every data set of the task, in one table. Free of torch."""

from collections.abc import Mapping

from trainers.entries import DatasetEntry
from trainers.fields import Field
from trainers.language.data.addition import SYMBOLS, addition, longest
from trainers.language.data.cmudict import (
    PROMPT,
    PUBLISHED,
    RESPONSE,
    cmudict,
    missing_cmudict,
)
from trainers.language.data.tables import jsonl, missing_parts

TASK = "language"
FOLDER = Field(
    "folder", "path", None, "where its file is; by default $ALMKD_DATA and the usual places",
    "own", example="~/data",
)  # fmt: skip


def _counts_of_sums(digits: int, sums: int) -> tuple[int, int]:
    return sums, longest(digits)[1] * (len(SYMBOLS) + 2)


# Words that come through; symbols: the end, what stands between, 26 letters, 39 phonemes.
WORDS, OF_WORDS = 84_093, 67

DATASETS: Mapping[str, DatasetEntry] = {
    "cmudict": DatasetEntry(
        cmudict,
        "84,093 English words of three to eight letters and their phonemes, at most eight",
        "CMU Pronouncing Dictionary, the file of PocketSphinx",
        TASK,
        fields=(FOLDER,),
        missing=missing_cmudict,
        published=PUBLISHED,
        shape=lambda **options: (PROMPT, RESPONSE),
        counts=lambda **options: (WORDS, RESPONSE * OF_WORDS),
    ),
    "addition": DatasetEntry(
        addition,
        "made-up sums of two whole numbers, the digits of the response from the last to the first",
        "own",
        TASK,
        fields=(
            Field("digits", "int", 2, "of each number at most", "own", unit="digits", low=1,
                  high=6),
            Field("sums", "int", 4000, "how many different ones", "own", unit="examples", low=10),
        ),
        shape=lambda digits, sums: longest(digits),
        counts=_counts_of_sums,
        may_change=lambda **options: False,
    ),
    "jsonl": DatasetEntry(
        jsonl,
        "JSON Lines with a prompt and a response an object; tokens are characters, or those of a "
        "tokenizer.json",
        "the user's",
        TASK,
        split_column=True,
        fields=(
            Field("path", "path", None, "the file", "the user's", required=True,
                  example="pairs.jsonl"),
            Field("prompt", "text", "prompt", "the key of prompts", "the user's"),
            Field("response", "text", "response", "the key of responses", "the user's"),
            Field("max_prompt", "int", 64, "how much of a prompt is read, its end", "own",
                  unit="tokens", low=1, high=4096),
            Field("max_response", "int", 64, "how much of a response is read, from its beginning; "
                  "its end counts", "own", unit="tokens", low=1, high=4096),
            Field("tokenizer", "path", None, "a tokenizer.json in the layout of Hugging Face, or a "
                  "folder that has one; without it tokens are characters", "the user's",
                  example="~/model"),
            Field("end_token", "text", None, "with a tokenizer: the token that ends a response; by "
                  "default the one that the folder of the tokenizer names as eos", "the user's",
                  example="</s>"),
        ),
        missing=lambda path, tokenizer=None, **options: missing_parts(path, tokenizer),
        shape=lambda max_prompt, max_response, **options: (max_prompt, max_response),
    ),
}  # fmt: skip
