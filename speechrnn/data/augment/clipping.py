"""Overdriven recordings: samples beyond the range of the converter are cut off."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn


@dataclass
class ClippingConfig:
    """How many utterances are overdriven, and how far."""

    probability: float = 0.0  # of an utterance; 0: off
    decibels: list[float] = field(default_factory=lambda: [0.0, 10.0])  # by which the peak exceeds the range: a range
    offset: float = 0.05  # the largest DC offset that these utterances get, of full scale


class Clipping(nn.Module):
    """Raises some utterances so that their peak exceeds full scale, adds a DC offset, and cuts off what is outside [-1, 1]."""

    def __init__(self, config: ClippingConfig):
        super().__init__()
        self.config = config

    def forward(
        self, waveform: Tensor, lengths: Tensor, generators: Sequence[np.random.Generator]
    ) -> tuple[Tensor, Tensor]:
        """(batch, samples), (batch,) on the CPU, and a generator an utterance -> the same shapes."""
        rows = np.flatnonzero([generator.random() < self.config.probability for generator in generators])
        if not len(rows):
            return waveform, lengths
        drawing = [generators[row] for row in rows.tolist()]
        low, high = self.config.decibels
        factors = 10 ** (np.array([generator.uniform(low, high) for generator in drawing]) / 20)
        offsets = np.array([generator.uniform(-self.config.offset, self.config.offset) for generator in drawing])
        index = torch.from_numpy(rows).to(waveform.device, non_blocking=True)
        factor, offset = (torch.from_numpy(each).to(waveform)[:, None] for each in (factors, offsets))
        chosen = waveform[index]
        peak = chosen.abs().amax(1, keepdim=True).clamp(min=1e-9)
        valid = (torch.arange(waveform.shape[1]) < lengths[rows, None]).to(waveform.device, non_blocking=True)
        result = waveform.clone()
        result[index] = (chosen * (factor / peak) + offset).clamp(-1, 1) * valid
        return result, lengths
