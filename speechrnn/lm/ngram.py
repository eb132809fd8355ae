"""N-gram language models for recognition: a memory-mapped file that is asked for many words after many histories at once."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np

from speechrnn.array_file import open_arrays, write_arrays
from speechrnn.errors import InputError, reason
from speechrnn.lm.arpa import read_arpa
from speechrnn.lm.backoff import END, START, UNKNOWN, BackoffTables
from speechrnn.lm.ngram_hash import CELLS, HashTable, Stretch, build_stretch, key_of

MAGIC = b"speechrnn n-gram\n"
FORMAT = 1  # the newest format of the binary form that this code reads
LOW = np.int64(0xFFFFFFFF)
LEVELS = 256  # of a quantised value: 8 bits
ITERATIONS = 20  # of Lloyd's algorithm: the books hardly move after ten
# A context whose back-off weight is 1 has this logarithm, which changes no score: 0 marks what is no context.
NO_WEIGHT = np.float32(-1e-30)


class NgramModel:
    """A back-off n-gram model: natural-log probabilities of words after contexts.

    A state stands for the longest context that the model knows of the words so far: histories with the same state have the
    same future. It is one int64, opaque but for `empty` (no context) and `start` (after <s>): the last word + 1 in its lower
    half, 1 + the cell of a context of two or more words in its upper half, 0 for none.

    order: the most words in an n-gram. words: id -> word; 0 <unk>, 1 <s>, 2 </s>. counts: n-grams of each length.
    """

    empty = 0

    def __init__(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]):
        """Of the parts of the binary form; `NgramModel.read` and `NgramModel.from_tables` make one."""
        self._header, self._arrays = header, arrays
        self.order: int = header["order"]
        self.counts: list[int] = header["counts"]
        self.quantised = "books" in arrays
        stretches = [Stretch(**fields) for fields in header["stretches"]]
        self._table = HashTable(stretches, arrays["cells"], arrays["spilled"], header["word_bits"])
        if self.quantised:
            self._books = arrays["books"].reshape(2, -1)  # of log-probabilities and back-offs, a book for each length
            self._first_codes = np.arange(self.order - 1)[:, None] * LEVELS
        # Contexts of three and more words begin at these places of the upper half of a state.
        self._starts = [stretch.first_row * CELLS + 1 for stretch in stretches[1:-1]]
        self._word_log_probs, self._word_backoffs = arrays["word_log_probs"], arrays["word_backoffs"]
        known = np.arange(1, len(self._word_log_probs) + 1)
        self._word_states = known * (self._word_backoffs[1:] != 0)
        self.start = int(self._word_states[START])

    @property
    def words_as_bytes(self) -> memoryview:
        """The words in UTF-8, with line feeds between."""
        return self._arrays["words"].data

    @cached_property
    def words(self) -> Sequence[str]:
        return str(self.words_as_bytes, "utf-8").split("\n")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: id for id, word in enumerate(self.words)}

    def index(self, word: str) -> int:
        """The id of a word, that of <unk> if the model does not know it."""
        return self._ids.get(word, UNKNOWN)

    def indices(self, words: Iterable[str]) -> np.ndarray:
        """The ids (n,) int32 of words."""
        return np.fromiter(map(self._ids.get, words, repeat(UNKNOWN)), np.int32)

    def unigrams(self, words: np.ndarray) -> np.ndarray:
        """Natural-log probabilities (n,) float32 of words (n,) after the empty context, as `score` has them."""
        return self._word_log_probs.take(words)

    def score(self, states: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Natural-log probabilities (n,) float32 of words after states, and the states (n,) int64 that they lead to.

        Args:
            states: (n,) int64.
            words: (n,) int32 ids.
        """
        words = words.astype(np.int64)
        contexts, nodes = self._find(states, words)
        scores = self._word_log_probs.take(words)
        found = nodes > 0
        log_probs = self._log_probs(nodes)
        for k in range(self.order - 1):
            backoffs = self._word_backoffs.take(contexts[0]) if k == 0 else self._backoffs(k - 1, contexts[k])
            scores = np.where(found[k], log_probs[k], scores + backoffs)
        low = self._word_states.take(words)
        if self.order < 3:
            return scores, low
        high = nodes[0] * self._is_context(nodes[0])
        for k in range(1, self.order - 2):
            high = np.where(self._is_context(nodes[k]), nodes[k], high)
        return scores, (high << 32) | np.where(high, words + 1, low)

    def lengths(self, states: np.ndarray, words: np.ndarray) -> np.ndarray:
        """How many words (n,) the n-grams have that `score` takes the probabilities from: 1 to the order."""
        _, nodes = self._find(states, words.astype(np.int64))
        found = np.arange(2, self.order + 1)[:, None] * (nodes > 0)
        return found.max(axis=0, initial=1)

    def _find(self, states: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The contexts (order - 1, n) of one and more words that states stand for, and where the words after them are."""
        contexts = np.empty((self.order - 1, len(words)), np.int64)
        if self.order == 1:
            return contexts, contexts
        np.bitwise_and(states, LOW, out=contexts[0])
        if self.order > 2:
            high = states >> 32
            for length in range(self.order - 1, 2, -1):  # a context of this many words, else the shorter one
                longer = high >= self._starts[length - 3]
                contexts[length - 1] = high * longer
                high = np.where(longer, self._suffix(high), high)
            contexts[1] = high
        return contexts, self._table.find(contexts, words)

    def _suffix(self, nodes: np.ndarray) -> np.ndarray:
        return self._arrays["suffixes"].take(nodes - self._starts[0], mode="clip").astype(np.int64)

    def _log_probs(self, nodes: np.ndarray) -> np.ndarray:
        values = self._arrays["log_probs"].take(nodes)
        return self._books[0].take(values + self._first_codes) if self.quantised else values

    def _backoffs(self, k: int, nodes: np.ndarray) -> np.ndarray:
        values = self._arrays["backoffs"].take(nodes)
        return self._books[1, k * LEVELS :].take(values) if self.quantised else values

    def _is_context(self, nodes: np.ndarray) -> np.ndarray:
        return self._arrays["backoffs"].take(nodes) != 0

    def score_sentence(self, words: Sequence[str]) -> float:
        """The natural-log probability of a sentence, its end included."""
        total, state = 0.0, np.array([self.start])
        for word in [*self.indices(words), END]:
            scores, state = self.score(state, np.array([word], np.int32))
            total += float(scores[0])
        return total

    @classmethod
    def read(cls, path: str | os.PathLike) -> "NgramModel":
        """Read an ARPA file, plain or gzip-compressed, or open the binary form (told apart by content).

        Raises:
            InputError: it cannot be read, is neither, is damaged, or is of a newer format than this code reads.
        """
        try:
            parts = open_arrays(path, MAGIC, FORMAT, "a language model")
        except OSError as error:
            raise InputError(f"{path}: expected a language model: {reason(error)}") from None
        if parts is None:
            return cls.from_tables(read_arpa(path))
        try:
            return cls(*parts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: expected a language model of ours, found a damaged one ({error!r})") from None

    def write(self, path: str | os.PathLike) -> None:
        """Write the binary form, atomically."""
        write_arrays(path, MAGIC, self._header, self._arrays)

    @classmethod
    def from_tables(cls, model: BackoffTables, quantise: bool = False) -> "NgramModel":
        """The model of sorted tables; with `quantise`, values of n-grams of two and more words are kept in 8 bits."""
        size = len(model.words)
        word_bits = size.bit_length()
        is_context = [np.zeros(len(table), bool) for table in model.tables]
        for shorter, table in zip(is_context, model.tables[1:], strict=False):
            shorter[table.contexts] = True
        backoffs = [
            np.where(context & (table.backoffs == 0), NO_WEIGHT, table.backoffs).astype(np.float32)
            for context, table in zip(is_context, model.tables, strict=True)
        ]
        stretches: list[Stretch] = []
        cells, spilled = [np.empty((0, CELLS), np.uint32)], [np.empty(0, np.int64)]
        places = [np.arange(1, size + 1)]
        for length, table in enumerate(model.tables[1:], start=2):
            most = stretches[-1].end * CELLS if length > 2 else size
            keys = key_of(places[-1][table.contexts], table.words.astype(np.int64), word_bits)
            first_row = stretches[-1].end if stretches else 0
            stretch, rows, rest, where = build_stretch(keys, most.bit_length() + word_bits, first_row, length - 2)
            stretches.append(stretch)
            spilled.append(rest)
            cells.append(rows)
            places.append(where + 1)
        arrays: dict[str, np.ndarray] = {
            "words": np.frombuffer("\n".join(model.words).encode(), np.uint8),
            "word_log_probs": model.tables[0].log_probs.astype(np.float32),
            "word_backoffs": np.concatenate([np.zeros(1, np.float32), backoffs[0]]),
            "cells": np.concatenate(cells),
            "spilled": np.concatenate(spilled),
        }
        log_probs = [table.log_probs.astype(np.float32) for table in model.tables]
        if quantise:
            books = np.zeros((2, model.order - 1, LEVELS), np.float32)
            for k in range(1, model.order):
                log_probs[k], books[0, k - 1] = _quantise(log_probs[k])
                backoffs[k], books[1, k - 1, 1:] = _quantise(backoffs[k], LEVELS - 1, none=0)
            arrays["books"] = books
        kind = np.uint8 if quantise else np.float32
        total = len(arrays["cells"]) * CELLS
        inner = stretches[-2].end * CELLS if model.order > 2 else 0
        arrays["log_probs"] = np.zeros(total + 1, kind)
        arrays["backoffs"] = np.zeros(inner + 1, kind)
        for k in range(1, model.order):
            arrays["log_probs"][places[k]] = log_probs[k]
            if k < model.order - 1:
                arrays["backoffs"][places[k]] = backoffs[k]
        arrays["suffixes"] = (
            _suffixes(model, places, stretches[1].first_row * CELLS + 1, inner + 1)
            if model.order > 3
            else np.zeros(0, np.int32)
        )
        header = {
            "format": FORMAT,
            "order": model.order,
            "counts": [len(table) for table in model.tables],
            "word_bits": word_bits,
            "stretches": HashTable(stretches, arrays["cells"], arrays["spilled"], word_bits).header(),
        }
        return cls(header, arrays)


def _suffixes(model: BackoffTables, places: list[np.ndarray], begin: int, end: int) -> np.ndarray:
    """By place from `begin`, where contexts of three words begin, to `end`: the place of the longest shorter context.

    0 where that has fewer than two words.
    """
    result = np.zeros(end - begin, np.int32)
    for k, (lengths, indices) in enumerate(model.suffixes()):
        for length in range(2, k + 1) if 2 <= k < model.order - 1 else ():
            at = lengths == length
            result[places[k][at] - begin] = places[length - 1][indices[at]]
    return result


def _quantise(values: np.ndarray, levels: int = LEVELS, none: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n,) uint8 and a code book (levels,) float32 of small mean square error (Lloyd's algorithm).

    With `none`, values equal to it get code 0, and the book is of codes from 1.
    """
    used = np.sort(values if none is None else values[values != none]).astype(np.float64)
    centres = np.unique(used)
    if len(centres) > levels:
        # Half of the first levels where the values are, half evenly apart, so that rare ones are not far from all.
        evenly = np.linspace(used[0], used[-1], levels - levels // 2)
        centres = np.sort(np.concatenate([used[:: len(used) // (levels // 2) + 1], evenly]))
        sums = np.concatenate([[0.0], np.cumsum(used)])
        for _ in range(ITERATIONS):
            ends = np.searchsorted(used, (centres[1:] + centres[:-1]) / 2)
            ends = np.unique(np.concatenate([[0], ends, [len(used)]]))
            centres = np.diff(sums[ends]) / np.diff(ends)
    book = np.zeros(levels, np.float32)
    book[: len(centres)] = centres
    book[len(centres) :] = centres[-1] if len(centres) else 0
    codes = np.searchsorted((book[1:] + book[:-1]) / 2, values)
    return (codes if none is None else np.where(values == none, 0, codes + 1)).astype(np.uint8), book
