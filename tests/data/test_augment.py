"""Speed perturbation against torchaudio's resampling of each utterance by itself."""

import numpy as np
import pytest
import torch
import torchaudio

from speechrnn.data.augment import SpeedPerturbation

RATE = 16000
FACTORS = [0.9, 1.0, 1.1]
RATIOS = [(9, 10), (1, 1), (11, 10)]  # so many samples become so many


def test_each_utterance_is_resampled_as_if_alone():
    torch.manual_seed(0)
    lengths = torch.tensor([5000, 1, 3333, 4097, 999, 2500])
    choice = np.array([0, 2, 2, 1, 0, 2])
    waves = [torch.randn(int(n)) * 0.1 for n in lengths]
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    faster, new_lengths = SpeedPerturbation(FACTORS)(batch, lengths, choice)
    assert faster.shape == (6, int(new_lengths.max()))
    for row, length, wave, index in zip(faster, new_lengths.tolist(), waves, choice, strict=True):
        alone = torchaudio.functional.resample(wave, *RATIOS[index])
        assert length == len(alone)
        torch.testing.assert_close(row[:length], alone, atol=1e-5, rtol=0)


def test_the_original_speed_is_exact():
    wave = torch.randn(2, 1000)
    same, lengths = SpeedPerturbation(FACTORS)(wave, torch.tensor([1000, 600]), np.array([1, 1]))
    assert torch.equal(same, wave) and lengths.tolist() == [1000, 600]


@pytest.mark.parametrize("index, factor", list(enumerate(FACTORS)))
def test_pitch_and_length_move_by_the_factor(index, factor):
    wave = torch.sin(2 * np.pi * 1000 * torch.arange(RATE) / RATE)[None]
    faster, lengths = SpeedPerturbation(FACTORS)(wave, torch.tensor([RATE]), np.array([index]))
    assert lengths.tolist() == [int(np.ceil(RATE / factor))] == [faster.shape[1]]
    spectrum = np.abs(np.fft.rfft(faster[0].numpy() * np.hanning(faster.shape[1]), 4 * RATE))
    assert spectrum.argmax() / 4 == pytest.approx(1000 * factor, abs=1)
    assert faster[0, 2000:-2000].abs().max() == pytest.approx(1, abs=0.02)  # as loud as before
