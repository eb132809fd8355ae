"""How words are pronounced: a dictionary, and for words outside it a joint-sequence model (Bisani and Ney 2008,
"Joint-sequence models for grapheme-to-phoneme conversion", Speech Communication 50): an n-gram model over graphones, letters
with their phones, that is searched for the likeliest sequences which spell the word.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speechrnn.errors import InputError
from speechrnn.lm.backoff import END, SPECIAL
from speechrnn.lm.entropy_pruning import prune
from speechrnn.lm.kneser_ney import estimate
from speechrnn.lm.ngram import NgramModel
from speechrnn.lm.ngram_counts import count, read_sentences
from speechrnn.package import LEXICON, Package
from speechrnn.pronunciation.graphones import SEPARATOR, graphone_text
from speechrnn.text import Pronunciations, Tokenizer, read_pronunciations
from speechrnn.text import normaliser as normaliser_of

ORDER = 7  # of the n-gram over graphones: 6 finds half a per cent of words fewer, 8 no more (docs/pronunciations.md)
BEAM = 16  # hypotheses a word: 8 find some fewer words right, 32 no more (docs/pronunciations.md)
WIDTH = 8.0  # hypotheses worse by this are dropped, natural log: 10 and 12 find the same
BATCH = 512  # words searched together: enough for numpy, few enough for the caches
VARIANTS = 2  # of a guessed word: one in four is wrong, and half of these are right in the second
VARIANT = re.compile(r"\(\d+\)$")  # word(2)
PROBABILITY = re.compile(r"\d+\.\d+")  # Kaldi's lexiconp.txt has one after each word
STRESS = "0123456789"


def read_dictionary(path: str | os.PathLike, normaliser: str = "upper") -> dict[str, list[str]]:
    """Read a pronouncing dictionary in the form of CMU's, plain or compressed (gzip, xz).

        read R EH1 D       # a comment
        read(2) R IY1 D
        ;;; a comment

    Digits at the end of a phone are stress marks, and are taken off; what is the same without them is kept once. What the
    normaliser makes two words of, or none, no text can hold as a word: it is left out.

    Args:
        path: of the file.
        normaliser: what words go through; the name of the model's.

    Returns:
        by word, its pronunciations in order, as `speechrnn.text.Pronunciations`: "R EH D", "R IY D".

    Raises:
        InputError: it cannot be read, holds no word, or a line is not of that form.
    """
    normalise = normaliser_of(normaliser)
    result: dict[str, list[str]] = {}
    for where, line in read_sentences(path):
        fields = line.partition("#")[0].split()
        if not fields or line.startswith(";;;"):
            continue
        spelled, phones = VARIANT.sub("", fields[0]), [phone.rstrip(STRESS) or phone for phone in fields[1:]]
        if not spelled or not phones or PROBABILITY.fullmatch(fields[1]):
            raise InputError(f"{where}: expected a word and its phones such as 'read R IY1 D', found {line.strip()!r}")
        if SEPARATOR in "".join([spelled, *phones]):
            raise InputError(
                f"{where}: {SEPARATOR!r} stands between words in models: expected none, found {line.strip()!r}"
            )
        word = normalise(spelled)
        if not word or " " in word:
            continue
        known = result.setdefault(word, [])
        if (spoken := " ".join(phones)) not in known:
            known.append(spoken)
    if not result:
        raise InputError(f"{path}: expected a pronouncing dictionary such as CMU's, found no word in it")
    return result


class Pronunciation(NamedTuple):
    """Phones with spaces between, and the natural log of their probability among all that were found for the word."""

    phones: str
    log_prob: float


class Pronouncer:
    """Pronounces words that no dictionary has.

    Args:
        model: n-grams over graphones, as `Pronouncer.train` makes them.

    Raises:
        InputError: its words are no graphones.
    """

    def __init__(self, model: NgramModel):
        self._model = model
        by_letter: dict[str, list[int]] = {}
        self._phones: list[list[str]] = [[] for _ in SPECIAL]
        for id, name in enumerate(model.words[len(SPECIAL) :], start=len(SPECIAL)):
            letter, *phones = name.split(SEPARATOR)
            if len(letter) != 1 or not phones:
                raise InputError(
                    f"pronunciations: expected a model whose words are letters with their phones such as 'X|K|S', found {name!r}"
                )
            by_letter.setdefault(letter, []).append(id)
            self._phones.append(list(filter(None, phones)))
        self._letters = {letter: place for place, letter in enumerate(by_letter)}
        # The graphones of letter i are _graphones[_first[i] : _first[i] + _choices[i]].
        self._choices = np.array([len(ids) for ids in by_letter.values()], np.int64)
        self._first = np.cumsum(self._choices) - self._choices
        self._graphones = np.array(list(chain.from_iterable(by_letter.values())), np.int32)

    @classmethod
    def train(cls, dictionary: Pronunciations, order: int = ORDER, entropy: float | None = None) -> "Pronouncer":
        """Learn from the pronunciations of words: 126,000 words take seconds.

        Args:
            dictionary: words and their pronunciations; each counts as much as any other.
            order: the most graphones in an n-gram.
            entropy: leave out n-grams whose loss raises the perplexity by less than this share, and keep values in 8 bits.

        Raises:
            InputError: no pronunciation can be aligned with its letters.
        """
        text = graphone_text([(word, phones.split()) for word, each in dictionary.items() for phones in each])
        if not text.tokens:
            raise InputError(
                "pronunciations: expected words with one or two phones for a letter to learn from, found none"
            )
        tables, frequencies, _ = estimate(text.words, count(text, order))
        if entropy:
            tables = prune(tables, frequencies, entropy)
        return cls(NgramModel.from_tables(tables, quantise=bool(entropy)))

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Pronouncer":
        """Read what `write` wrote: an n-gram model whose words are graphones.

        Raises:
            InputError: it cannot be read, or is no such model.
        """
        model = NgramModel.read(path)
        try:
            return cls(model)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def write(self, path: str | os.PathLike) -> None:
        """Write it as one file, atomically."""
        self._model.write(path)

    def unknown_letters(self, word: str) -> list[str]:
        """The letters of a word that the dictionary did not have, in order of appearance: it cannot be pronounced."""
        return [letter for letter in dict.fromkeys(word) if letter not in self._letters]

    def pronounce(self, words: Sequence[str], most: int = 1) -> list[list[Pronunciation]]:
        """The likeliest pronunciations of words, best first: up to `most` of each, none where a word has unknown letters.

        Args:
            words: they have gone through the normaliser that the dictionary was read with.
            most: for each word.
        """
        result: list[list[Pronunciation]] = [[] for _ in words]
        places = [place for place, word in enumerate(words) if word and not self.unknown_letters(word)]
        places.sort(key=lambda place: len(words[place]))  # of one length as far as possible, to be finished together
        for begin in range(0, len(places), BATCH):
            batch = places[begin : begin + BATCH]
            for place, found in zip(batch, self._search([words[place] for place in batch]), strict=True):
                result[place] = found[:most]
        return result

    def _search(self, words: Sequence[str]) -> list[list[Pronunciation]]:
        """A beam search over the letters of all words at once. What the graphones differ in and the phones do not, is added."""
        ends = np.array([len(word) for word in words])
        letters = np.zeros((len(words), ends.max()), np.int64)
        for row, word in zip(letters, words, strict=True):
            row[: len(word)] = [self._letters[letter] for letter in word]
        found: list[dict[str, float]] = [{} for _ in words]
        # Hypotheses, those of a word together: their words, n-gram states, scores and graphones so far.
        of, score = np.arange(len(words)), np.zeros(len(words))
        state = np.full(len(words), self._model.start, np.int64)
        path = np.zeros((len(words), 0), np.int32)
        for i in range(int(ends.max())):
            choices = self._choices[letters[of, i]]
            parent = np.repeat(np.arange(len(of)), choices)
            nth = np.arange(len(parent)) - np.repeat(np.cumsum(choices) - choices, choices)
            graphone = self._graphones[self._first[letters[of[parent], i]] + nth]
            log_probs, after = self._model.score(state[parent], graphone)
            score = score[parent] + log_probs
            kept = _prune(of[parent], score)
            parent, graphone, score, state = parent[kept], graphone[kept], score[kept], after[kept]
            of = of[parent]
            path = np.concatenate([path[parent], graphone[:, None]], axis=1)
            done = ends[of] == i + 1
            if done.any():
                self._finish(of[done], state[done], score[done], path[done], found)
                of, state, score, path = of[~done], state[~done], score[~done], path[~done]
        return [_ranked(pronunciations) for pronunciations in found]

    def _finish(self, word, state, score, path, found: list[dict[str, float]]) -> None:
        """Add whole hypotheses to what was found; those without a phone are no pronunciations."""
        log_probs, _ = self._model.score(state, np.full(len(word), END, np.int32))
        for place, total, graphones in zip(word.tolist(), (score + log_probs).tolist(), path.tolist(), strict=True):
            phones = " ".join(chain.from_iterable(map(self._phones.__getitem__, graphones)))
            if phones:
                found[place][phones] = float(np.logaddexp(found[place].get(phones, -np.inf), total))


def with_words(package: Package, words: Iterable[str]) -> Package:
    """A package whose tokens are phones, able to spell these normalised words, too.

    Those that its lexicon lacks are pronounced as a model guesses that is learnt from the lexicon, which takes seconds. What has
    letters that the lexicon has not, is left as it is.
    """
    tokenizer = package.tokenizer
    unknown = [word for word in dict.fromkeys(words) if word and tokenizer.outside(word)]
    if not unknown:
        return package
    lexicon = package.directory / LEXICON
    guessed = zip(unknown, _pronouncer(lexicon, lexicon.stat().st_mtime_ns).pronounce(unknown, VARIANTS), strict=True)
    more = {word: [each.phones for each in found] for word, found in guessed}
    return replace(package, tokenizer=Tokenizer(tokenizer.tokens, {**tokenizer.pronunciations, **more}))


@lru_cache(maxsize=1)
def _pronouncer(lexicon: Path, written: int) -> Pronouncer:
    """What is learnt from the lexicon that was written at this time: not again for every word."""
    try:
        return Pronouncer.train(read_pronunciations(lexicon))
    except InputError as error:
        raise InputError(f"{lexicon}: {error}") from None


def _prune(word: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The indices of each word's BEAM best hypotheses that are within WIDTH of its best. `word` (n,) is sorted."""
    first = np.flatnonzero(np.diff(word, prepend=-1))
    best = np.repeat(np.maximum.reduceat(score, first), np.diff(first, append=len(word)))
    near = np.flatnonzero(score > best - WIDTH)
    near = near[np.lexsort((-score[near], word[near]))]
    rank = np.arange(len(near)) - np.searchsorted(word[near], word[near])
    return near[rank < BEAM]


def _ranked(pronunciations: Mapping[str, float]) -> list[Pronunciation]:
    total = np.logaddexp.reduce(list(pronunciations.values())) if pronunciations else 0.0
    ranked = sorted(pronunciations.items(), key=lambda item: -item[1])
    return [Pronunciation(phones, float(score - total)) for phones, score in ranked]
