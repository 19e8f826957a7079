"""DATASETS: every data set of the task, in one table. Free of torch."""

from collections.abc import Callable, Mapping

from trainers.ctc.data.dataset import output_frames
from trainers.ctc.data.debian import (
    ASTERISK_RATE,
    FILLETS_RATE,
    asterisk_en,
    fillets_nl,
    missing_asterisk,
    missing_fillets,
)
from trainers.ctc.data.digit_lines import DIGITS, GROUPS, ROWS, digit_lines, widest
from trainers.ctc.data.features import LOWEST_RATE, MELS, most_frames
from trainers.ctc.data.speech import missing_speech, speech
from trainers.ctc.data.transcripts import AS_THEY_ARE, LOWER
from trainers.entries import DatasetEntry
from trainers.fields import Field

TASK = "ctc"
# Of recordings of packages, in seconds.
SHORT = 4.0
# Recordings of at most `SHORT` that come through, and their symbols with the blank.
DIALOGUES, OF_DIALOGUES = 1171, 31
PROMPTS, OF_PROMPTS = 484, 29


def _max_seconds(default: float, high: float) -> Field:
    return Field(
        "max_seconds", "float", default, "longer recordings are left out", "own", unit="seconds",
        low=0.1, high=high,
    )  # fmt: skip


FOLDER = Field(
    "folder", "path", None, "below which the packages are unpacked; by default $ALMKD_DATA, the "
    "usual places and /", "own", example="~/data",
)  # fmt: skip
OF_PACKAGES = (FOLDER, _max_seconds(SHORT, 30))


def _shape_at(rate: int) -> Callable[..., tuple[int, int]]:
    return lambda max_seconds, **options: (most_frames(max_seconds, rate), MELS)


def _counts_at(rate: int, examples: int, symbols: int) -> Callable[..., tuple[int, int] | None]:
    """Known for the default alone, as others have other recordings."""

    def counts(max_seconds: float, **options: object) -> tuple[int, int] | None:
        if max_seconds != SHORT:
            return None
        return examples, output_frames(most_frames(SHORT, rate)) * symbols

    return counts


def _counts_of_lines(lines: int, max_digits: int, **options: object) -> tuple[int, int]:
    return lines, output_frames(widest(max_digits)) * (len(DIGITS) + 1)


DATASETS: Mapping[str, DatasetEntry] = {
    "digit_lines": DatasetEntry(
        digit_lines,
        "lines of handwritten digits, strung together so that their places are known",
        "scikit-learn's load_digits (UCI optical recognition of handwritten digits, test part)",
        TASK,
        fields=(
            Field("lines", "int", 3000, f"how many, a multiple of {GROUPS}", "own",
                  unit="examples", low=2 * GROUPS, high=100_000),
            Field("min_digits", "int", 2, "of a line at least", "own", unit="digits", low=1,
                  high=9),
            Field("max_digits", "int", 4, "of a line at most", "own", unit="digits", low=1,
                  high=9),
            Field("blur", "float", 0.25, "the standard deviation of the noise on pixels, of which "
                  "the brightest is 1", "own", low=0),
        ),
        shape=lambda max_digits, **options: (widest(max_digits), ROWS),
        counts=_counts_of_lines,
        may_change=lambda **options: False,
    ),
    "fillets_nl": DatasetEntry(
        fillets_nl,
        "1,171 Dutch dialogues of two fish, two speakers, of at most 4 s each",
        "Fish Fillets NG, Debian's fillets-ng-data and fillets-ng-data-nl",
        TASK,
        fields=OF_PACKAGES,
        missing=missing_fillets,
        shape=_shape_at(FILLETS_RATE),
        counts=_counts_at(FILLETS_RATE, DIALOGUES, OF_DIALOGUES),
    ),
    "asterisk_en": DatasetEntry(
        asterisk_en,
        "484 English prompts of a telephone exchange, one speaker, of at most 4 s each",
        "Allison Smith for Asterisk, Debian's asterisk-core-sounds-en-wav",
        TASK,
        fields=OF_PACKAGES,
        missing=missing_asterisk,
        shape=_shape_at(ASTERISK_RATE),
        counts=_counts_at(ASTERISK_RATE, PROMPTS, OF_PROMPTS),
    ),
    "speech": DatasetEntry(
        speech,
        "recordings in a folder as .wav, .ogg or .flac, and a table of what is said in each as "
        ".csv, .tsv, .jsonl or .parquet",
        "the user's",
        TASK,
        split_column=True,
        fields=(
            Field("path", "path", None, "the folder of recordings", "the user's", required=True,
                  example="~/recordings"),
            Field("transcripts", "path", None, "the table", "the user's", required=True,
                  example="transcripts.csv"),
            Field("file", "text", "file", "the column of recordings, relative to the folder",
                  "the user's"),
            Field("text", "text", "text", "the column of what is said", "the user's"),
            _max_seconds(8.0, 60),
            Field("sample_rate", "int", None, "what recordings are resampled to; by default the "
                  f"lowest of them, {LOWEST_RATE} at least", "own", unit="Hz", low=LOWEST_RATE,
                  high=96_000, example=16_000),
            Field("letters", "choice", LOWER, "lower-case letters, digits, apostrophes and spaces "
                  "alone, or all characters as they are", "own", choices=(LOWER, AS_THEY_ARE)),
            Field("delimiter", "choice", ",", "what separates fields in a .csv file",
                  "the user's", choices=(",", ";", "|")),
            Field("encoding", "text", "utf-8", "the encoding of a table that is text",
                  "Python's names of encodings"),
        ),
        missing=missing_speech,
    ),
}  # fmt: skip
