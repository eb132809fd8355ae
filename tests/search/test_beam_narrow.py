"""Prefix beam search with a beam that is narrow: pruning, batches, n-best lists. What it finds at all is in test_beam.py."""

import math

import numpy as np
import pytest
from test_beam import LETTERS, PHONES, WEIGHTS, Bigrams

from speechrnn.search import beam as beam_module
from speechrnn.search.beam import BeamSearch
from speechrnn.search.lexicon import Lexicon


def speech(seed, length=120):
    scores = np.random.default_rng(seed).normal(0, 3, (length, 4))
    scores[:, 0] += np.random.default_rng(seed).choice([0, 12], length)  # many frames that are blank without a doubt
    return (scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).astype(np.float32)


def test_a_batch_is_its_utterances_alone(monkeypatch):
    monkeypatch.setattr(beam_module, "BATCH", 3)
    search = BeamSearch(LETTERS, 8, lm=Bigrams(["a", "ab", "bba"]), **WEIGHTS)
    batch = [speech(seed, length) for seed, length in enumerate([40, 0, 120, 1, 77, 40, 3])]
    assert search.search_batch(batch) == [search.search(log_probs) for log_probs in batch]
    assert search.search_batch([]) == []


@pytest.mark.parametrize("tokenizer", [LETTERS, PHONES])
def test_few_hypotheses_are_the_first_of_all(tokenizer):
    """Where the beam has room for all: where it has not, fewer are found better, see test_recombination.py."""
    lexicon = Lexicon(["x", "y"], [(0, [2]), (1, [2, 3]), (1, [3])], tokenizer)
    search = BeamSearch(tokenizer, 5000, lexicon=lexicon, lm=Bigrams(["x"]))
    for seed in range(5):
        every = search.search(speech(seed, 12))
        for few in (1, 3, 500):
            found = search.search(speech(seed, 12), few)
            assert [h.text for h in found] == [h.text for h in every[:few]]
            # other spellings of a text are looked for among few
            assert [h.acoustic for h in found] == pytest.approx([h.acoustic for h in every[:few]], abs=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_keeps_its_width_and_finds_what_wider_ones_find(seed):
    log_probs = speech(seed)
    narrow, wide = (BeamSearch(LETTERS, width).search(log_probs) for width in (4, 64))
    assert len(narrow) <= 4 < len(wide) <= 64
    assert wide[0].score >= narrow[0].score - 1e-6
    every = {h.text: h.acoustic for h in BeamSearch(LETTERS, 2000, score_threshold=60).search(log_probs)}
    assert all(h.acoustic <= every[h.text] + 1e-6 for h in wide[:5])  # alignments are lost, never invented


def search_with_a_dictionary(log_probs, width, threshold):
    """Prefix beam search as it is written down, prefixes as tuples: a prefix that was dropped and comes back is itself."""
    beam = {(): (0.0, -np.inf)}  # prefix -> ends with a blank, with its last token
    for frame in log_probs.astype(float):
        grown: dict[tuple, list[float]] = {}

        def add(prefix, which, score, grown=grown):
            own = grown.setdefault(prefix, [-np.inf, -np.inf])
            own[which] = np.logaddexp(own[which], score)

        for prefix, (blank, other) in beam.items():
            total = np.logaddexp(blank, other)
            add(prefix, 0, total + frame[0])
            for token in range(1, len(frame)):
                if token == 1 and prefix[-1:] in ((), (1,)):
                    add(prefix, 1, total + frame[token])
                elif prefix[-1:] == (token,):
                    add(prefix, 1, other + frame[token])
                    add((*prefix, token), 1, blank + frame[token])
                else:
                    add((*prefix, token), 1, total + frame[token])
        ranked = sorted(grown.items(), key=lambda item: -np.logaddexp(*item[1]))
        least = np.logaddexp(*ranked[0][1]) - threshold
        beam = {prefix: scores for prefix, scores in ranked[:width] if np.logaddexp(*scores) >= least}
    texts: dict[str, float] = {}
    for prefix, scores in beam.items():
        text = LETTERS.decode(prefix)
        texts[text] = np.logaddexp(texts.get(text, -np.inf), np.logaddexp(*scores))
    return texts


@pytest.mark.parametrize(("width", "threshold"), [(1, math.inf), (2, math.inf), (3, 5.0), (7, math.inf), (16, 3.0)])
def test_a_narrow_beam_is_that_of_the_algorithm_as_written(width, threshold):
    search = BeamSearch(LETTERS, width, token_threshold=math.inf, score_threshold=threshold)
    for seed in range(10):
        log_probs = np.random.default_rng(seed).normal(0, 1, (40, 4))
        log_probs -= np.logaddexp.reduce(log_probs, axis=1, keepdims=True)
        expected = search_with_a_dictionary(log_probs, width, threshold)
        assert {h.text: h.score for h in search.search(log_probs)} == pytest.approx(expected, abs=1e-4)
