"""The bundled models on the example recordings, and on what is not speech."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lexicons import assert_same

import speechrnn
from speechrnn.package import BUNDLED, DEFAULT, read_package
from speechrnn.scoring.errors import word_errors
from speechrnn.search.language_model import read_packaged

EXAMPLES = Path(__file__).parent.parent / "examples"
SENTENCES = {
    "english/sunset.wav": "the sun had gone down behind the hills and the road was dark",
    "english/letter.wav": "she read the letter twice and said nothing for a long time",
    "english/question.wav": "where did you find the old book",
}
SAID = {"letters.wav": "S M I T H", "digits.wav": "FOUR ONE TWO FIVE SEVEN SIX", "command.wav": "ENTER SIX EIGHT"}
RATE = 16000


ERRORS = 3  # of the 32 words of the sentences: more than the model makes, and fewer than a broken one would


@pytest.fixture(scope="module", params=["an4", "english"])
def recognizer(request):
    return speechrnn.load(request.param)


@pytest.mark.parametrize("name", SAID)
def test_an4_hears_the_examples(name):
    assert speechrnn.load("an4").transcribe(EXAMPLES / name).text == SAID[name]


def test_the_default_hears_sentences():
    transcripts = speechrnn.load().transcribe([EXAMPLES / name for name in SENTENCES])
    errors = word_errors(list(SENTENCES.values()), [transcript.text for transcript in transcripts])
    assert sum(each.errors for each in errors) <= ERRORS, [transcript.text for transcript in transcripts]


def test_the_default_starts_with_the_lexicon_that_was_made_of_its_texts():
    package = read_package(BUNDLED / DEFAULT)
    model = read_packaged(package)
    assert model.word_ids is not None, "`speechrnn models index english` makes it anew"
    assert "pronunciations" not in vars(package.tokenizer)  # lexicon.txt was not read
    built = read_packaged(replace(package, lexicon_file=None))
    assert_same(model.lexicon, built.lexicon)
    assert model.word_ids.tolist() == built.ngram.indices(built.lexicon.words).tolist()


@pytest.mark.parametrize("decibels", [-20, 20])
@pytest.mark.parametrize("name", SAID)
def test_gain_does_not_change_the_text(recognizer, name, decibels):
    samples, rate = soundfile.read(EXAMPLES / name, dtype="float32")
    louder = samples * np.float32(10 ** (decibels / 20))
    assert recognizer.transcribe(louder, rate).text == recognizer.transcribe(samples, rate).text


def surrounded(samples: np.ndarray, rate: int, seconds: float, level: float | None) -> np.ndarray:
    """Samples with so many seconds of noise of a level in dBFS before and after them; None is digital silence."""
    around = np.zeros(round(seconds * rate), np.float32)
    if level is not None:
        around = np.random.default_rng(0).normal(0, 10 ** (level / 20), len(around)).astype(np.float32)
    return np.concatenate([around, samples, around])


@pytest.mark.parametrize("level", [None, -66.0], ids=["zeros", "noise"])
@pytest.mark.parametrize(
    "model, said, seconds, most",
    [("english", SENTENCES, 2, ERRORS), ("english", SENTENCES, 20, ERRORS), ("an4", SAID, 2, 1)],
)
def test_what_surrounds_the_speech_does_not_matter(model, said, seconds, most, level):
    recordings = [surrounded(*soundfile.read(EXAMPLES / name, dtype="float32"), seconds, level) for name in said]
    texts = [found.text for found in speechrnn.load(model).transcribe(recordings, RATE)]
    assert sum(each.errors for each in word_errors(list(said.values()), texts)) <= most, texts


@pytest.mark.parametrize("change", [lambda x: x + 0.1, lambda x: x.clip(-np.abs(x).max() / 2, np.abs(x).max() / 2)])
def test_an_offset_and_clipping_hardly_matter(change):
    recordings = [change(soundfile.read(EXAMPLES / name, dtype="float32")[0]) for name in SENTENCES]
    texts = [found.text for found in speechrnn.load("english").transcribe(recordings, RATE)]
    assert sum(each.errors for each in word_errors(list(SENTENCES.values()), texts)) <= ERRORS + 1, texts


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
