"""Log-mel features against the same definition, written again as loops, and as torch has it."""

import numpy as np
import pytest
import torch

from tests.trainers.ctc.recorded import tone
from trainers.ctc.data.features import (
    LOWEST_RATE,
    MELS,
    frame_count,
    hop_samples,
    log_mel,
    mel_matrix,
    most_frames,
    window_samples,
)


def _normalised(powers: np.ndarray) -> np.ndarray:
    logs = np.log(powers + 1e-6)
    return (logs - logs.mean(0)) / logs.std(0)


def _mel(hertz: float) -> float:
    return 2595 * float(np.log10(1 + hertz / 700))


def _again(waveform: np.ndarray, rate: int) -> np.ndarray:
    window, hop = round(0.025 * rate), round(0.01 * rate)
    size = 1
    while size < window:
        size *= 2
    hann = np.array([np.sin(np.pi * n / window) ** 2 for n in range(window)])
    step = (_mel(rate / 2) - _mel(20)) / (MELS + 1)
    rows = []
    for start in range(0, len(waveform) - window + 1, hop):
        part = waveform[start : start + window].astype(np.float64) * hann
        n = np.arange(window)
        power = [
            abs(np.sum(part * np.exp(-2j * np.pi * k * n / size))) ** 2
            for k in range(size // 2 + 1)
        ]  # fmt: skip
        rows.append(
            [
                sum(
                    max(0.0, 1 - abs(_mel(k * rate / size) - _mel(20) - m * step) / step) * power[k]
                    for k in range(size // 2 + 1)
                )
                for m in range(1, MELS + 1)
            ]
        )
    return _normalised(np.array(rows))


@pytest.fixture
def heard() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.01, 2000)
    return (tone(0.25) + noise).astype(np.float32)


def test_features_are_those_of_loops(heard: np.ndarray) -> None:
    found = log_mel(heard, 8000)
    assert found.dtype == np.float32
    assert found.shape == (frame_count(2000, 8000), MELS) == (23, 40)
    assert np.abs(found - _again(heard, 8000)).max() < 1e-4


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050])
def test_features_are_those_of_torch(heard: np.ndarray, rate: int) -> None:
    window, hop = window_samples(rate), hop_samples(rate)
    size = 2 * (len(mel_matrix(rate)) - 1)
    double = torch.from_numpy(heard).double()
    hann = torch.hann_window(window, dtype=torch.float64)
    # torch centres a window in what it is padded to, so it is given as one that begins there.
    padded = torch.cat([hann, torch.zeros(size - window, dtype=torch.float64)])
    whole = torch.cat([double, torch.zeros(size - window, dtype=torch.float64)])
    spectrum = torch.stft(whole, size, hop, window=padded, center=False, return_complex=True)
    powers = spectrum.abs().pow(2).T.numpy() @ mel_matrix(rate)
    assert np.abs(log_mel(heard, rate) - _normalised(powers)).max() < 1e-4


def test_numbers_have_mean_0_and_variance_1(heard: np.ndarray) -> None:
    found = log_mel(heard, 8000).astype(np.float64)
    assert np.abs(found.mean(0)).max() < 1e-4
    assert np.abs(found.std(0) - 1).max() < 1e-4


def test_what_never_changes_is_0() -> None:
    assert not log_mel(np.zeros(1000, np.float32), 8000).any()
    # Of one frame nothing can change.
    assert log_mel(tone(0.025), 8000).tolist() == [[0.0] * MELS]


def test_nothing_is_looked_at_behind_a_frame(heard: np.ndarray) -> None:
    """Without the last sample of a frame there is none of it, and none is made up."""
    for frames in (1, 2, 7):
        samples = window_samples(8000) + (frames - 1) * hop_samples(8000)
        assert len(log_mel(heard[:samples], 8000)) == frame_count(samples, 8000) == frames
        assert frame_count(samples - 1, 8000) == frames - 1
    assert most_frames(4, 8000) == 398


@pytest.mark.parametrize("rate", [LOWEST_RATE, 10_240, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_every_triangle_has_a_bin(rate: int) -> None:
    weights = mel_matrix(rate)
    assert (weights.max(0) > 0.2).all()
    # Between the tops of the first and the last they share what there is.
    inside = weights[:, 0].argmax(), weights[:, -1].argmax()
    assert np.allclose(weights[inside[0] + 1 : inside[1]].sum(1), 1)
