"""The search beside flashlight's lexicon decoder on random log-probabilities, without a language model."""

import numpy as np
import pytest

from speechrnn.search.beam import BeamSearch
from speechrnn.search.lexicon import Lexicon
from speechrnn.text import BLANK, BOUNDARY, Tokenizer

decoder = pytest.importorskip("flashlight.lib.text.decoder")

TOKENIZER = Tokenizer([BLANK, BOUNDARY, *"ABC"])
WORDS = ["A", "AB", "BA", "CAB", "CC", "BACCA"]


def flashlights(log_probs: np.ndarray) -> str:
    """Its best text; a last frame that is a boundary for sure ends the last word, as its lexicon wants it."""
    boundary = TOKENIZER.tokens.index(BOUNDARY)
    trie = decoder.Trie(len(TOKENIZER), boundary)
    for index, word in enumerate(WORDS):
        trie.insert([*TOKENIZER.encode(word), boundary], index, 0.0)
    trie.smear(decoder.SmearingMode.MAX)
    options = decoder.LexiconDecoderOptions(
        beam_size=2000,
        beam_size_token=len(TOKENIZER),
        beam_threshold=1e6,
        lm_weight=0.0,
        word_score=0.0,
        unk_score=-np.inf,
        sil_score=0.0,
        log_add=True,
        criterion_type=decoder.CriterionType.CTC,
    )
    search = decoder.LexiconDecoder(options, trie, decoder.ZeroLM(), boundary, 0, len(WORDS), [], False)
    end = np.full((1, len(TOKENIZER)), -1e9, np.float32)
    end[0, boundary] = 0
    frames = np.concatenate([log_probs, end])
    best = search.decode(frames.ctypes.data, *frames.shape)[0]
    return " ".join(WORDS[i] for i in best.words if i >= 0)


@pytest.mark.parametrize("seed", range(20))
def test_the_best_text_is_the_same(seed):
    rng = np.random.default_rng(seed)
    log_probs = rng.normal(0, 3, (rng.integers(4, 12), len(TOKENIZER)))
    log_probs = (log_probs - np.logaddexp.reduce(log_probs, axis=1, keepdims=True)).astype(np.float32)
    search = BeamSearch(
        TOKENIZER,
        width=2000,
        lexicon=Lexicon.from_words(WORDS, TOKENIZER),
        token_threshold=np.inf,
        score_threshold=np.inf,
    )
    assert search.search(log_probs, 1)[0].text == flashlights(log_probs)
