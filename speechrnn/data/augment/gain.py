"""Gain: utterances louder and softer."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Gain(nn.Module):
    """Multiplies each utterance by a gain drawn from a range in dB. Samples may leave [-1, 1]: nothing is clipped."""

    def __init__(self, decibels: Sequence[float]):
        super().__init__()
        self.decibels = tuple(decibels)

    def forward(
        self, waveform: Tensor, lengths: Tensor, generators: Sequence[np.random.Generator]
    ) -> tuple[Tensor, Tensor]:
        """(batch, samples), (batch,) and a generator an utterance -> the same shapes."""
        low, high = self.decibels
        drawn = np.array([generator.uniform(low, high) for generator in generators])
        factors = torch.from_numpy(10 ** (drawn / 20)).to(waveform.device, waveform.dtype, non_blocking=True)
        return waveform * factors[:, None], lengths
