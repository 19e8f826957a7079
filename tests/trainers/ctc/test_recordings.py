"""One recording: what is read of it, what is told, what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.ctc.recorded import RATE, record, tone, write
from trainers.ctc.data.recordings import Notes, header, missing_soundfile, read
from trainers.data.errors import DataError


def _pitch(waveform: np.ndarray, rate: int) -> float:
    """The loudest frequency, in Hz."""
    return float(np.abs(np.fft.rfft(waveform)).argmax() * rate / len(waveform))


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_kinds_of_files_are_read(tmp_path: Path, kind: str) -> None:
    file = record(tmp_path / f"a.{kind}", 0.5)
    found = read(file, RATE)
    assert found.header == header(file) == (4000, RATE, 1)
    assert found.waveform.dtype == np.float32
    exact = {"wav": 1e-4, "flac": 1e-4, "ogg": 0.05}[kind]
    assert np.abs(found.waveform - tone(0.5)).max() < exact
    assert not found.clipped


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = tone(0.2)
    file = write(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], 1))
    assert np.abs(read(file, RATE).waveform - left / 2).max() < 1e-4


@pytest.mark.parametrize(("own", "wanted"), [(44_100, 16_000), (8000, 16_000), (22_050, 8000)])
def test_resampling_keeps_duration_and_pitch(tmp_path: Path, own: int, wanted: int) -> None:
    file = record(tmp_path / "a.wav", 1.0, own)
    found = read(file, wanted)
    assert len(found.waveform) == wanted
    assert abs(_pitch(found.waveform, wanted) - 440) <= 2
    assert abs(np.abs(found.waveform).max() - 0.3) < 0.01
    frames = header(file).frames(wanted)
    assert frames == 1 + (wanted - round(0.025 * wanted)) // round(0.01 * wanted)


def test_what_is_above_half_the_rate_is_gone(tmp_path: Path) -> None:
    file = record(tmp_path / "a.wav", 1.0, 32_000, hertz=6000.0)
    assert np.abs(read(file, RATE).waveform[100:-100]).max() < 0.01


def test_what_recordings_lost_is_counted_and_the_first_named(tmp_path: Path) -> None:
    loud = np.clip(tone(0.5) * 10, -1, 1)
    write(tmp_path / "a.wav", np.stack([loud, loud], 1))
    write(tmp_path / "b.wav", np.stack([tone(0.5)] * 2, 1))
    record(tmp_path / "c.wav", 0.5, 16_000)
    notes = Notes()
    for name in ("a.wav", "b.wav", "c.wav"):
        notes.add_losses(name, read(tmp_path / name, RATE), RATE)
    assert notes.told("here") == (
        "here: averaged the channels of 2 recordings, the first of them a.wav",
        "here: 1 recording clipped: over 0.1% of the samples are at full scale, a.wav",
        "here: resampled 1 recording to 8000 Hz, c.wav (16000 Hz)",
    )


def test_single_samples_at_full_scale_are_not_clipped(tmp_path: Path) -> None:
    peaks = tone(0.5)
    peaks[::100] = 1.0
    assert not read(write(tmp_path / "a.wav", peaks), RATE).clipped
    in_a_row = tone(0.5)
    for start in range(0, 4000, 400):
        in_a_row[start : start + 4] = -1.0
    assert read(write(tmp_path / "b.wav", in_a_row), RATE).clipped
    in_a_row[800:] = 0.1
    in_a_row[:800] = np.tile([1.0, 1.0, 0.1, 0.1], 200)
    assert not read(write(tmp_path / "c.wav", in_a_row), RATE).clipped


# What is refused, by the name of its file


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.97])
def test_cut_off_recordings_are_refused(tmp_path: Path, kind: str, share: float) -> None:
    whole = record(tmp_path / f"whole.{kind}", 3.0, hertz=700.0).read_bytes()
    file = tmp_path / f"cut.{kind}"
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=rf"cut\.{kind}: .*replace it, or leave it out"):
        read(file, RATE)


def test_headers_of_streams_whose_size_was_not_known_are_taken(tmp_path: Path) -> None:
    file = record(tmp_path / "a.wav", 0.5)
    content = bytearray(file.read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    file.write_bytes(content)
    assert len(read(file, RATE).waveform) == 4000


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_files_without_samples_are_refused(tmp_path: Path, kind: str) -> None:
    nothing, no_sample = tmp_path / f"a.{kind}", tmp_path / f"b.{kind}"
    nothing.touch()
    write(no_sample, np.zeros(0, np.float32))
    for file in (nothing, no_sample):
        with pytest.raises(DataError, match=rf"{file.name}: (is empty|cannot be read)"):
            header(file)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(RATE), "is silent"),
        (np.full(RATE, 5e-4), "is silent"),
        (tone(0.02), r"lasts 0\.020 s, less than a frame of 0\.025 s"),
        (np.full(RATE, np.nan), "NaN"),
    ],
)
def test_recordings_in_which_nothing_is_heard_are_refused(
    tmp_path: Path, samples: np.ndarray, words: str
) -> None:
    file = write(tmp_path / "quiet.wav", samples, subtype="FLOAT")
    with pytest.raises(DataError, match=rf"quiet\.wav: .*{words}.*replace it, or leave it out"):
        read(file, RATE)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    text, other = tmp_path / "a.wav", tmp_path / "a.mp4"
    text.write_text("no recording", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.wav: cannot be read as a recording"):
        read(text, RATE)
    with pytest.raises(DataError, match=r"a\.mp4: is none of \.flac, \.ogg, \.wav; convert it"):
        read(other, RATE)
    with pytest.raises(DataError, match=r"gone\.wav: cannot be read: No such file"):
        read(tmp_path / "gone.wav", RATE)


def test_without_soundfile_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = record(tmp_path / "a.wav")
    assert missing_soundfile() is None
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(DataError, match=r"pip install 'almkd\[speech\]'"):
        read(file, RATE)
    monkeypatch.setattr("trainers.ctc.data.recordings.find_spec", lambda name: None)
    assert "pip install 'almkd[speech]'" in str(missing_soundfile())
