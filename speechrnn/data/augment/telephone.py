"""The telephone band: what a call sounds like after 8 kHz, a band-pass and G.711."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speechrnn.data.augment.torch_audio import torchaudio
from speechrnn.errors import InputError

RATE = 8000  # Hz, of the telephone network
BAND = (300.0, 3400.0)  # Hz, of ITU-T G.712
SECONDS = 0.025  # of the filters: the band's lower edge is 100 Hz wide
CODES = 256  # of G.711's mu-law: 8 bits a sample


@dataclass
class TelephoneConfig:
    """How many utterances are heard through a telephone."""

    probability: float = 0.0  # of an utterance; 0: off


class Telephone(nn.Module):
    """Narrows some utterances to the telephone band and codes them as ITU-T G.711 (mu-law) does.

    The signal is band-passed down to 8 kHz, coded, and low-passed up again: as `speechrnn.audio` reads a recorded call.
    """

    down: Tensor  # (1, 1, taps)
    up: Tensor  # (1, 1, taps)

    def __init__(self, config: TelephoneConfig, sample_rate: int):
        """Raises:
        InputError: the rate is no multiple of 8 kHz.
        """
        super().__init__()
        if sample_rate % RATE:
            raise InputError(
                f"augment.telephone: expected a model.sample_rate that is a multiple of {RATE} Hz, found {sample_rate}"
            )
        self.probability = config.probability
        self.factor = sample_rate // RATE
        self.register_buffer("down", _band_pass(*BAND, sample_rate), persistent=False)
        self.register_buffer("up", _band_pass(0.0, RATE / 2 * 0.95, sample_rate) * self.factor, persistent=False)

    def forward(
        self, waveform: Tensor, lengths: Tensor, generators: Sequence[np.random.Generator]
    ) -> tuple[Tensor, Tensor]:
        """(batch, samples), (batch,) on the CPU, and a generator an utterance -> the same shapes."""
        rows = np.flatnonzero([generator.random() < self.probability for generator in generators])
        if not len(rows):
            return waveform, lengths
        index = torch.from_numpy(rows).to(waveform.device, non_blocking=True)
        samples = int(lengths[rows].max())
        heard = self.call(waveform[index, :samples])
        valid = torch.arange(samples) < lengths[rows, None]
        result = waveform.clone()
        result[index, :samples] = heard * valid.to(waveform.device, non_blocking=True)
        return result, lengths

    def call(self, waveform: Tensor) -> Tensor:
        """(batch, samples) in [-1, 1] -> the same, through the telephone; what is louder is clipped, as it is there."""
        functional = torchaudio("functional", "augment.telephone", "augment.telephone.probability=0")
        half = self.down.shape[-1] // 2
        longer = F.pad(waveform, (0, 2 * half))  # the filters ring beyond an utterance's end, in a batch and alone
        narrow = F.conv1d(longer[:, None], self.down, stride=self.factor, padding=half).clamp(-1, 1)
        narrow = functional.mu_law_decoding(functional.mu_law_encoding(narrow, CODES), CODES)
        wide = F.conv_transpose1d(narrow, self.up, stride=self.factor, padding=half)[:, 0]
        return wide[:, : waveform.shape[1]]


def _band_pass(low: float, high: float, sample_rate: int) -> Tensor:
    """(1, 1, taps) of a linear-phase band-pass in Hz: windowed sinc (Oppenheim and Schafer, Discrete-Time Signal Processing)."""
    half = int(SECONDS / 2 * sample_rate)
    n = torch.arange(-half, half + 1, dtype=torch.float64)
    taps = sum(
        sign * 2 * edge / sample_rate * torch.sinc(2 * edge / sample_rate * n) for sign, edge in ((1, high), (-1, low))
    )
    return (taps * torch.hann_window(2 * half + 1, periodic=False, dtype=torch.float64)).float()[None, None]
