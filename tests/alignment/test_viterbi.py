"""The CTC Viterbi alignment against torchaudio's and against every path; words with times."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from conftest import TOKENS
from hypothesis import given, settings
from hypothesis import strategies as st

from speechrnn.alignment import viterbi
from speechrnn.alignment.viterbi import LEAD, TAIL, align, align_words
from speechrnn.errors import InputError
from speechrnn.text import Tokenizer

TOKENIZER = Tokenizer(TOKENS)
FRAME = 0.04


def random_log_probs(seed, frames, tokens, spread):
    x = np.random.default_rng(seed).normal(0, spread, (frames, tokens))
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def needed(ids):
    return len(ids) + sum(a == b for a, b in itertools.pairwise(ids))


def tokens_of(path, ids):
    """What `align` gives, as a token each frame."""
    return np.append(ids, 0)[path]  # -1 is the blank at the end


def score(log_probs, tokens):
    return float(log_probs[np.arange(len(tokens)), tokens].sum())


def spells(tokens):
    return [token for token, _ in itertools.groupby(tokens) if token]


@st.composite
def tasks(draw):
    tokens = draw(st.integers(2, 6))  # few, so that there are repeats
    ids = draw(st.lists(st.integers(1, tokens - 1), min_size=1, max_size=40))
    frames = needed(ids) + draw(st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 80)))
    spread = draw(st.sampled_from([0.1, 1.0, 10.0]))  # flat to peaky
    return random_log_probs(draw(st.integers(0, 2**32)), frames, tokens, spread), ids


@settings(deadline=None, max_examples=300)
@given(tasks(), st.sampled_from([1, 2, 3, 7, viterbi.BLOCK]))
def test_equals_torchaudio(task, block):
    import torch
    import torchaudio

    log_probs, ids = task
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(viterbi, "BLOCK", block)
        path = align(log_probs, ids)
    theirs, _ = torchaudio.functional.forced_align(torch.from_numpy(log_probs)[None], torch.tensor([ids]).int())
    theirs = theirs[0].numpy()
    ours = tokens_of(path, ids)
    assert spells(ours) == ids
    assert score(log_probs, ours) == pytest.approx(score(log_probs, theirs), rel=1e-12)
    assert np.array_equal(ours, theirs)  # random numbers in float64: the path is unique


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.lists(st.integers(1, 2), min_size=1, max_size=4), st.integers(0, 2**32))
def test_no_path_is_better_even_with_ties(frames, ids, seed):
    """Probabilities of few values, 0 among them, against all paths. Of ties torchaudio misses some."""
    log_probs = np.random.default_rng(seed).choice([-np.inf, -2.0, -1.0], (frames, 3))
    paths = [path for path in itertools.product(range(3), repeat=frames) if spells(path) == ids]
    best = max((score(log_probs, path) for path in paths), default=-np.inf)
    if best == -np.inf:
        with pytest.raises(InputError):
            align(log_probs, ids)
    else:
        ours = tokens_of(align(log_probs, ids), ids)
        assert spells(ours) == ids
        assert score(log_probs, ours) == best


def test_positions_rise_and_every_token_has_a_frame():
    log_probs = random_log_probs(1, 2000, 5, 2.0)  # several blocks
    ids = np.random.default_rng(2).integers(1, 5, 700)
    path = align(log_probs, ids)
    on = path[path >= 0]
    assert path.shape == (2000,)
    assert np.array_equal(np.unique(on), np.arange(700))
    assert (np.diff(on) >= 0).all()


def test_the_fewest_frames_leave_one_path():
    path = align(random_log_probs(3, 6, 4, 1.0), [1, 1, 2, 3, 3][:4])
    assert (path >= 0).sum() >= 4
    assert align(random_log_probs(3, 7, 4, 1.0), [1, 1, 2, 3, 3]).tolist() == [0, -1, 1, 2, 3, -1, 4]


def test_a_text_too_long_says_the_frames_needed_and_found():
    with pytest.raises(InputError, match="5 tokens need 7 frames, found 6"):
        align(random_log_probs(0, 6, 4, 1.0), [1, 1, 2, 3, 3])
    with pytest.raises(InputError, match="1 tokens need 1 frames, found 0"):
        align(np.zeros((0, 4), np.float32), [1])


def test_nan_is_refused():
    log_probs = random_log_probs(0, 6, 4, 1.0)
    log_probs[3, 1] = np.nan
    with pytest.raises(InputError, match="NaN in 1 of 6 frames"):
        align(log_probs, [1])


def test_a_text_of_probability_zero_is_refused():
    log_probs = random_log_probs(0, 6, 4, 1.0)
    log_probs[:, 2] = -np.inf
    with pytest.raises(InputError, match="probability 0"):
        align(log_probs, [1, 2])


@pytest.mark.parametrize("frames", [0, 1, 1000])
def test_no_text_is_all_blank(frames):
    log_probs = random_log_probs(0, frames, 4, 1.0)
    assert align(log_probs, []).tolist() == [-1] * frames
    assert align_words(log_probs, [], TOKENIZER, FRAME, frames * FRAME) == ()


def peaks(spoken, frames):
    """Log-probabilities with a peak for each (frame, character, probability), and blank elsewhere."""
    p = np.full((frames, len(TOKENS)), 1e-4)
    p[:, 0] = 1 - p[:, 1:].sum(axis=1)
    for frame, character, probability in spoken:
        p[frame] = (1 - probability) / (len(TOKENS) - 1)
        p[frame, TOKENS.index(character)] = probability
    return np.log(p).astype(np.float32)


def test_times_and_confidence_of_words():
    log_probs = peaks(
        [
            (10, "H", 0.9),
            (12, "I", 0.4),
            (18, "|", 0.9),
            (40, "A", 0.8),
            (41, "A", 0.7),
            (43, "|", 0.9),
            (44, "B", 0.5),
        ],
        50,
    )
    hi, a, b = align_words(log_probs, ["HI", "A", "B"], TOKENIZER, FRAME, 50 * FRAME)
    assert [word.text for word in (hi, a, b)] == ["HI", "A", "B"]
    assert (hi.start, hi.end) == pytest.approx((10 * FRAME - LEAD, 13 * FRAME + TAIL))
    assert a.start == pytest.approx(40 * FRAME - LEAD)
    # Two frames lie between A and B, too few for TAIL and LEAD: shared out in their proportion
    assert a.end == pytest.approx(42 * FRAME + 2 * FRAME * TAIL / (LEAD + TAIL))
    assert b.start == pytest.approx(a.end)
    assert b.end == pytest.approx(45 * FRAME + TAIL)
    assert [word.confidence for word in (hi, a, b)] == pytest.approx([0.6, 0.8, 0.5], rel=1e-5)


def test_calibration_is_applied():
    log_probs = peaks([(3, "A", 0.5)], 8)
    (word,) = align_words(log_probs, ["A"], TOKENIZER, FRAME, 8 * FRAME, (2.0, 1.0))
    assert word.confidence == pytest.approx(1 / (1 + np.exp(-1.0)), rel=1e-5)


def test_a_word_of_two_is_one_word():
    log_probs = peaks([(3, "A", 0.9), (5, "|", 0.9), (7, "B", 0.9), (9, "|", 0.9), (11, "C", 0.9)], 16)
    ab, c = align_words(log_probs, ["A B", "C"], TOKENIZER, FRAME, 16 * FRAME)
    assert (ab.text, ab.start) == ("A B", pytest.approx(3 * FRAME - LEAD))
    assert c.start >= ab.end > 8 * FRAME


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.text("ABC", min_size=1, max_size=4), min_size=1, max_size=12),
    st.integers(0, 60),
    st.floats(0.001, 1.0),
    st.integers(0, 2**32),
)
def test_times_are_inside_the_audio_in_order_and_not_empty(words, spare, part, seed):
    frames = needed(TOKENIZER.encode(" ".join(words))) + spare
    duration = (frames - 1 + part) * FRAME  # the last frame may be covered only in part
    found = align_words(random_log_probs(seed, frames, len(TOKENS), 3.0), words, TOKENIZER, FRAME, duration)
    assert [word.text for word in found] == words
    times = [time for word in found for time in (word.start, word.end)]
    assert 0 <= times[0] and times[-1] <= duration
    assert all(word.start < word.end for word in found)
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))
    assert all(0 <= word.confidence <= 1 for word in found)


HOUR = """
import resource, time
import numpy as np
from speechrnn.alignment.viterbi import align
random = np.random.default_rng(0)
log_probs = np.log(random.dirichlet(np.full(30, 0.1), 90_000).astype(np.float32) + 1e-9)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
path = align(log_probs, random.integers(1, 30, 50_000))
print(time.perf_counter() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the largest memory of a process is counted in another unit")
def test_an_hour_of_dense_speech_in_a_minute_and_two_gigabytes():
    done = subprocess.run([sys.executable, "-c", HOUR], capture_output=True, text=True, check=True)
    seconds, mebibytes = map(float, done.stdout.split())
    assert seconds < 60
    assert mebibytes < 2000
