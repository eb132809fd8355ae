"""Several channels as one, where their average would lose what is said."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from speechrnn.audio import read_audio

RATE = 16_000
SPEECH = read_audio(Path(__file__).parents[2] / "examples" / "english" / "sunset.wav", RATE)
NOISE = np.random.default_rng(0).normal(0, 0.1, len(SPEECH)).astype(np.float32)


@pytest.mark.parametrize("other", [-SPEECH, -0.8 * SPEECH, NOISE])
@pytest.mark.parametrize("first", [True, False])
def test_the_better_channel_is_taken_where_the_average_loses_the_signal(other, first):
    sound = np.stack([SPEECH, other] if first else [other, SPEECH], axis=1)
    with pytest.warns(UserWarning, match=r"array: channel [01] alone was read where the average"):
        read = read_audio(sound, RATE, rate=RATE)
    assert abs(np.corrcoef(read, SPEECH)[0, 1]) > 0.999


@pytest.mark.parametrize(
    "other", [SPEECH, 0.01 * SPEECH, 0 * SPEECH, np.roll(SPEECH, 8000), SPEECH[::-1], 0.001 * NOISE]
)
def test_else_the_channels_are_averaged(other):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_audio(np.stack([SPEECH, other], axis=1), RATE, rate=RATE)
    np.testing.assert_allclose(read, (SPEECH + other) / 2, atol=1e-6)
