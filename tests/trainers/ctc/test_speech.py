"""The user's own recordings and transcripts: what is read, told, refused."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainers.ctc.recorded import RATE, record, spoken, tone, transcribe, write
from trainers.ctc.data.dataset import Utterances, feasible
from trainers.ctc.data.features import MELS, log_mel
from trainers.ctc.data.recordings import read
from trainers.ctc.data.speech import missing_speech, speech
from trainers.ctc.data.transcripts import cleaned
from trainers.data.errors import DataError
from trainers.data.fingerprint import fingerprint

# With marks upon letters, and a digit.
HINDI = "\u0939\u093f\u0928\u094d\u0926\u0940 \u0967"
TEXTS = {"a.wav": "Yes, it is!", "b/c.ogg": "no", "d.flac": "It's  3\tO\u2019clock"}


def _load(folder: Path, table: Path, **options: Any) -> Utterances:
    usual = {"file": "file", "text": "text", "max_seconds": 8.0, "letters": "lower"}
    return speech(str(folder), str(table), **{**usual, **options})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recordings"


def test_recordings_are_read_in_the_order_of_the_table(folder: Path) -> None:
    found = _load(folder, spoken(folder, TEXTS))
    assert found.names == tuple(TEXTS)
    assert [found.text(row) for row in found.labels] == ["yes it is", "no", "it's 3 o'clock"]
    assert found.symbols == tuple(sorted(set("yes it is no it's 3 o'clock")))
    assert found.has_words
    assert found.sample_rate == RATE
    assert found.groups is None
    assert found.frames.dtype == np.float32
    for row, name in enumerate(TEXTS):
        alone = log_mel(read(folder / name, RATE).waveform, RATE)
        assert np.array_equal(found.frames[row], alone)
    assert found.problem(None) is None  # type: ignore[arg-type]
    assert found.info.remarks == (
        f"{folder.parent / 'said.csv'}: dropped from the transcripts: !, ,; data.letters: "
        "as_they_are keeps all characters",
    )


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_tables_of_every_kind_say_the_same(folder: Path, kind: str) -> None:
    wanted = _load(folder, spoken(folder, TEXTS))
    columns = {"clip": list(TEXTS), "words": list(TEXTS.values())}
    table = transcribe(folder.parent / f"other{kind}", columns)
    found = _load(folder, table, file="clip", text="words")
    assert fingerprint(found) == fingerprint(wanted)


def test_frames_are_zero_behind_the_end_and_do_not_depend_on_others(folder: Path) -> None:
    for place, seconds in enumerate((1.0, 0.5, 0.8)):
        record(folder / f"{place}.wav", seconds, hertz=200.0 * (place + 1))
    names = [f"{place}.wav" for place in range(3)]
    table = transcribe(folder.parent / "a.csv", {"file": names, "text": ["a", "b", "c"]})
    found = _load(folder, table)
    assert found.lengths.tolist() == [98, 48, 78]
    assert found.frames.shape == (3, 98, MELS)
    for row, length in enumerate(found.lengths):
        assert not found.frames[row, length:].any()
    alone = transcribe(folder.parent / "b.csv", {"file": names[1:2], "text": ["b"]})
    assert np.array_equal(_load(folder, alone).frames[0], found.frames[1, :48])


def test_the_lowest_rate_is_that_of_all_and_others_are_told(folder: Path) -> None:
    record(folder / "a.wav", rate=16_000)
    record(folder / "b.wav", rate=11_025)
    record(folder / "c.wav", rate=11_025)
    names = ["a.wav", "b.wav", "c.wav"]
    table = transcribe(folder.parent / "a.csv", {"file": names, "text": ["a", "b", "c"]})
    found = _load(folder, table)
    assert found.sample_rate == 11_025
    assert found.info.remarks == (f"{folder}: resampled 1 recording to 11025 Hz, a.wav (16000 Hz)",)
    assert _load(folder, table, sample_rate=8000).sample_rate == 8000
    record(folder / "b.wav", rate=4000)
    # Below that there is nothing to tell sounds of speech apart.
    assert _load(folder, table).sample_rate == 8000


def test_long_recordings_are_left_out_and_told(folder: Path) -> None:
    for name, seconds in (("a.wav", 0.5), ("b.wav", 2.5), ("c.wav", 2.25), ("d.wav", 2.0)):
        record(folder / name, seconds)
    columns = {"file": [f"{c}.wav" for c in "abcd"], "text": ["a", "b", "c", "d"]}
    table = transcribe(folder.parent / "a.csv", columns)
    found = _load(folder, table, max_seconds=2.0)
    assert found.names == ("a.wav", "d.wav")
    assert found.symbols == ("a", "d")
    assert found.info.remarks == (
        f"{folder}: left out 2 recordings of more than 2 s (data.max_seconds), the first of them "
        "b.wav (2.50 s)",
    )
    with pytest.raises(DataError, match=r"no recording can be used; .*left out 4 recordings"):
        _load(folder, table, max_seconds=0.25)


def test_what_cannot_be_said_in_so_few_frames_is_left_out_and_told(folder: Path) -> None:
    # 14 frames, and 7 of output: enough for seven symbols, and for six with a pair of equal ones.
    texts = {"a.wav": "abcdefg", "b.wav": "abcdeff", "c.wav": "aabcde", "d.wav": "abcdefgh"}
    found = _load(folder, spoken(folder, texts, seconds=0.156))
    assert found.lengths.tolist() == [14, 14]
    assert found.names == ("a.wav", "c.wav")
    assert feasible(found.lengths, found.labels).all()
    assert found.info.remarks == (
        f"{folder}: left out 2 recordings too short for what is said there, the first of them "
        "b.wav (7 frames of output for 8)",
    )


def test_recordings_that_the_table_does_not_name_are_told(folder: Path) -> None:
    table = spoken(folder, {"a.wav": "a", "b.wav": "b"})
    for name in ("more/c.flac", "z.wav", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert _load(folder, table).info.remarks == (
        f"{folder}: left out 2 recordings that said.csv does not name, the first of them "
        "more/c.flac",
    )


# Transcripts


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  A\n b ", "a b"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("\u00dcber-Gro\u00dfe", "\u00fcber gro\u00dfe"),
        ("wait...what? (yes)", "wait what yes"),
        ("\u2018don\u2019t\u2019", "'don't'"),
        ("co\u00adoperate", "cooperate"),
        (HINDI, HINDI),
    ],
)  # fmt: skip
def test_letters_are_lower_and_all_others_stand_for_a_space(text: str, wanted: str) -> None:
    assert cleaned([text], "lower")[0] == [wanted]
    assert cleaned([text], "as_they_are") == ([text.strip()], [])


def test_what_was_dropped_is_named() -> None:
    assert cleaned(["a-b", "c\u00ad!", "d"], "lower")[1] == ["!", "-", "\u00ad"]


def test_transcripts_may_be_taken_as_they_are(folder: Path) -> None:
    table = spoken(folder, {"a.wav": "Yes!", "b.wav": "no"})
    found = _load(folder, table, letters="as_they_are")
    assert found.symbols == tuple(sorted("Yes!no"))
    assert not found.has_words
    assert found.info.remarks == ()


@pytest.mark.parametrize("letters", ["lower", "as_they_are"])
def test_empty_transcripts_are_refused(folder: Path, letters: str) -> None:
    nothing = {"lower": "... '", "as_they_are": "  "}[letters]
    table = spoken(folder, {"a.wav": "a", "b.wav": nothing, "c.wav": nothing})
    with pytest.raises(DataError, match=r"said in 2 recordings, the first of them b\.wav; write"):
        _load(folder, table, letters=letters)
    columns = {"file": ["a.wav", "b.wav"], "text": ["a", None]}
    with pytest.raises(DataError, match=r"in 1 recording, the first of them b\.wav"):
        _load(folder, transcribe(folder.parent / "a.jsonl", columns))


# Splits of the user's own


def test_splits_are_those_of_the_table_without_what_is_left_out(folder: Path) -> None:
    names = [f"{c}.wav" for c in "abcdef"]
    for name in names:
        record(folder / name, 3.0 if name == "b.wav" else 0.5)
    splits = ["test", "train", "train", "meta", "none", "validation"]
    columns = {"file": names, "text": list("abcdef"), "part": splits}
    table = transcribe(folder.parent / "a.csv", columns)
    found = _load(folder, table, split="part", max_seconds=2.0)
    assert found.given_splits is not None
    rows = {split: rows.tolist() for split, rows in found.given_splits.items()}
    assert rows == {"train": [1], "meta": [2], "validation": [4], "test": [0]}
    assert found.names[1] == "c.wav"
    columns["part"] = ["test", "train", "train", "meta", "dev", "validation"]
    transcribe(table, columns)
    with pytest.raises(DataError, match=r"column 'part': 'dev', of example 4 .*'validation'\?"):
        _load(folder, table, split="part")
    with pytest.raises(DataError, match=r"data\.splits\.column: .*no column 'who'"):
        _load(folder, table, split="who")


# What does not fit together


def test_recordings_that_are_not_there_are_refused(folder: Path) -> None:
    table = spoken(folder, {"a.wav": "a", "b.wav": "b", "c.wav": "c"})
    for name in ("b.wav", "c.wav"):
        (folder / name).unlink()
    with pytest.raises(DataError, match=r"names 2 recordings that .* lacks, .*b\.wav; put them"):
        _load(folder, table)


def test_a_recording_that_is_named_twice_is_refused(folder: Path) -> None:
    spoken(folder, {"a.wav": "a", "b.wav": "b"})
    columns = {"file": ["a.wav", "b.wav", "./a.wav"], "text": ["a", "b", "a"]}
    with pytest.raises(DataError, match=r"names a\.wav twice, in row 1 and in row 3; keep one"):
        _load(folder, transcribe(folder.parent / "a.csv", columns))


def test_a_row_without_a_recording_is_refused(folder: Path) -> None:
    spoken(folder, {"a.wav": "a"})
    columns = {"file": ["a.wav", None], "text": ["a", "b"]}
    with pytest.raises(DataError, match=r"names no recording in row 2; fill or drop it"):
        _load(folder, transcribe(folder.parent / "a.csv", columns))


def test_columns_that_are_wrong_are_refused(folder: Path) -> None:
    table = spoken(folder, {"a.wav": "a"})
    with pytest.raises(DataError, match=r"no column 'clip' but file, text; .*data\.file"):
        _load(folder, table, file="clip")
    with pytest.raises(DataError, match=r"no column 'words' but file, text; .*data\.text"):
        _load(folder, table, text="words")
    with pytest.raises(DataError, match=r"data\.text: 'file' is the column of files"):
        _load(folder, table, text="file")
    semicolons = shutil.copy(table, folder.parent / "b.csv")
    Path(semicolons).write_text(table.read_text().replace(",", ";"))
    assert _load(folder, Path(semicolons), delimiter=";").names == ("a.wav",)
    other = shutil.copy(table, folder.parent / "a.xlsx")
    with pytest.raises(DataError, match=r"a\.xlsx: is none of \.csv, \.tsv"):
        _load(folder, Path(other))


@pytest.mark.parametrize(
    ("samples", "words"),
    [(np.zeros(RATE), "is silent"), (tone(0.01), "less than a frame")],
)
def test_recordings_that_cannot_be_used_are_refused(
    folder: Path, samples: np.ndarray, words: str
) -> None:
    table = spoken(folder, {"a.wav": "a", "b.wav": "b"})
    write(folder / "b.wav", samples)
    with pytest.raises(DataError, match=rf"b\.wav: .*{words}.*replace it, or leave it out"):
        _load(folder, table)
    (folder / "b.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"b\.wav: cannot be read as a recording"):
        _load(folder, table)


def test_what_is_missing_is_told_before_anything_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = spoken(folder, {"a.wav": "a"})
    assert missing_speech(str(folder), str(table)) is None
    assert "no folder" in str(missing_speech(str(folder / "x"), str(table)))
    assert "data.transcripts" in str(missing_speech(str(folder), str(folder / "x.csv")))
    monkeypatch.setattr("trainers.ctc.data.recordings.find_spec", lambda name: None)
    assert "pip install 'almkd[speech]'" in str(missing_speech(str(folder), str(table)))
