"""Small recordings of tones, and tables of what is said in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray

RATE = 8000


def tone(
    seconds: float, rate: int = RATE, hertz: float = 440.0, level: float = 0.3
) -> NDArray[np.float32]:
    """A tone (S,) that swells and fades, as a constant one has features that are all 0."""
    time = np.arange(round(seconds * rate)) / rate
    swell = 0.2 + 0.8 * np.sin(np.pi * time / seconds) ** 2
    wave: NDArray[np.float32] = (level * swell * np.sin(2 * np.pi * hertz * time)).astype("f4")
    return wave


def record(file: Path, seconds: float = 1.0, rate: int = RATE, **of_tone: float) -> Path:
    return write(file, tone(seconds, rate, **of_tone), rate)


def write(file: Path, samples: NDArray[Any], rate: int = RATE, subtype: str | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, rate, subtype)
    return file


def transcribe(table: Path, columns: Mapping[str, list[Any]]) -> Path:
    """A table of the kind that the end of its name says."""
    made = pd.DataFrame(columns)
    kind = table.suffix
    if kind == ".parquet":
        made.to_parquet(table, index=False)
    elif kind == ".jsonl":
        made.to_json(table, orient="records", lines=True)
    else:
        made.to_csv(table, index=False, sep="\t" if kind == ".tsv" else ",")
    return table


def spoken(folder: Path, texts: Mapping[str, str], seconds: float = 1.0) -> Path:
    """By file what is said in it: recordings in ``folder``, and the table beside it."""
    for place, name in enumerate(texts):
        record(folder / name, seconds, hertz=300.0 + 50 * place)
    columns = {"file": list(texts), "text": list(texts.values())}
    return transcribe(folder.parent / "said.csv", columns)
