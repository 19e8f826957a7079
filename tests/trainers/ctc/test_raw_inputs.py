"""Recordings and frames for a trained student."""

from pathlib import Path

import numpy as np
import pytest

from tests.trainers.ctc.recorded import RATE, record, tone, write
from trainers.ctc.data.features import MELS, log_mel
from trainers.ctc.data.raw_inputs import read_frames
from trainers.ctc.data.recordings import read
from trainers.data.errors import DataError

MOST = 120
OF_SPEECH = {"shape": [MOST, MELS], "sample_rate": RATE}
OF_FRAMES = {"shape": [6, 2], "sample_rate": 0}


def test_recordings_of_a_folder_are_read_in_batches(tmp_path: Path) -> None:
    for name, seconds in (("b.wav", 1.0), ("a/c.ogg", 0.5), ("d.flac", 1.2)):
        record(tmp_path / name, seconds)
    (tmp_path / "notes.txt").write_text("no recording", encoding="utf-8")
    found = read_frames(tmp_path, OF_SPEECH, {})
    assert found.names == ["a/c.ogg", "b.wav", "d.flac"]
    assert found.count == 3
    inputs, remarks = found.batch(0, 3)
    assert not remarks
    assert inputs.dtype == np.float32
    assert inputs.shape == (3, MOST, MELS)
    for name, frames in zip(found.names, inputs, strict=True):
        wanted = log_mel(read(tmp_path / name, RATE).waveform, RATE)
        assert np.array_equal(frames[: len(wanted)], wanted)
        assert np.isnan(frames[len(wanted) :]).all()
    assert np.array_equal(found.batch(1, 2)[0], inputs[1:2], equal_nan=True)


def test_one_recording_is_read_and_what_it_lost_is_told(tmp_path: Path) -> None:
    stereo = np.stack([tone(0.5, 16_000)] * 2, 1)
    found = read_frames(write(tmp_path / "a.wav", stereo, 16_000), OF_SPEECH, {})
    assert found.names == ["a.wav"]
    inputs, remarks = found.batch(0, 1)
    assert np.isfinite(inputs[0]).all(1).sum() == 48
    assert remarks == (
        f"{tmp_path}: averaged the channels of 1 recording, a.wav",
        f"{tmp_path}: resampled 1 recording to 8000 Hz, a.wav (16000 Hz)",
    )


def test_recordings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    long = record(tmp_path / "long" / "a.wav", 1.5)
    with pytest.raises(DataError, match=r"a\.wav: lasts 1\.50 s, 148 frames, .* takes 120; cut"):
        read_frames(long.parent, OF_SPEECH, {})
    silent = write(tmp_path / "silent.wav", np.zeros(RATE))
    with pytest.raises(DataError, match=r"silent\.wav: is silent"):
        read_frames(silent, OF_SPEECH, {}).batch(0, 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: holds no recording; .*\.wav"):
        read_frames(tmp_path / "empty", OF_SPEECH, {})
    with pytest.raises(DataError, match="no recordings; save frames as an array"):
        read_frames(long, OF_FRAMES, {})


def test_files_and_options_that_are_wrong_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*correct the name"):
        read_frames(tmp_path / "a.wav", OF_SPEECH, {})
    other = tmp_path / "a.mp4"
    other.touch()
    with pytest.raises(DataError, match=r"a\.mp4: is none of \.flac, .*\.npz; convert it"):
        read_frames(other, OF_SPEECH, {})
    with pytest.raises(DataError, match=r"data\.text: is no option"):
        read_frames(other, OF_SPEECH, {"text": "a"})


@pytest.mark.parametrize("facts", [OF_SPEECH, OF_FRAMES])
def test_arrays_are_frames_as_they_are(tmp_path: Path, facts: dict) -> None:
    most, numbers = facts["shape"]
    frames = np.random.default_rng(0).normal(size=(3, most - 1, numbers))
    frames[1, 4:] = np.nan
    np.save(tmp_path / "a.npy", frames)
    found = read_frames(tmp_path / "a.npy", facts, {})
    assert found.names is None
    inputs, _ = found.batch(0, 3)
    assert inputs.shape == (3, most, numbers)
    assert np.isfinite(inputs).all(2).sum(1).tolist() == [most - 1, 4, most - 1]
    assert np.array_equal(inputs[1, :4], frames[1, :4].astype(np.float32))
    np.savez(tmp_path / "a.npz", inputs=frames[0], others=frames)
    alone = read_frames(tmp_path / "a.npz", facts, {})
    assert alone.count == 1
    assert "others ignored" in alone.remarks[0]


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.zeros((2, 7, 2)), r"input at place 0 has 7 frames, and the student takes 6"),
        (np.zeros((2, 5, 3)), r"shape \(2, 5, 3\); .*\(inputs, frames, 2\)"),
        (np.zeros((0, 5, 2)), "holds no input"),
        (np.full((1, 5, 2), np.nan), "input at place 0 has no frame"),
        (np.array([[[1, 2], [np.nan, np.nan], [1, 2]]]), "before the end of the input at place 0"),
        (np.array([[[1, 2], [np.nan, 1]]]), "before the end of the input at place 0"),
        (np.array([[[1e300, 2], [1, 1]]]), "too large for single precision"),
        (np.array([[["a", "b"]]]), "holds <U1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, frames: np.ndarray, words: str) -> None:
    np.save(tmp_path / "a.npy", frames)
    with pytest.raises(DataError, match=words):
        read_frames(tmp_path / "a.npy", OF_FRAMES, {})
