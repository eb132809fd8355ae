"""What recombination finds against futures counted in a dictionary, and what it is for."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_beam import LETTERS, WEIGHTS, Bigrams

from speechrnn.search.beam import BeamSearch
from speechrnn.search.recombination import Recombination
from speechrnn.search.slots import Beam, Extensions

WORDS = ["a", "b", "ab", "ba", "bb", "aab"]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_recombined_are_those_after_the_first_of_a_future(seed, exact):
    rng = np.random.default_rng(seed)
    state, node, token = rng.integers(0, 3, (3, 50))
    prefixes = SimpleNamespace(
        state=state << 33, node=node, token=token, word_ends=SimpleNamespace(state=np.arange(5) << 40)
    )
    live, new = 30, 400
    beam = Beam(rng.integers(0, 2, live), rng.permutation(50)[:live], *np.zeros((3, live)))
    extensions = Extensions(
        rng.integers(0, live, new),
        rng.integers(0, 3, new),
        None,
        rng.integers(0, 3, new),
        rng.integers(-1, 5, new),
        None,
        None,
    )
    futures = [(u, prefixes.state[p], node[p], token[p]) for u, p in zip(beam.utterance, beam.prefix, strict=True)]
    for slot, label, place, end in zip(extensions.slot, extensions.token, extensions.node, extensions.end, strict=True):
        after = prefixes.word_ends.state[end] if end >= 0 else prefixes.state[beam.prefix[slot]]
        futures.append((beam.utterance[slot], after, place, label))
    order = rng.permutation(live + new)
    utterance = np.concatenate([beam.utterance, beam.utterance[extensions.slot]])[order]
    met: set[tuple] = set()
    expected = []
    for place in order:
        expected.append(futures[place] in met)
        met.add(futures[place])
    assert any(expected)
    behind = Recombination(None, exact).recombined(prefixes, beam, extensions, order, utterance)
    assert behind.tolist() == expected


def test_a_narrow_beam_finds_more_when_only_the_best_text_is_wanted():
    search = BeamSearch(LETTERS, 6, lm=Bigrams(WORDS), **WEIGHTS)
    wide = BeamSearch(LETTERS, 500, lm=Bigrams(WORDS), **WEIGHTS)
    gained = lost = 0.0
    for seed in range(60):
        log_probs = np.random.default_rng(seed).normal(0, 1, (40, 4))
        log_probs = log_probs - np.logaddexp.reduce(log_probs, axis=1, keepdims=True)
        one, every, best = search.search(log_probs, 1)[0], search.search(log_probs)[0], wide.search(log_probs, 1)[0]
        gained += one.score - every.score
        lost += best.score - one.score
    assert gained > 5 and lost > 0


@pytest.mark.parametrize("nbest", [2, 10, 100])
def test_the_first_of_many_texts_is_as_good_as_the_only_one(nbest):
    search = BeamSearch(LETTERS, 6, lm=Bigrams(WORDS), **WEIGHTS)
    gained = []
    for seed in range(60):
        log_probs = np.random.default_rng(seed).normal(0, 1, (40, 4))
        log_probs = log_probs - np.logaddexp.reduce(log_probs, axis=1, keepdims=True)
        one, many = search.search(log_probs, 1)[0], search.search(log_probs, nbest)
        gained.append(many[0].score - one.score)
        assert 1 < len(many) <= nbest and len({each.text for each in many}) == len(many)
    assert sum(gained) > 0  # it was -20 where 100 prefixes of one future could fill the beam
