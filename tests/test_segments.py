"""Long recordings: cut between words, in constant memory, with nothing lost."""

import itertools
import tracemalloc

import numpy as np
import pytest
import soundfile
from ambiguous import blend, build_lm
from conftest import RATE, TOKENS, tones
from hypothesis import given, settings
from hypothesis import strategies as st

import speechrnn
from speechrnn.acoustic import CONTEXT_SECONDS, WINDOW_SECONDS
from speechrnn.alignment.pauses import LONGEST, PAUSE, join, quiet, span, stretches
from speechrnn.errors import InputError
from speechrnn.text import BOUNDARY
from speechrnn.transcript import Hypothesis

SECONDS = 0.04  # a frame
SPACE = TOKENS.index(BOUNDARY)
WORDS = "some words of one to seven letters that follow each other without a rest until no one listens any more".split()


@pytest.fixture(scope="module")
def recognizer(package_dir):
    return speechrnn.load(package_dir, threads=1)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def found_in(chunks, *arguments) -> list[tuple[int, np.ndarray]]:
    """All stretches of log-probabilities in chunks."""
    return [stretch for found in stretches(chunks, *arguments) for stretch in found]


def frames_of(best: np.ndarray) -> np.ndarray:
    """Log-probabilities (frames, 4) whose best tokens these are; 0 is the blank, 1 the boundary."""
    log_probs = np.full((len(best), 4), np.log(0.1), np.float32)
    log_probs[np.arange(len(best)), best] = np.log(0.7)
    return log_probs


def runs(draw_lengths: list[tuple[int, int]]) -> np.ndarray:
    return np.concatenate([np.full(length, token) for token, length in draw_lengths])


# Runs of a few frames of any token, and of blanks that may last longer than LONGEST
PIECES = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 3), st.integers(1, 30)),
        st.tuples(st.just(0), st.integers(1, 1700)),
        st.tuples(st.just(2), st.integers(500, 900)),
    ),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=80)
@given(PIECES, st.lists(st.integers(1, 1200), min_size=1, max_size=8))
def test_stretches_hold_all_that_is_said_and_do_not_depend_on_the_chunks(pieces, sizes):
    log_probs = frames_of(runs(pieces))
    edges = [0, *itertools.takewhile(lambda at: at < len(log_probs), itertools.accumulate(itertools.cycle(sizes)))]
    chunks = [log_probs[a:b] for a, b in itertools.pairwise([*edges, len(log_probs)])]
    found = found_in(chunks, SECONDS, 1)
    at_once = found_in([log_probs], SECONDS, 1)
    assert [(first, len(own)) for first, own in found] == [(first, len(own)) for first, own in at_once]
    at, covered = 0, np.zeros(len(log_probs), bool)
    for first, own in found:
        assert first >= at and 0 < len(own) <= LONGEST / SECONDS
        np.testing.assert_array_equal(own, log_probs[first : first + len(own)])
        at = first + len(own)
        covered[first:at] = True
    assert covered[~quiet(log_probs, 1)].all()
    if len(log_probs) <= LONGEST / SECONDS:
        assert covered.all() and len(found) == 1
    elif len(found) > 1:
        assert not any(quiet(own, 1).all() for _, own in found)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 400), min_size=2, max_size=12), st.integers(0, 40))
def test_every_pause_ends_a_stretch(lengths, extra):
    """Speech without a quiet frame, pauses of at least PAUSE between."""
    pause = round(PAUSE / SECONDS) + extra
    log_probs = frames_of(runs([part for length in lengths for part in ((2, length), (0, pause))]))
    found = found_in([log_probs], SECONDS, 1)
    if len(log_probs) > LONGEST / SECONDS:
        spoken = [int((~quiet(own, 1)).sum()) for _, own in found]
        assert spoken == lengths


def test_without_pauses_the_cut_is_in_the_longest_gap_between_words_else_where_it_is_quietest():
    word = [(2, 20), (0, 3), (3, 20), (1, 1)]  # a gap of three frames inside, of one frame after it
    best = runs(word * 40)
    for first, own in found_in([frames_of(best)], SECONDS, 1)[1:]:
        assert best[first] == 1 or best[first - 1] == 1
        assert len(own) > 0
    # without a boundary anywhere the longest run of blanks
    best = runs([(2, 20), (0, 1), (2, 20), (0, 2)] * 40)
    for first, _ in found_in([frames_of(best)], SECONDS, 1)[1:]:
        assert best[first - 1 : first + 1].tolist() == [0, 0]
    # with no quiet frame at all, where a blank is likeliest
    log_probs = frames_of(np.full(1000, 2))
    log_probs[600, 0] = np.log(0.2)
    assert [first for first, _ in found_in([log_probs], SECONDS, 1)] == [0, 600]


def test_silence_of_hours_takes_no_memory_and_is_no_stretch():
    chunk = frames_of(np.zeros(750, np.int64))
    tracemalloc.start()
    assert found_in((chunk.copy() for _ in range(1200)), SECONDS, 1) == []
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    assert found_in([], SECONDS, 1) == []


def test_a_model_that_knows_no_boundary():
    best = runs([(2, 600), (0, 40), (1, 600)])
    assert [(first, len(own)) for first, own in found_in([frames_of(best)], SECONDS, None)] == [(0, 607), (633, 607)]


def test_span_is_where_somebody_speaks():
    log_probs = frames_of(runs([(0, 50), (2, 10), (1, 3), (2, 10), (0, 50)]))
    start, end = span(log_probs, SECONDS, 1, 123 * SECONDS)
    assert 1.9 < start <= 2.0 and 73 * SECONDS <= end < 73 * SECONDS + 0.2
    assert span(log_probs[:20], SECONDS, 1, 0.8) == (0.0, 0.8)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True), min_size=1, max_size=5),
    st.integers(1, 6),
)
def test_the_best_texts_of_a_recording_are_those_of_all_combinations(scores, nbest):
    lists = [
        [Hypothesis(f"w{i}{k}", (2 + k,), -float(score), -float(score) - 1, 1.0) for k, score in enumerate(sorted(own))]
        for i, own in enumerate(scores)
    ]
    found = join(lists, nbest, 1)
    combined = sorted(itertools.product(*lists), key=lambda choice: -sum(each.score for each in choice))
    assert [each.score for each in found] == [sum(part.score for part in choice) for choice in combined[:nbest]]
    for each in found:
        assert each.acoustic == pytest.approx(each.score - len(lists)) and each.language == len(lists)
        assert len(each.text.split()) == len(lists) and each.tokens.count(1) == len(lists) - 1


def sentences(count: int) -> list[str]:
    random = np.random.default_rng(count)
    return [" ".join(random.choice(WORDS, random.integers(1, 6))) for _ in range(count)]


def test_segments_are_the_sentences_between_the_pauses(recognizer, tmp_path):
    texts = sentences(30)
    pieces = [np.concatenate([silence(0.9), tones(text)]) for text in texts]
    sound = np.concatenate([*pieces, silence(50)])
    soundfile.write(tmp_path / "talk.wav", sound, RATE)
    told = []
    found = list(recognizer.segments(tmp_path / "talk.wav", times=True, heard=told.append))
    assert [segment.text for segment in found] == texts
    assert all(type(value) is float for segment in found for value in (segment.start, segment.end))
    at = 0.0
    for segment, piece in zip(found, pieces, strict=True):
        assert at + 0.8 < segment.start < at + 0.95
        at += len(piece) / RATE
        assert at - 0.1 < segment.end < at + 0.1
        assert " ".join(word.text for word in segment.words) == segment.text
        assert (segment.words[0].start, segment.words[-1].end) == (segment.start, segment.end)
    assert told == sorted(told) and told[-1] == len(sound) / RATE and len(told) > 50

    transcript = recognizer.transcribe(tmp_path / "talk.wav", times=True)
    assert transcript.segments == tuple(found)
    called = []
    assert recognizer.transcribe_blocks([sound], times=True, found=called.append).segments == tuple(called)
    assert [segment.text for segment in called] == texts
    assert transcript.text == " ".join(texts) and transcript.duration == len(sound) / RATE
    assert transcript.words == tuple(word for segment in found for word in segment.words)
    ends = [0.0, *(word.end for word in transcript.words)]
    assert all(end <= word.start < word.end for end, word in zip(ends, transcript.words, strict=False))
    aligned = recognizer.align(tmp_path / "talk.wav", " ".join(texts))
    assert aligned.duration == transcript.duration
    for ours, theirs in zip(transcript.words, aligned.words, strict=True):
        assert (ours.text, ours.start, ours.end) == (
            theirs.text,
            pytest.approx(theirs.start, abs=0.03),
            pytest.approx(theirs.end, abs=0.03),
        )


@pytest.mark.parametrize("keywords", [{}, {"beam": 4}])
def test_a_segment_comes_with_the_window_that_holds_its_pause(package_dir, keywords):
    recognizer = speechrnn.load(package_dir, threads=1, **keywords)
    texts, sound = sentences(20), np.concatenate([silence(1), tones("the first"), silence(1)])
    while len(sound) < 100 * RATE:
        sound = np.concatenate([sound, tones(texts[len(sound) % 20]), silence(1)])
    heard = []
    waits = []
    for segment in recognizer.segments(sound, RATE, heard=heard.append):
        waits.append(heard[-1] - segment.end)
        if len(waits) == 1:
            assert segment.text == "the first" and heard[-1] < WINDOW_SECONDS + CONTEXT_SECONDS + 2
    assert len(waits) > 10 and max(waits) < WINDOW_SECONDS + CONTEXT_SECONDS + 2


@pytest.mark.parametrize("seed", range(4))
def test_no_word_is_cut_where_nobody_pauses(recognizer, seed):
    text = " ".join(np.random.default_rng(seed).choice(WORDS, 80))
    transcript = recognizer.transcribe(tones(text), RATE)
    assert transcript.duration > 60 and len(transcript.segments) > 2
    assert transcript.text == text == " ".join(segment.text for segment in transcript.segments)
    assert all(segment.end - segment.start <= LONGEST for segment in transcript.segments)


def test_a_short_recording_is_one_segment(recognizer):
    sound = np.concatenate([silence(1), tones("one two"), silence(5), tones("three"), silence(1)])
    transcript = recognizer.transcribe(sound, RATE)
    (segment,) = recognizer.segments(sound, RATE)
    assert transcript.segments == (segment,)
    assert segment.text == transcript.text == "one twothree"  # nothing but a space said would be a space
    assert 0.9 < segment.start < 1.05 and transcript.duration - 1.1 < segment.end < transcript.duration - 0.9
    assert recognizer.transcribe(silence(1), RATE).segments == ()
    assert list(recognizer.segments(silence(100), RATE)) == []


def test_a_stretch_of_a_long_recording(recognizer):
    sound = np.concatenate([tones("before "), silence(40), tones("this"), silence(40), tones("after")])
    begin = len(tones("before ")) / RATE + 30
    (segment,) = recognizer.segments(sound, RATE, offset=begin, duration=35)
    assert segment.text == "this" and 9.9 < segment.start < 10.05


def test_a_list_of_long_and_short_recordings_keeps_its_order(recognizer):
    texts = ["short", " ".join(WORDS * 2), "", "another", " ".join(reversed(WORDS * 2)), "end"]
    sounds = [tones(text) if text else silence(1) for text in texts]
    transcripts = recognizer.transcribe(sounds, RATE, times=True)
    assert [transcript.text for transcript in transcripts] == texts
    assert transcripts == [recognizer.transcribe(sound, RATE, times=True) for sound in sounds]


def test_the_n_best_texts_of_a_long_recording(package_dir, tmp_path):
    recognizer = speechrnn.load(package_dir, 1, lm=build_lm(tmp_path), nbest=3)
    one = np.concatenate([blend("good way now", "good day now"), silence(0.8)])
    transcript = recognizer.transcribe(np.tile(one, 14), RATE, times=True)
    assert transcript.duration > 40 and len(transcript.segments) == 14
    assert transcript.text == " ".join(["good day now"] * 14) == transcript.hypotheses[0].text
    scores = [each.score for each in transcript.hypotheses]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert len({each.text for each in transcript.hypotheses}) == 3
    (nothing,) = recognizer.transcribe(silence(40), RATE).hypotheses
    assert (nothing.text, nothing.tokens, nothing.score) == ("", (), 0.0)
    first, second, *_ = (each.score for each in recognizer.transcribe(one, RATE).hypotheses)
    assert scores[0] - scores[1] == pytest.approx(first - second, abs=1e-3)  # one of the sentences is the second best


def test_channels_are_heard_one_by_one(recognizer):
    left, right = tones(" ".join(WORDS * 2)), tones(" ".join(reversed(WORDS * 2)))
    both = np.stack([left, right], axis=1)
    for channel, sound in enumerate((left, right)):
        assert recognizer.transcribe(both, RATE, channel=channel) == recognizer.transcribe(sound, RATE)
        assert recognizer.transcribe(both[:RATE], RATE, channel=channel) == recognizer.transcribe(sound[:RATE], RATE)


def test_what_cannot_be_used_is_named_when_it_is_met(recognizer, tmp_path):
    sound = np.concatenate([tones("hello"), silence(70), tones("hello"), silence(70)])
    sound[-1] = np.nan
    soundfile.write(tmp_path / "bad.wav", sound, RATE, subtype="FLOAT")
    found = []
    with pytest.raises(InputError, match=r"bad\.wav: expected finite samples, found NaN or infinity in 1 of"):
        for segment in recognizer.segments(tmp_path / "bad.wav"):
            found.append(segment.text)
    assert found == ["hello", "hello"]
    with pytest.raises(InputError, match=r"bad\.wav: expected finite samples"):
        recognizer.transcribe(tmp_path / "bad.wav")
    with pytest.raises(InputError, match=r"absent\.wav: cannot be read"):
        next(recognizer.segments(tmp_path / "absent.wav"))


def test_memory_does_not_grow_with_the_recording(recognizer):
    def blocks(seconds: int):
        one = np.concatenate([tones("word "), silence(1.0)])
        for _ in range(round(seconds * RATE / len(one))):
            yield one.copy()

    peaks = []
    for seconds in (120, 600):
        tracemalloc.start()
        transcript = recognizer.transcribe_blocks(blocks(seconds))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert transcript.duration == pytest.approx(seconds, abs=2)
        assert set(transcript.text.split()) == {"word"}
    assert peaks[1] < peaks[0] + 1_000_000  # 8 minutes are 31 MB of samples
