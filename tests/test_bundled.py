"""The bundled model on the example recordings, and on what is not speech."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import speechrnn

EXAMPLES = Path(__file__).parent.parent / "examples"
SAID = {"letters.wav": "S M I T H", "digits.wav": "FOUR ONE TWO FIVE SEVEN SIX", "command.wav": "ENTER SIX EIGHT"}
RATE = 16000


@pytest.fixture(scope="module")
def recognizer():
    return speechrnn.load()


@pytest.mark.parametrize("name", SAID)
def test_examples_are_heard(recognizer, name):
    assert recognizer.transcribe(EXAMPLES / name).text == SAID[name]


@pytest.mark.parametrize("decibels", [-20, 20])
@pytest.mark.parametrize("name", SAID)
def test_gain_does_not_change_the_text(recognizer, name, decibels):
    samples, rate = soundfile.read(EXAMPLES / name, dtype="float32")
    louder = samples * np.float32(10 ** (decibels / 20))
    assert recognizer.transcribe(louder, rate).text == recognizer.transcribe(samples, rate).text


def nonspeech() -> dict[str, np.ndarray]:
    """Five seconds each of things that nobody says."""
    random = np.random.default_rng(7)
    t = np.arange(5 * RATE) / RATE
    notes = np.repeat(261.63 * 2 ** (np.array([0, 4, 7, 12, 7, 4, 5, 9, 12, 9]) / 12), RATE // 2)
    phase = 2 * np.pi * np.cumsum(notes) / RATE
    decay = np.exp(-3 * (t % 0.5))
    return {
        "silence": np.zeros(5 * RATE),
        "one bit of dither": random.integers(-1, 2, 5 * RATE) / 32768,
        "white noise": random.normal(0, 0.1, 5 * RATE),
        "quiet noise": random.normal(0, 0.001, 5 * RATE),
        "brown noise": np.cumsum(random.normal(0, 0.001, 5 * RATE)),
        "a tone": 0.3 * np.sin(2 * np.pi * 1000 * t),
        "a melody": 0.2 * decay * (np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.3 * np.sin(3 * phase)),
        "a constant": np.full(5 * RATE, 0.25),
    }


@pytest.mark.parametrize("kind", nonspeech())
def test_what_is_not_speech_gives_next_to_no_text(recognizer, kind):
    text = recognizer.transcribe(nonspeech()[kind].astype(np.float32), RATE).text
    assert len(text) <= 3, text


def test_alone_and_in_a_batch_are_the_same(recognizer):
    waves = [recognizer.read(EXAMPLES / name) for name in SAID]
    together = recognizer.acoustic.log_probs(waves)
    for wave, log_probs in zip(waves, together, strict=True):
        alone = recognizer.acoustic.log_probs([wave])[0]
        assert alone.shape == log_probs.shape
        assert np.abs(alone - log_probs).max() < 1e-4
