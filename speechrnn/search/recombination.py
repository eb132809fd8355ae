"""Recombination: prefixes with the same future, which differ only in words that no longer affect the score.

Prefixes of an utterance at the same node of the lexicon, in the same states of language model and hotwords and with the same
last token have the same future: any continuation adds the same score. The lower one cannot become the best text. It is kept
only if the beam has free places, or in the extra places of an n-best list. Without this, half of a beam of 64 held such
repetitions where the acoustic model was uncertain (docs/decoding.md). Viterbi decoders keep one of each (flashlight adds
their probabilities, and the sum is the score of no single text).
"""

import numpy as np

from speechrnn.search.hotwords import Hotwords
from speechrnn.search.prefixes import Prefixes
from speechrnn.search.slots import Beam, Extensions

TABLE_BITS = 16  # some thousand candidates a frame: two in a hundred share a place
# Odd and without a pattern: sums of their multiples, modulo 2 ** 64, tell futures apart
UTTERANCE, STATE, NODE, TOKEN, HOT = np.array(
    [0xA0761D6478BD642F, 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
).astype(np.int64)


class Recombination:
    """Which candidates have a better one of the same future."""

    def __init__(self, hotwords: Hotwords | None, exact: bool = True):
        """`exact`: of futures that share a place in a small table none is overlooked, which takes longer. Where only the best
        text is wanted, those that are overlooked do no harm."""
        self.hotwords, self.exact = hotwords, exact
        self._first = np.zeros(1 << TABLE_BITS, np.int32)

    def recombined(
        self, prefixes: Prefixes, beam: Beam, extensions: Extensions, order: np.ndarray, utterance: np.ndarray
    ) -> np.ndarray:
        """Whether a prefix of the same future is before each place of `order`, (candidates,).

        Args:
            order: (candidates,), places among the live prefixes and the extensions after them, best first.
            utterance: (candidates,), of each place of `order`.
        """
        future = self._futures(prefixes, beam, extensions).take(order) + utterance * UTTERANCE
        if self.exact:
            worse = np.ones(len(order), bool)
            worse[np.unique(future, return_index=True)[1]] = False
            return worse
        place = (future >> (63 - TABLE_BITS)) & ((1 << TABLE_BITS) - 1)
        self._first[place[::-1]] = np.arange(len(order))[::-1]  # of several, the last that is written stays
        first = self._first.take(place)
        return (first != np.arange(len(order))) & (future.take(first) == future)

    def _futures(self, prefixes: Prefixes, beam: Beam, extensions: Extensions) -> np.ndarray:
        """A number (candidates,) for all that decides how a prefix can go on, but for the utterance."""
        parent, ended = beam.prefix.take(extensions.slot), extensions.end >= 0
        state = np.where(ended, prefixes.word_ends.state.take(extensions.end, mode="clip"), prefixes.state.take(parent))
        future = np.concatenate([prefixes.state.take(beam.prefix), state]) * STATE
        future += np.concatenate([prefixes.node.take(beam.prefix), extensions.node]) * NODE
        future += np.concatenate([prefixes.token.take(beam.prefix), extensions.token]) * TOKEN
        if self.hotwords:
            hot = self.hotwords.follow(prefixes.hot.take(parent), extensions.token)
            future += np.concatenate([prefixes.hot.take(beam.prefix), hot]) * HOT
        return future
