"""Hotwords: words and phrases that a search is to favour, as one automaton over tokens (Aho and Corasick 1975).

A hotword is worth its weight for each of its letters, once it stands whole between boundaries. A bonus that came only then
would come too late: the beam has long lost the word. So a prefix is lent the worth of the letters that it has matched so
far, and gives it back where the match fails. Texts are ranked in the end by what is whole, exactly.
"""

from collections.abc import Callable, Mapping
from itertools import islice, product

import numpy as np

from speechrnn.errors import InputError
from speechrnn.text import BOUNDARY, Tokenizer

COMBINATIONS = 100  # of the pronunciations of a phrase's words; longer phrases need not be heard in all
START = 0  # the state after a boundary, and of an empty text


class Hotwords:
    """The automaton: `after` (states, tokens) is the next state, `earned` (states,) what entering a state pays, `lent` what
    being in it is worth for the time being.

    Args:
        weights: a natural-log bonus for each letter, or phone, of each word or phrase.
        normalise: the model's normaliser, which the texts went through that it was trained on.
        tokenizer: the model's.

    Raises:
        InputError: a hotword is empty, cannot be spelled, or has a weight that is not positive; or the model does not tell
            where words end.
    """

    def __init__(self, weights: Mapping[str, float], normalise: Callable[[str], str], tokenizer: Tokenizer):
        boundary = tokenizer.boundary
        if boundary is None:
            raise InputError(f"hotwords: expected a model with the token {BOUNDARY!r} between words, found none")
        self.words = [normalise(hotword) for hotword in weights]
        children: list[dict[int, int]] = [{}]
        lent, earned = [0.0], [0.0]
        for hotword, word, weight in zip(weights, self.words, weights.values(), strict=True):
            if not word:
                raise InputError(f"hotword {hotword!r}: expected letters, found none")
            if lacking := tokenizer.lacks(word):
                raise InputError(
                    f"hotword {hotword!r}: {lacking}: write it as it is said, in letters that the model knows"
                )
            if not 0 < weight < float("inf"):
                raise InputError(f"hotword {hotword!r}: expected a positive weight, found {weight}")
            for tokens in _spellings(word, tokenizer):
                state = START
                for matched, token in enumerate([*tokens, boundary], start=1):
                    if token not in children[state]:
                        children[state][token] = len(children)
                        children.append({})
                        lent.append(0.0)
                        earned.append(0.0)
                    state = children[state][token]
                    if matched <= len(tokens):
                        lent[state] = max(lent[state], weight * matched)
                earned[state] = max(earned[state], weight * len(tokens))
        self._determinise(children, lent, earned, boundary, len(tokenizer))

    def _determinise(self, children, lent, earned, boundary, tokens) -> None:
        """Where a match fails, go on with the longest of its endings that begins a hotword at a boundary."""
        nowhere = len(children)  # inside a word that is no hotword
        self.after = np.full((nowhere + 1, tokens), nowhere, np.int32)
        self.after[:, boundary] = START
        self.lent, self.earned = np.array([*lent, 0.0]), np.array([*earned, 0.0])
        ending = [nowhere] * (nowhere + 1)  # the state of the longest proper ending
        queue = [START]
        for state in queue:  # by depth
            if state != START:
                self.after[state] = self.after[ending[state]]
                self.earned[state] += self.earned[ending[state]]
                self.lent[state] = max(self.lent[state], self.lent[ending[state]])
            for token, child in children[state].items():
                ending[child] = int(self.after[ending[state], token])
                queue.append(child)
            for token, child in children[state].items():
                self.after[state, token] = child

    def follow(self, states: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The states (n,) after these states and tokens, both (n,)."""
        return self.after.take(states * self.after.shape[1] + tokens)


def _spellings(phrase: str, tokenizer: Tokenizer) -> list[list[int]]:
    """The token ids of every way to spell a phrase: of words with several pronunciations, every combination."""
    each = [tokenizer.spellings(word) for word in phrase.split()]
    between = [] if tokenizer.boundary is None else [tokenizer.boundary]
    return [
        [token for i, spelling in enumerate(chosen) for token in (between if i else []) + spelling]
        for chosen in islice(product(*each), COMBINATIONS)
    ]
