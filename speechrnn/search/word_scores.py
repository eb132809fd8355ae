"""What words are worth to a search: language model, bonus and penalty."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from speechrnn.search.lexicon import ROOT, Lexicon
from speechrnn.search.prefixes import Prefixes

if TYPE_CHECKING:
    from speechrnn.lm.ngram import NgramModel

UNKNOWN, END = 0, 2  # ids of <unk> and </s> in every language model


class WordScores:
    """A lexicon's words under a language model; see `speechrnn.search.beam.BeamSearch` for the arguments.

    start: the state of the language model before the first word. lookahead: (nodes + 1,), what the best word that can still be
    reached from a node is worth below the best of all, by its unigram probability; minus infinity for no node, -1. A prefix
    is lent it while its last word grows, so that rare beginnings do not crowd out others until the model is asked: in an open
    vocabulary, random letters would fill the beam, and in a closed one a beam of 4 lost twice as many words without it.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        lm: "NgramModel | None",
        lm_weight: float,
        word_bonus: float,
        unknown_penalty: float,
        lm_words: np.ndarray | None = None,
    ):
        self.lexicon, self.lm = lexicon, lm
        self.lm_weight, self.word_bonus, self.unknown_penalty = lm_weight, word_bonus, unknown_penalty
        self.start, lookahead = 0, np.zeros(lexicon.nodes)
        if lm is not None:
            self.start = lm.start
            known = lm.indices(lexicon.words) if lm_words is None else lm_words
            self._lm_words = np.append(known, UNKNOWN).astype(np.int32)  # by the lexicon's ids
            unigrams = lm.unigrams(self._lm_words)
            nodes, words = np.arange(lexicon.nodes), lexicon.node_words
            lookahead = lexicon.best_reachable(self._worth(unigrams[words], words, nodes.repeat(lexicon.word_count)))
            if lexicon.is_open:  # any node may lead to an unknown word
                lookahead = np.maximum(lookahead, self._worth(unigrams[-1:], np.array([len(lexicon.words)]), nodes))
        self.lookahead = np.append(lookahead - lookahead[ROOT], -np.inf)

    def _worth(self, log_probs: np.ndarray, words: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """What words (n,) of the lexicon that end at nodes (n,) are worth, but for their bonus."""
        worth = self.lm_weight * log_probs.astype(np.float64)
        if not self.unknown_penalty:
            return worth
        letters = np.where(
            words == len(self.lexicon.words), self.lexicon.letters.take(nodes), self._letters.take(words)
        )
        return worth - self.unknown_penalty * letters * (self._lm_words.take(words) == UNKNOWN)

    @cached_property
    def _letters(self) -> np.ndarray:
        """Of each word as it is written, whatever its spellings are: a text has one worth."""
        return np.fromiter(map(len, [*self.lexicon.words, ""]), np.int64)

    def ends(self, prefixes: Prefixes, prefix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For prefixes (n,) whose last words may end: the first row in `prefixes.word_ends` of each, and how many rows it has.

        The language model is asked once for each prefix, when this is first called for it.
        """
        node = prefixes.node.take(prefix)
        count = self.lexicon.word_count.take(node)
        first = prefixes.first_end.take(prefix)
        new = (first < 0).nonzero()[0]
        if len(new):
            asked, own = prefix.take(new), count.take(new)
            start = own.cumsum() - own
            which = np.arange(len(new)).repeat(own)
            first_word = self.lexicon.first_word.take(node.take(new))
            word = self.lexicon.node_words.take((first_word - start).take(which) + np.arange(len(which)))
            prefixes.first_end[asked] = first[new] = prefixes.word_ends.size + start
            if self.lm is None:
                prefixes.word_ends.append(len(word), word=word)
            else:
                lm_word = self._lm_words.take(word)
                log_probs, state = self.lm.score(prefixes.state.take(asked.take(which)), lm_word)
                bonus = self._worth(log_probs, word, node.take(new).take(which)) + self.word_bonus
                prefixes.word_ends.append(len(word), word=word, state=state, language=log_probs, bonus=bonus)
        return first, count

    def end_of_text(self, state: np.ndarray) -> np.ndarray:
        """Natural-log probabilities (n,) float64 that the text ends in these states (n,)."""
        if self.lm is None:
            return np.zeros(len(state))
        return self.lm.score(state, np.full(len(state), END, np.int32))[0].astype(np.float64)
