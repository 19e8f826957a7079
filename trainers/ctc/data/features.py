"""Log-mel features of a recording: what frames of speech are made of. Free of torch.

S samples of a mono waveform at ``rate`` Hz; T frames; B bins of the spectrum.

Frame t is the samples from t * hop on, a window of `WINDOW` seconds every `HOP` seconds, so that a
frame looks ahead no further than the end of its window and nothing is made up at either end:
T = 1 + (S - window) // hop. It is weighted by a periodic Hann window, padded with zeros to the next
power of two, and its power spectrum is summed by `MELS` triangles:

    mel(f) = 2595 log10(1 + f / 700)                                            (HTK's scale)
    w_m(f) = max(0, 1 - |mel(f) - c_m| / step),  c_m = mel(LOWEST) + m * step,  m = 1 .. MELS,

where c_{MELS + 1} is the mel of half the rate. Of log(power + FLOOR) each of the `MELS` numbers has
mean 0 and variance 1 over the frames of the recording; one that never changes is 0. What comes out
is rounded, so that machines whose arithmetic differs in the last bits get the same.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

MELS = 40
WINDOW, HOP = 0.025, 0.010  # in seconds
LOWEST = 20.0  # in Hz; what is below is no speech
FLOOR = 1e-6  # added to powers
# Below it a triangle may have no bin.
LOWEST_RATE = 8000
DECIMALS = 4
# Standard deviations below it are those of numbers that do not change.
CONSTANT = 1e-6


def window_samples(rate: int) -> int:
    """Samples of a frame."""
    return round(WINDOW * rate)


def hop_samples(rate: int) -> int:
    """Samples from one frame to the next."""
    return round(HOP * rate)


def frame_count(samples: int, rate: int) -> int:
    """T of so many samples; 0 where they are less than a frame."""
    return max(0, 1 + (samples - window_samples(rate)) // hop_samples(rate))


def most_frames(seconds: float, rate: int) -> int:
    """T of a recording of so many seconds."""
    return frame_count(round(seconds * rate), rate)


def log_mel(waveform: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Frames (T, MELS) of a waveform (S,), which has a frame at least."""
    window, hop = window_samples(rate), hop_samples(rate)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    frames = sliding_window_view(waveform.astype(np.float64), window)[::hop]
    spectrum = np.fft.rfft(frames * hann, _padded(window))
    power = spectrum.real**2 + spectrum.imag**2
    logs: NDArray[np.float64] = np.log(power @ _sparse_mel_matrix(rate) + FLOOR)
    spread = logs.std(0)
    centred = (logs - logs.mean(0)) / np.where(spread > CONSTANT, spread, np.inf)
    rounded: NDArray[np.float32] = np.round(centred, DECIMALS).astype(np.float32)
    return rounded


def mel_matrix(rate: int) -> NDArray[np.float64]:
    """What each bin weighs in each triangle, (B, MELS)."""
    bins = np.fft.rfftfreq(_padded(window_samples(rate)), 1 / rate)
    centres = np.linspace(_mel(LOWEST), _mel(rate / 2), MELS + 2)
    distance = np.abs(_mel(bins)[:, None] - centres[1:-1])
    weights: NDArray[np.float64] = np.maximum(0.0, 1 - distance / (centres[1] - centres[0]))
    return weights


@cache
def _sparse_mel_matrix(rate: int) -> Any:
    """The same without its zeros. Its product takes one thread: several that wait for each other
    take ten times as long where processes share the cores."""
    from scipy.sparse import csc_array  # type: ignore[import-untyped]

    return csc_array(mel_matrix(rate))


def _mel(hertz: Any) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 2595 * np.log10(1 + np.asarray(hertz, np.float64) / 700)
    return mel


def _padded(window: int) -> int:
    """The next power of two."""
    return 1 << (window - 1).bit_length()
