"""The whole pipeline through its Python interface, and greedy decoding."""

import dataclasses
import doctest
import io
import itertools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from ambiguous import blend, build_lm, without_tiny
from conftest import DESCRIPTION, RATE, TOKENS, tones
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import speechrnn
from speechrnn.alignment.viterbi import LEAD, TAIL
from speechrnn.errors import InputError
from speechrnn.package import write_decoder, write_package
from speechrnn.search.greedy import greedy
from speechrnn.text import Tokenizer


@pytest.fixture(scope="module")
def recognizer(package_dir):
    return speechrnn.load(package_dir, threads=1)


def collapse(path):
    """CTC's B: merge repeats, then drop blanks (Graves et al. 2006)."""
    return [token for token, _ in itertools.groupby(path) if token != 0]


@settings(deadline=None)
@given(arrays(np.int32, st.tuples(st.integers(0, 5), st.just(3)), elements=st.integers(-999, 0), unique=True))
def test_greedy_is_the_labelling_of_the_most_probable_path(scores):
    paths = itertools.product(range(3), repeat=len(scores))
    best = max(paths, key=lambda path: sum(int(frame[token]) for frame, token in zip(scores, path, strict=True)))
    assert greedy(scores.astype(np.float32)) == collapse(best)


@given(st.lists(st.integers(0, 3), max_size=40))
def test_greedy_collapses_as_groupby_does(path):
    log_probs = np.log(np.full((len(path), 4), 0.1, np.float32))
    log_probs[np.arange(len(path)), path] = np.log(0.7)
    assert greedy(log_probs) == collapse(path)


def test_greedy_refuses_nan():
    log_probs = np.zeros((5, 3), np.float32)
    log_probs[[1, 1, 4], [0, 2, 1]] = np.nan
    with pytest.raises(InputError, match="found NaN in 2 of 5 frames"):
        greedy(log_probs)


def test_a_file_an_object_and_an_array_say_the_same(recognizer, tmp_path):
    sound = tones("hello again")
    path = tmp_path / "hello.wav"
    soundfile.write(path, sound, RATE)
    expected = speechrnn.Transcript("hello again", len(sound) / RATE)
    assert recognizer.transcribe(path) == expected
    assert recognizer.transcribe(str(path)) == expected
    assert recognizer.transcribe(io.BytesIO(path.read_bytes())) == expected
    assert recognizer.transcribe(sound, rate=RATE) == expected
    assert recognizer.transcribe(sound.astype(np.float64), RATE) == expected
    assert recognizer.transcribe((sound * 2**15).astype(np.int16), RATE) == expected
    assert recognizer.transcribe(np.stack([sound, sound], axis=1), RATE) == expected
    assert recognizer.transcribe_waveforms([sound]) == [expected]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_other_rates(recognizer, rate):
    assert recognizer.transcribe(tones("any rate", rate), rate=rate).text == "any rate"


@pytest.mark.parametrize("gain", [0.1, 10, 1000])
def test_gain_does_not_change_the_text(recognizer, gain):
    assert recognizer.transcribe(tones("loud or soft") * gain, rate=RATE).text == "loud or soft"


def test_a_list_keeps_its_order(recognizer):
    texts = ["one", "twenty two", "a", "", "a longer text than the others", "zz top"]
    sounds = [tones(text) if text else np.zeros(RATE, np.int16) for text in texts]
    transcripts = recognizer.transcribe(sounds, rate=RATE)
    assert [t.text for t in transcripts] == texts
    assert [t.duration for t in transcripts] == [len(sound) / RATE for sound in sounds]
    assert transcripts == [recognizer.transcribe(sound, rate=RATE) for sound in sounds]
    assert recognizer.transcribe([]) == []


def test_log_probs(recognizer):
    sound = tones("abc")
    log_probs = recognizer.log_probs(sound, rate=RATE)
    assert log_probs.shape == (15, len(TOKENS))
    assert recognizer.decode(log_probs, len(sound)) == recognizer.transcribe(sound, RATE)


@pytest.mark.parametrize("samples", [1, 2, 100, 640])
def test_hardly_any_sound_is_an_empty_text(recognizer, samples):
    transcript = recognizer.transcribe(np.zeros(samples), rate=RATE)
    assert transcript == speechrnn.Transcript("", samples / RATE)


@pytest.mark.parametrize(("case", "text"), [("lower", "case"), ("upper", "CASE"), ("as_is", "CASE")])
def test_output_case(recognizer, monkeypatch, case, text):
    monkeypatch.setattr(recognizer, "package", dataclasses.replace(recognizer.package, output_case=case))
    assert recognizer.transcribe(tones("case"), rate=RATE).text == text


def test_a_transcript_is_json_ready():
    transcript = speechrnn.Transcript("hello", 1.5)
    assert json.loads(json.dumps(transcript.to_dict())) == {"text": "hello", "duration": 1.5}


def test_words_and_segments_are_json_ready(recognizer):
    transcript = recognizer.transcribe(tones("go"), RATE, times=True)
    (segment,), (word,) = transcript.segments, transcript.words
    assert word.to_dict() == {"text": "go", "start": word.start, "end": word.end, "confidence": word.confidence}
    assert segment.to_dict()["words"] == (word.to_dict(),)
    read = json.loads(json.dumps(transcript.to_dict()))
    assert read["segments"] == [{"text": "go", "start": word.start, "end": word.end, "words": [word.to_dict()]}]
    (bare,) = recognizer.segments(tones("go"), RATE)
    assert set(bare.to_dict()) == {"text", "start", "end"}


@pytest.mark.parametrize("keywords", [{}, {"lm": True, "nbest": 2, "hotwords": "day", "beam": 8}])
def test_threads_may_share_a_recogniser(package_dir, tmp_path, keywords):
    if keywords:
        keywords = {**keywords, "lm": build_lm(tmp_path)}
    pairs = [("good way now", "good day now"), ("gold day", "good day"), ("now now", "now not"), ("a", "a")]
    sounds = [np.tile(blend(*pairs[i % 4], 0.5 + 0.01 * i), 20 if i % 6 == 0 else 1) for i in range(12)]
    alone = speechrnn.load(package_dir, 1, **keywords)
    expected = [alone.transcribe(sound, RATE, times=True).to_dict() for sound in sounds]
    assert any(len(each["segments"]) > 1 for each in expected)
    shared = speechrnn.load(package_dir, 1, **keywords)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda sound: shared.transcribe(sound, RATE, times=True).to_dict(), sounds * 2))
    assert found == expected * 2


def test_the_examples_of_the_documentation(monkeypatch):
    root = Path(__file__).parent.parent
    monkeypatch.chdir(root)
    blocks = re.findall(r"```python\n(.*?)```", (root / "docs" / "api.md").read_text(), re.DOTALL)
    for name, text in (("speechrnn", speechrnn.__doc__), ("docs/api.md", "\n".join(blocks))):
        test = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
        assert len(test.examples) > 2
        told = []
        assert doctest.DocTestRunner().run(test, out=told.append).failed == 0, "".join(told)


def test_errors_of_the_interface(recognizer, tmp_path):
    with pytest.raises(InputError, match="give rate="):
        recognizer.transcribe(tones("a"))
    with pytest.raises(InputError, match="absent.wav: cannot be read"):
        recognizer.transcribe([tones("a"), tmp_path / "absent.wav"], rate=RATE)
    with pytest.raises(InputError, match="model 'nope'"):
        speechrnn.load("nope")
    with pytest.raises(InputError, match="found no model.onnx"):
        speechrnn.load(tmp_path)


@pytest.mark.parametrize("keywords", [{}, {"beam": 8}, {"nbest": 2}])
def test_word_times_and_confidences(package_dir, keywords):
    recognizer = speechrnn.load(package_dir, 1, **keywords)
    transcript = recognizer.transcribe(tones("go for it"), RATE, times=True)
    assert [word.text for word in transcript.words] == ["go", "for", "it"]
    for word, (first, last) in zip(transcript.words, [(0, 1), (3, 5), (7, 8)], strict=True):
        assert word.start == pytest.approx(max(0.2 * first - LEAD, 0))
        assert word.end == pytest.approx(min(0.2 * last + 0.12 + TAIL, transcript.duration))
        assert 0.9 < word.confidence <= 1
    assert transcript.words == recognizer.align(tones("go for it"), "go for it", RATE).words
    assert recognizer.transcribe(np.zeros(RATE), RATE, times=True).words == ()
    assert recognizer.transcribe(tones("go for it"), RATE).words is None


def test_times_are_those_of_the_words_that_were_chosen(package_dir, tmp_path):
    recognizer = speechrnn.load(package_dir, 1, lm=build_lm(tmp_path))
    sound = blend("good way now", "good day now")
    transcript = recognizer.transcribe(sound, RATE, times=True)
    assert [word.text for word in transcript.words] == ["good", "day", "now"]
    assert transcript.words == recognizer.align(sound, "good day now", RATE).words
    assert transcript.words[1].confidence < min(transcript.words[0].confidence, transcript.words[2].confidence)


def test_times_of_a_word_that_is_spelled_otherwise(package_dir, tmp_path):
    def write_lm(folder):
        folder.mkdir()
        build_lm(folder, "good today now\nnow today\n" * 10, "ngram.lm")
        (folder / "lexicon.txt").write_text("GOOD\nNOW\nTODAY D A Y\n")

    write_decoder(speechrnn.load(package_dir).package, {"method": "beam"}, tmp_path / "spelled", write_lm)
    recognizer = speechrnn.load(tmp_path / "spelled", 1)
    transcript = recognizer.transcribe(tones("good day now"), RATE, times=True)
    assert transcript.text == "good today now"
    times = [(word.start, word.end, word.confidence) for word in transcript.words]
    assert times == [
        (word.start, word.end, word.confidence)
        for word in recognizer.align(tones("good day now"), "good day now", RATE).words
    ]


def test_together_and_one_by_one_are_the_same_with_a_language_model(package_dir, tmp_path):
    recognizer = speechrnn.load(package_dir, 1, lm=build_lm(tmp_path), nbest=2)
    texts = [
        ("good way now", "good day now"),
        ("gold day", "good day"),
        ("a", "a"),
        ("now now now now", "now not now now"),
    ]
    sounds = [blend(*texts[i % 4], 0.5 + 0.01 * i) for i in range(40)] + [np.zeros(RATE, np.float32)]
    together = recognizer.transcribe(sounds, RATE)
    for transcript, sound in zip(together, sounds, strict=True):
        alone = recognizer.transcribe(sound, RATE)
        assert transcript.text == alone.text
        ours, theirs = ([each.score for each in found.hypotheses] for found in (transcript, alone))
        assert ours == pytest.approx(theirs, abs=1e-4)
    assert together[-1].text == ""


@pytest.mark.parametrize("samples", [1, 640, 16000])
@pytest.mark.parametrize("keywords", [{"beam": 4}, {"nbest": 3}, {"hotwords": "day"}, {"lm": True}])
def test_silence_is_an_empty_text_however_it_is_decoded(package_dir, tmp_path, samples, keywords):
    keywords = {"lm": build_lm(tmp_path)} if "lm" in keywords else keywords
    transcript = speechrnn.load(package_dir, 1, **keywords).transcribe(np.zeros(samples), RATE)
    assert (transcript.text, transcript.duration) == ("", samples / RATE)


def test_a_transcript_with_everything_is_json_ready(package_dir):
    transcript = speechrnn.load(package_dir, 1, nbest=1).transcribe(tones("ab"), RATE, times=True)
    read = json.loads(json.dumps(transcript.to_dict()))
    assert [word["text"] for word in read["words"]] == ["ab"]
    assert [(each["text"], each["tokens"]) for each in read["hypotheses"]] == [("ab", [2, 3])]


@pytest.mark.parametrize("keywords", [{}, {"beam": 4}])
def test_nan_from_the_model_names_the_file(tmp_path, tone_onnx, keywords):
    write_package(tmp_path / "nan", without_tiny(tone_onnx), Tokenizer(TOKENS), DESCRIPTION, "")
    recognizer = speechrnn.load(tmp_path / "nan", 1, **keywords)
    noise = np.random.default_rng(0).normal(0, 1e-4, RATE).astype(np.float32)
    assert recognizer.transcribe(noise, RATE).text == ""
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    with pytest.raises(
        InputError, match=r"silence\.wav: log-probabilities: expected numbers, found NaN in 25 of 25 frames"
    ):
        recognizer.transcribe([noise, tmp_path / "silence.wav"], RATE)
