"""Speed perturbation: utterances played faster or slower, pitch included."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from speechrnn.data.augment.torch_audio import torchaudio
from speechrnn.errors import InputError
from speechrnn.nn.front_end import frame_mask


class SpeedPerturbation(nn.Module):
    """Plays each utterance faster or slower, pitch included (Ko et al., Interspeech 2015), by resampling."""

    def __init__(self, factors: Sequence[float]):
        super().__init__()
        self.factors = list(factors)
        self.ratios = [Fraction(factor).limit_denominator(100) for factor in factors]
        if not all(self.ratios):
            raise InputError(f"augment.speed: expected factors of 0.01 or more, found {min(factors)}")
        # speed 11/10: 11 samples become 10
        self.resamplers = nn.ModuleList(_resampler(ratio) for ratio in self.ratios)

    def forward(self, waveform: Tensor, lengths: Tensor, choice: np.ndarray) -> tuple[Tensor, Tensor]:
        """(batch, samples), (batch,), and for each utterance the index of its factor -> the same with other lengths.

        The lengths stay on their device; on the CPU, nothing waits for a GPU.
        """
        if all(self.ratios[index] == 1 for index in choice):
            return waveform, lengths
        changed, groups = lengths.clone(), []
        for index in np.unique(choice):
            ratio = self.ratios[index]
            rows = torch.from_numpy(np.flatnonzero(choice == index))
            own = lengths[rows.to(lengths.device)]
            rounded_up = own * ratio.denominator + ratio.numerator - 1
            changed[rows.to(lengths.device)] = torch.div(rounded_up, ratio.numerator, rounding_mode="floor")
            rows = rows.to(waveform.device)
            groups.append((rows, self.resamplers[index](waveform[rows, : int(own.max())])))
        output = waveform.new_zeros(len(waveform), int(changed.max()))
        for rows, resampled in groups:
            output[rows, : resampled.shape[1]] = resampled[:, : output.shape[1]]
        return output * frame_mask(changed.to(waveform.device), output.shape[1]), changed


def _resampler(ratio: Fraction) -> nn.Module:
    if ratio == 1:
        return nn.Identity()
    transforms = torchaudio("transforms", "augment.speed", "augment.speed=[1.0]")
    return transforms.Resample(ratio.numerator, ratio.denominator)


def steps_between(low: float, high: float) -> list[float]:
    """The factors from `low` to `high`, both rounded to hundredths, in steps of 1 %.

    Such ratios are resampled by one small convolution each: a batch at 31 of them takes as long as one at 7 (9 ms for 150 s),
    and a windowed sinc at any factor whatever takes 28 times that.
    """
    return [n / 100 for n in range(math.floor(100 * low + 0.5), math.floor(100 * high + 0.5) + 1)]
