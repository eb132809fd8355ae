"""Prefix beam search: equal to the sum over all alignments of all texts, where there are few enough to write them out."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechrnn.errors import InputError
from speechrnn.lm.ngram import NgramModel
from speechrnn.search.beam import BeamSearch
from speechrnn.search.greedy import greedy
from speechrnn.search.hotwords import Hotwords
from speechrnn.search.lexicon import Lexicon
from speechrnn.text import BLANK, BOUNDARY, Tokenizer, raw

LETTERS = Tokenizer([BLANK, BOUNDARY, "a", "b"])
PHONES = Tokenizer([BLANK, "a", "b", "c"])
EVERYTHING = {"width": 10**6, "token_threshold": math.inf, "score_threshold": math.inf}
WEIGHTS = {"lm_weight": 0.7, "word_bonus": 0.3, "unknown_penalty": 1.5}


class Bigrams:
    """A language model with the interface of `NgramModel`, its probabilities a function of both words alone."""

    def __init__(self, words):
        self.words = ["<unk>", "<s>", "</s>", *words]
        self.empty, self.start = 0, 1

    def indices(self, words):
        return np.array([self.words.index(w) if w in self.words else 0 for w in words], np.int32)

    def probability(self, before, word):
        shares = np.random.default_rng([7, before]).dirichlet(np.ones(len(self.words)))
        return float(np.log(shares[word]))

    def score(self, states, words):
        scores = [self.probability(int(s), int(w)) for s, w in zip(states, words, strict=True)]
        return np.array(scores, np.float32), np.asarray(words, np.int64)

    def unigrams(self, words):
        return self.score(np.full(len(words), self.empty), words)[0]

    def text(self, words):
        ids = [1, *self.indices(words).tolist(), 2]
        return sum(self.probability(*pair) for pair in itertools.pairwise(ids)), ids.count(0)


@st.composite
def frames(draw, most=5):
    """Log-probabilities of up to five frames of four tokens, and how sharp they are is drawn, too."""
    length, seed = draw(st.integers(0, most)), draw(st.integers(0, 10**6))
    scores = np.random.default_rng(seed).normal(0, draw(st.sampled_from([0.3, 1.0, 4.0])), (length, 4))
    return (scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).astype(np.float32)


def all_sequences(log_probs):
    """The log-probability of every token sequence: its alignments written out and added."""
    sequences: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        labels = tuple(token for token, _ in itertools.groupby(path) if token != 0)
        score = float(sum(frame[token] for frame, token in zip(log_probs, path, strict=True)))
        sequences[labels] = np.logaddexp(sequences.get(labels, -np.inf), score)
    return sequences


def texts_of(tokenizer, log_probs):
    """The log-probability of every text."""
    texts: dict[str, float] = {}
    for labels, score in all_sequences(log_probs).items():
        text = tokenizer.decode(labels)
        texts[text] = np.logaddexp(texts.get(text, -np.inf), score)
    return texts


def language_of(lm, text):
    """What the language model says of a text, and what it is worth; each letter of an unknown word costs."""
    if lm is None:
        return 0.0, 0.0
    language, _ = lm.text(words := text.split())
    unknown = sum(len(word) for word in words if word not in lm.words)
    worth = WEIGHTS["lm_weight"] * language + WEIGHTS["word_bonus"] * len(words) - WEIGHTS["unknown_penalty"] * unknown
    return language, worth


def assert_equal(hypotheses, expected):
    """`expected`: text -> (score, acoustic, language). All of them, in order of score."""
    assert {h.text for h in hypotheses} == set(expected)
    for h in hypotheses:
        assert (h.score, h.acoustic, h.language) == pytest.approx(expected[h.text], abs=1e-4)
    scores = [h.score for h in hypotheses]
    assert scores == sorted(scores, reverse=True)


@settings(deadline=None, max_examples=40)
@given(frames())
def test_without_a_language_model_it_is_the_sum_over_all_alignments(log_probs):
    hypotheses = BeamSearch(LETTERS, **EVERYTHING).search(log_probs)
    assert_equal(hypotheses, {text: (p, p, 0.0) for text, p in texts_of(LETTERS, log_probs).items()})
    assert all(LETTERS.decode(h.tokens) == h.text for h in hypotheses)


@settings(deadline=None, max_examples=40)
@given(frames(), st.sampled_from([["a"], ["a", "ab", "bb"], ["ba", "abba"]]))
def test_with_a_language_model_on_an_open_vocabulary(log_probs, words):
    lm = Bigrams(words)
    hypotheses = BeamSearch(LETTERS, lm=lm, **EVERYTHING, **WEIGHTS).search(log_probs)
    expected = {}
    for text, acoustic in texts_of(LETTERS, log_probs).items():
        language, worth = language_of(lm, text)
        expected[text] = (acoustic + worth, acoustic, language)
    assert_equal(hypotheses, expected)


@settings(deadline=None, max_examples=40)
@given(frames(), st.sampled_from([["a"], ["a", "ab", "b"], ["ba", "ab", "aab"]]), st.booleans())
def test_with_a_closed_vocabulary(log_probs, words, with_lm):
    lm = Bigrams(words[:-1]) if with_lm else None  # a word that the model does not know
    search = BeamSearch(LETTERS, lm=lm, lexicon=Lexicon.from_words(words, LETTERS), **EVERYTHING, **WEIGHTS)
    expected = {}
    for text, acoustic in texts_of(LETTERS, log_probs).items():
        if set(text.split()) <= set(words):
            language, worth = language_of(lm, text)
            expected[text] = (acoustic + worth, acoustic, language)
    assert_equal(search.search(log_probs), expected)


ARPA = r"""\data\
ngram 1=5
ngram 2=4
ngram 3=2
\1-grams:
-1.5 <unk> -0.2
-99 <s> -0.4
-0.7 </s>
-0.5 a -0.3
-0.9 ab -0.1
\2-grams:
-0.2 <s> a -0.25
-0.6 a ab -0.15
-0.3 a a
-0.4 ab </s>
\3-grams:
-0.1 <s> a ab
-0.35 a ab </s>
\end\
"""


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log_probs=frames(), closed=st.booleans())
def test_with_an_arpa_file(tmp_path, log_probs, closed):
    """The states that the search carries give what the model says of whole sentences."""
    path = tmp_path / "lm.arpa"
    path.write_text(ARPA)
    lm = NgramModel.read(path)
    lexicon = Lexicon.from_words(["a", "ab"], LETTERS) if closed else None
    expected = {}
    for text, acoustic in texts_of(LETTERS, log_probs).items():
        words = text.split()
        unknown = [word for word in words if word not in ("a", "ab")]
        if not (closed and unknown):
            language = lm.score_sentence(words)
            worth = 0.7 * language + 0.3 * len(words) - 1.5 * len("".join(unknown))
            expected[text] = (acoustic + worth, acoustic, language)
    assert_equal(BeamSearch(LETTERS, lm=lm, lexicon=lexicon, **EVERYTHING, **WEIGHTS).search(log_probs), expected)


def segmentations(labels, spellings):
    """All ways to read token ids as words, each a tuple of words."""
    if not labels:
        yield ()
    for word, spelling in spellings:
        if labels[: len(spelling)] == spelling:
            for rest in segmentations(labels[len(spelling) :], spellings):
                yield word, *rest


PRONUNCIATIONS = [
    [("one", (1,)), ("two", (1, 2)), ("three", (2,))],
    [("one", (1, 2)), ("won", (1, 2)), ("two", (1,)), ("three", (2, 1)), ("three", (2, 2))],
    [("x", (1,)), ("y", (1,)), ("z", (1, 1)), ("z", (3,)), ("w", (1, 2, 3))],
]


@settings(deadline=None, max_examples=40)
@given(frames(), st.sampled_from(PRONUNCIATIONS), st.booleans())
def test_phones_with_several_pronunciations_and_homophones(log_probs, spellings, with_lm):
    words = list(dict.fromkeys(word for word, _ in spellings))
    lm = Bigrams(words[1:]) if with_lm else None
    lexicon = Lexicon(words, [(words.index(word), spelling) for word, spelling in spellings], PHONES)
    expected: dict[str, tuple] = {}
    for labels, score in all_sequences(log_probs).items():
        for reading in segmentations(labels, spellings):
            text = " ".join(reading)
            acoustic = np.logaddexp(score, expected[text][1] if text in expected else -np.inf)
            language, worth = language_of(lm, text)
            expected[text] = (acoustic + worth, acoustic, language)
    assert_equal(BeamSearch(PHONES, lm=lm, lexicon=lexicon, **EVERYTHING, **WEIGHTS).search(log_probs), expected)


@settings(deadline=None, max_examples=20)
@given(frames(most=4))
def test_phones_without_a_lexicon_are_phones(log_probs):
    hypotheses = BeamSearch(PHONES, **EVERYTHING).search(log_probs)
    assert {h.tokens: h.acoustic for h in hypotheses} == pytest.approx(all_sequences(log_probs), abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(
    frames(), st.sampled_from([{"ab": 1.0}, {"a": 2.0, "a b": 0.5}, {"a b a": 1.0, "b": 0.3, "ba": 3.0}]), st.booleans()
)
def test_hotwords_are_worth_their_weight_where_they_stand_whole(log_probs, weights, closed):
    words = ["a", "b", "ba", "ab"]
    lexicon = Lexicon.from_words(words, LETTERS) if closed else None
    search = BeamSearch(LETTERS, lexicon=lexicon, hotwords=Hotwords(weights, raw, LETTERS), **EVERYTHING)
    expected = {}
    for text, acoustic in texts_of(LETTERS, log_probs).items():
        said = text.split()
        if closed and not set(said) <= set(words):
            continue
        worth = 0.0
        for hotword, weight in weights.items():
            parts = hotword.split()
            places = sum(said[i : i + len(parts)] == parts for i in range(len(said)))
            worth += places * weight * len(hotword)
        expected[text] = (acoustic + worth, acoustic, 0.0)
    assert_equal(search.search(log_probs), expected)


@settings(deadline=None, max_examples=20)
@given(frames(), st.floats(0.5, 3))
def test_a_token_below_the_threshold_is_a_token_without_probability(log_probs, threshold):
    pruned = log_probs.copy()
    if len(pruned):
        out = pruned < pruned.max(axis=1, keepdims=True) - threshold
        out[:, 0] = False
        pruned[out] = -np.inf
    expected = {text: (p, p, 0.0) for text, p in texts_of(LETTERS, pruned).items() if p > -np.inf}
    assert_equal(BeamSearch(LETTERS, **{**EVERYTHING, "token_threshold": threshold}).search(log_probs), expected)


def test_sure_log_probs_give_what_greedy_gives():
    log_probs = np.log(np.full((50, 4), 1e-9, np.float32))
    log_probs[np.arange(50), np.random.default_rng(0).integers(0, 4, 50)] = 0
    best = BeamSearch(LETTERS).search(log_probs)[0]
    assert best.text == LETTERS.decode(greedy(log_probs)) != ""
    assert best.acoustic == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("lexicon", [None, Lexicon.from_words(["ab"], LETTERS)])
def test_nothing_said_is_an_empty_text(lexicon):
    search = BeamSearch(LETTERS, lexicon=lexicon)
    blank = np.tile(np.float32([-0.01, -30, -30, -30]), (25, 1))
    for frames in (0, 1, 25):
        assert [h.text for h in search.search(blank[:frames])] == [""]
        assert search.search(blank[:frames])[0].acoustic == pytest.approx(-0.01 * frames)
    only = np.full((3, 4), -np.inf, np.float32)
    only[:, 0] = 0
    assert search.search(only)[0].text == ""


def test_an_unfinished_word_falls_away_where_nothing_else_is_left():
    log_probs = np.log(np.full((3, 4), 1e-12))
    log_probs[[0, 1, 2], [2, 1, 3]] = 0  # "a b", and no word is "b"
    search = BeamSearch(LETTERS, lexicon=Lexicon.from_words(["a", "bb"], LETTERS))
    assert [h.text for h in search.search(log_probs)] == ["a"]
    impossible = np.full((2, 4), -np.inf)
    impossible[[0, 1], [3, 2]] = 0  # "ba", where only "a" and "bb" can be said, and blanks cannot
    assert search.search(impossible)[0].text in ("", "a")


@pytest.mark.parametrize(
    ("value", "found"),
    [(np.nan, "found NaN in 2 of 9 frames"), (np.inf, "found infinity"), (-np.inf, "minus infinity")],
)
def test_what_is_no_log_probability_is_refused(value, found):
    log_probs = np.full((9, 4), np.log(0.25))
    log_probs[[3, 5]] = value
    with pytest.raises(InputError, match=f"utterance 2 of 2: expected numbers, {found}|{found}"):
        BeamSearch(LETTERS).search_batch([log_probs[:3], log_probs])


def test_other_errors():
    with pytest.raises(InputError, match=r"expected \(frames, 4 tokens\), found the shape \(7, 5\)"):
        BeamSearch(LETTERS).search(np.zeros((7, 5)))
    with pytest.raises(InputError, match="the vocabulary cannot be open"):
        BeamSearch(PHONES, lm=Bigrams(["a"]))
