"""Pitch shift and time stretch: one changes without the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from speechrnn.data.augment.speed import SpeedPerturbation, steps_between
from speechrnn.nn.front_end import frame_mask

WINDOW_SECONDS = (
    0.064  # of the phase vocoder, rounded to a power of two of samples: resolves the harmonics of low voices
)


@dataclass
class PitchConfig:
    """Voices made higher or lower at the same pace."""

    probability: float = 0.0  # of an utterance to be shifted; 0: off
    semitones: list[float] = field(
        default_factory=lambda: [-2.0, 2.0]
    )  # a range; drawn in steps of 1 % of the frequency


@dataclass
class StretchConfig:
    """Speech made faster or slower at the same pitch."""

    probability: float = 0.0  # of an utterance to be stretched; 0: off
    speed: list[float] = field(default_factory=lambda: [0.9, 1.1])  # a range of factors; above 1 is faster


class PitchAndStretch(nn.Module):
    """Shifts the pitch and stretches the time of some utterances, by resampling and a phase vocoder, once for both."""

    window: Tensor

    def __init__(self, pitch: PitchConfig, stretch: StretchConfig, sample_rate: int):
        super().__init__()
        self.pitch, self.stretch = pitch, stretch
        low, high = (2 ** (semitones / 12) for semitones in pitch.semitones)
        self.resample = SpeedPerturbation([1.0, *steps_between(low, high)])
        window = 1 << round(np.log2(WINDOW_SECONDS * sample_rate))
        self.register_buffer("window", torch.hann_window(window), persistent=False)

    @property
    def fastest(self) -> float:
        """The factor by which an utterance may become shorter."""
        return max(1.0, self.stretch.speed[1]) if self.stretch.probability else 1.0

    def draw(self, generators: Sequence[np.random.Generator]) -> tuple[np.ndarray, np.ndarray]:
        """(utterances,) indices of the factors that shift the pitches, 0 for none, and (utterances,) speeds, 1 for none."""
        choice, speed = np.zeros(len(generators), np.int64), np.ones(len(generators))
        low, high = self.stretch.speed
        for row, generator in enumerate(generators):
            if generator.random() < self.pitch.probability:
                choice[row] = generator.integers(1, len(self.resample.factors))
            if generator.random() < self.stretch.probability:
                speed[row] = generator.uniform(low, high)
        return choice, speed

    def forward(
        self, waveform: Tensor, lengths: Tensor, generators: Sequence[np.random.Generator]
    ) -> tuple[Tensor, Tensor]:
        """(batch, samples), (batch,) on the CPU, and a generator an utterance -> the same with other lengths."""
        choice, speed = self.draw(generators)
        rows = np.flatnonzero((choice > 0) | (speed != 1))
        if not len(rows):
            return waveform, lengths
        wanted = torch.from_numpy(np.ceil(lengths[rows].numpy() / speed[rows]).astype(np.int64))
        index = torch.from_numpy(rows).to(waveform.device, non_blocking=True)
        part, own = self.resample(waveform[index], lengths[rows], choice[rows])
        part = vocoder(part[:, : int(own.max())], own, wanted, self.window)
        changed = lengths.clone()
        changed[rows] = wanted
        result = waveform.new_zeros(len(waveform), int(changed.max()))
        kept = min(result.shape[1], waveform.shape[1])
        result[:, :kept] = waveform[:, :kept]
        result[index] = nn.functional.pad(part, (0, result.shape[1] - part.shape[1]))
        return result, changed


def vocoder(waveform: Tensor, lengths: Tensor, wanted: Tensor, window: Tensor) -> Tensor:
    """(batch, samples) of `lengths` stretched to the lengths `wanted`, both (batch,) on the CPU -> (batch, longest wanted).

    The phase vocoder (Flanagan and Golden 1966; Dolson 1986): frame k of the result takes its amplitudes from between the two
    frames around its place in the original, and its phases go on from frame k - 1 as fast as they do between those two. Each
    bin keeps its phase by itself, so a tone comes out up to 1 dB softer, as librosa's does. Frames past an utterance's end are
    the same whatever it is padded to: zeros make at least one empty frame.
    """
    size, hop = len(window), len(window) // 4
    spectrum = torch.stft(
        nn.functional.pad(waveform, (0, size)), size, hop, window=window, pad_mode="constant", return_complex=True
    ).transpose(1, 2)  # (batch, frames, bins)
    amplitude, phase = spectrum.abs(), spectrum.angle()

    frames = -(-int(wanted.max()) // hop) + 4  # the last reach past the end: each sample is in 4 windows
    places = np.arange(frames) * (lengths.numpy() / wanted.numpy())[:, None]  # in frames of the original
    places = np.minimum(places, spectrum.shape[1] - 2)
    before = torch.from_numpy(places.astype(np.int64)).to(waveform.device, non_blocking=True)
    share = torch.from_numpy(places % 1).to(waveform.device, waveform.dtype, non_blocking=True)[:, :, None]
    row = torch.arange(len(waveform), device=waveform.device)[:, None]

    step = phase.diff(dim=1)[row, before[:, :-1]]
    phases = torch.cat([phase[:, :1], step], dim=1).cumsum(dim=1)
    amplitudes = torch.lerp(amplitude[row, before], amplitude[row, before + 1], share)
    pieces = torch.fft.irfft(torch.polar(amplitudes, phases), n=size) * window  # (batch, frames, size)
    samples = int(wanted.max())
    result = overlap_add(pieces, size // 2, samples)
    # not torch.istft, which does the same and looks at this sum on the host: a GPU would be waited for
    result = result / overlap_add(window.square().expand(1, frames, size), size // 2, samples)
    return result * frame_mask(wanted.to(waveform.device, non_blocking=True), samples)


def overlap_add(pieces: Tensor, first: int, samples: int) -> Tensor:
    """(batch, frames, size), each a quarter of `size` after the one before -> (batch, samples) of their sum, from `first` on."""
    batch, frames, size = pieces.shape
    quarters = pieces.reshape(batch, frames, 4, size // 4)
    total = pieces.new_zeros(batch, frames + 3, size // 4)
    for number in range(4):
        total[:, number : number + frames] += quarters[:, :, number]
    return total.reshape(batch, -1)[:, first : first + samples]
