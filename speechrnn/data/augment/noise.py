"""Noise added at a signal-to-noise ratio: recorded, or generated with a coloured spectrum."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from speechrnn.data.augment.recordings import Recordings
from speechrnn.data.augment.torch_audio import torchaudio

LOWEST = 20.0  # Hz; the spectrum is flat below: what no filter bank hears would else take most of brown noise's energy


@dataclass
class NoiseConfig:
    """Which noise is added to how many utterances."""

    probability: float = 0.0  # of an utterance to get noise; 0: off
    snr: list[float] = field(default_factory=lambda: [10.0, 30.0])  # dB, a range
    manifest: str | None = None  # of noise recordings; without one, noise is generated
    colour: list[float] = field(
        default_factory=lambda: [0.0, 2.0]
    )  # generated: the range of a in the power spectrum 1/f^a


class Noise(nn.Module):
    """Adds noise to some utterances, at an SNR over their valid samples."""

    def __init__(self, config: NoiseConfig, sample_rate: int, cache: str):
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        self.recordings = None
        if config.manifest:
            self.recordings = Recordings("augment.noise.manifest", config.manifest, sample_rate, cache)

    def forward(
        self, waveform: Tensor, lengths: Tensor, generators: Sequence[np.random.Generator]
    ) -> tuple[Tensor, Tensor]:
        """(batch, samples), (batch,) on the CPU, and a generator an utterance -> the same shapes."""
        functional = torchaudio("functional", "augment.noise", "augment.noise.probability=0")
        rows = np.flatnonzero([generator.random() < self.config.probability for generator in generators])
        if not len(rows):
            return waveform, lengths
        chosen = [generators[row] for row in rows.tolist()]
        low, high = self.config.snr
        snr = torch.tensor([generator.uniform(low, high) for generator in chosen], dtype=waveform.dtype)
        noise = self.noise(chosen, lengths[rows].tolist(), waveform.device)
        index = torch.from_numpy(rows).to(waveform.device, non_blocking=True)
        speech = waveform[index, : noise.shape[1]]
        noisy = functional.add_noise(speech, noise, snr.to(waveform.device, non_blocking=True))
        silent = (noise == 0).all(dim=1, keepdim=True)  # digital silence has no SNR
        result = waveform.clone()
        result[index, : noise.shape[1]] = torch.where(silent, speech, noisy)
        return result, lengths

    def noise(self, generators: Sequence[np.random.Generator], samples: list[int], device: torch.device) -> Tensor:
        """(batch, longest of `samples`) noise, each row as long as its utterance and zero beyond."""
        if self.recordings is None:
            low, high = self.config.colour
            a = [generator.uniform(low, high) for generator in generators]
            found = [
                coloured_noise(generator, length, exponent, self.sample_rate, device)
                for generator, length, exponent in zip(generators, samples, a, strict=True)
            ]
            return nn.utils.rnn.pad_sequence(found, batch_first=True)
        padded = torch.zeros(len(samples), max(samples), pin_memory=device.type == "cuda")
        for row, generator, length in zip(padded.numpy(), generators, samples, strict=True):
            row[:length] = self.recordings.stretch(generator, length)
        return padded.to(device, non_blocking=True)


def coloured_noise(
    generator: np.random.Generator, samples: int, exponent: float, sample_rate: int, device: torch.device
) -> Tensor:
    """(samples,) Gaussian noise with the power spectrum 1/f^exponent: 0 is white, 1 pink, 2 brown.

    The spectrum is drawn and transformed back (Timmer and König, Astronomy and Astrophysics 300, 1995), over the power of two
    that is at least `samples`, so it is the same whatever the utterance is batched with.
    """
    size = max(2, 1 << (samples - 1).bit_length())
    spectrum = torch.randn(
        size // 2 + 1, dtype=torch.complex64, generator=device_generator(generator, device), device=device
    )
    hertz = torch.arange(size // 2 + 1, device=device) * (sample_rate / size)
    shape = hertz.clamp(min=LOWEST) ** (-exponent / 2) * (hertz > 0)
    return torch.fft.irfft(spectrum * shape, n=size)[:samples]


def device_generator(generator: np.random.Generator, device: torch.device) -> torch.Generator:
    """A generator of the device that is seeded by an utterance's, for draws too many to be made on the CPU and moved."""
    return torch.Generator(device).manual_seed(int(generator.integers(2**63)))
