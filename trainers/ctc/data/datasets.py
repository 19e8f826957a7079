"""DATASETS: every data set of the task, in one table. Free of torch."""

from collections.abc import Mapping

from trainers.ctc.data.dataset import output_frames
from trainers.ctc.data.digit_lines import DIGITS, ROWS, digit_lines, widest
from trainers.entries import DatasetEntry
from trainers.fields import Field

TASK = "ctc"


DATASETS: Mapping[str, DatasetEntry] = {
    "digit_lines": DatasetEntry(
        lambda lines, min_digits, max_digits, blur: digit_lines(
            lines, min_digits, max_digits, blur
        ),
        "x",
        "own",
        TASK,
        fields=(
            Field("lines", "int", 3000, "how many", "own", low=20),
            Field("min_digits", "int", 2, "how many", "own", low=1),
            Field("max_digits", "int", 4, "how many", "own", low=1),
            Field("blur", "float", 0.25, "how many", "own", low=0),
        ),
        shape=lambda max_digits, **options: (widest(max_digits), ROWS),
        counts=lambda lines, max_digits, **o: (
            lines,
            output_frames(widest(max_digits)) * (len(DIGITS) + 1),
        ),
        may_change=lambda **options: False,
    ),
}
