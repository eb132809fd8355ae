"""Augmentation of waveforms, on the batch and on its device."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn


class SpeedPerturbation(nn.Module):
    """Plays each utterance faster or slower, pitch included (Ko et al., Interspeech 2015), by resampling."""

    def __init__(self, factors: Sequence[float]):
        super().__init__()
        from torchaudio.transforms import Resample

        self.ratios = [Fraction(factor).limit_denominator(100) for factor in factors]
        # speed 11/10: 11 samples become 10
        self.resamplers = nn.ModuleList(Resample(r.numerator, r.denominator) for r in self.ratios)

    def forward(self, waveform: Tensor, lengths: Tensor, choice: np.ndarray) -> tuple[Tensor, Tensor]:
        """(batch, samples), (batch,), and for each utterance the index of its factor -> the same with other lengths."""
        results = []
        for index, (ratio, resampler) in enumerate(zip(self.ratios, self.resamplers, strict=True)):
            rows = torch.from_numpy(np.flatnonzero(choice == index)).to(waveform.device)
            if len(rows):
                new_lengths = torch.div(
                    lengths[rows] * ratio.denominator + ratio.numerator - 1, ratio.numerator, rounding_mode="floor"
                )
                results.append((rows, resampler(waveform[rows]), new_lengths))
        changed = lengths.clone()
        for rows, _, new_lengths in results:
            changed[rows] = new_lengths
        output = waveform.new_zeros(len(waveform), int(changed.max()))
        for rows, faster, _ in results:
            samples = min(faster.shape[1], output.shape[1])
            output[rows, :samples] = faster[:, :samples]
        return output, changed
