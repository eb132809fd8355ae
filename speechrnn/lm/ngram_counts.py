"""Text as word ids, and how often each n-gram stands in it."""

import gzip
import io
import lzma
import os
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from speechrnn.errors import InputError, reason
from speechrnn.lm.backoff import END, SPECIAL, START, UNKNOWN
from speechrnn.manifest import read_manifest

# By the file's first bytes
OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open}


def read_sentences(path: str | os.PathLike) -> Iterator[tuple[str, str]]:
    """(where, text) of the sentences of a text file, one a line, plain or compressed (gzip, xz), or of a manifest.

    Raises:
        InputError: it cannot be read, is damaged, or a line is not UTF-8.
    """
    number = 0
    try:
        with open(path, "rb") as file:
            start = file.read(6)
            file.seek(0)
            if start.lstrip().startswith(b"{"):
                yield from ((f"{path}, {u.id}", u.text) for u in read_manifest(path))
                return
            opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), None)
            with io.BufferedReader(opener(file), 1 << 20) if opener else file as lines:
                for number, line in enumerate(lines, start=1):  # noqa: B007 (the errors name it)
                    yield f"{path}, line {number}", line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, line {number}: expected UTF-8: {error}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path}: damaged or truncated after line {number}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: expected a text, one sentence a line: {reason(error)}") from None


class Ids(dict):
    """Words to ids; a new word gets the next id."""

    def __missing__(self, word: str) -> int:
        self[word] = id = len(self)
        return id


@dataclass
class Text:
    """Sentences as word ids: `ids` (tokens,) int32, each sentence between <s> and </s>; `words[id]` is a word."""

    words: list[str]
    ids: np.ndarray

    @property
    def sentences(self) -> int:
        return int((self.ids == END).sum())

    @property
    def tokens(self) -> int:
        """The running words, <s> and </s> not counted."""
        return len(self.ids) - 2 * self.sentences


def encode(
    sentences: Iterable[tuple[str, str]],
    normalise: Callable[[str], str],
    progress: Callable[[int], None] = lambda words: None,
) -> Text:
    """Sentences as ids, in the order in which their words first appear; empty ones are left out.

    Args:
        sentences: (where, text), as `read_sentences` gives them.
        normalise: what each text goes through.
        progress: told now and then how many words there are.

    Raises:
        InputError: a word is one of <unk>, <s>, </s>.
    """
    words = Ids({word: id for id, word in enumerate(SPECIAL)})
    ids = array("i")
    read = 0
    for where, text in sentences:
        found = normalise(text).split()
        if not found:
            continue
        if "<" in text and not set(SPECIAL).isdisjoint(found):
            raise InputError(f"{where}: the words {', '.join(SPECIAL)} have a meaning of their own: remove them")
        ids.append(START)
        ids.extend(map(words.__getitem__, found))
        ids.append(END)
        read += 1
        if read % 100_000 == 0:
            progress(len(ids) - 2 * read)
    return Text(list(words), np.frombuffer(ids, np.int32) if ids else np.zeros(0, np.int32))


def limit(text: Text, vocabulary: Iterable[str] | None = None, most_frequent: int | None = None) -> Text:
    """The same text with ids by falling frequency and words outside the vocabulary as <unk>.

    Args:
        text: as `encode` makes it.
        vocabulary: the words to keep; those that the text lacks come last.
        most_frequent: how many words to keep, the three special ones not counted; None for all.
    """
    counts = np.bincount(text.ids, minlength=len(text.words))
    order = np.argsort(-counts[len(SPECIAL) :], kind="stable") + len(SPECIAL)
    extra: list[str] = []
    if vocabulary is not None:
        wanted = dict.fromkeys(vocabulary)
        for word in SPECIAL:
            wanted.pop(word, None)
        kept = np.array([word in wanted for word in text.words], bool)
        order = order[kept[order]]
        extra = sorted(wanted.keys() - {text.words[id] for id in order})
    order = order[:most_frequent]
    new = np.full(len(text.words), UNKNOWN, np.int32)
    new[[START, END]] = START, END
    new[order] = np.arange(len(SPECIAL), len(SPECIAL) + len(order))
    return Text([*SPECIAL, *(text.words[id] for id in order), *extra], new[text.ids])


@dataclass
class Counts:
    """The n-grams of one length that stand in a text, sorted by (context, word) as in `speechrnn.lm.backoff.Table`.

    `suffixes` (n,) are the indices of the n-grams without their first word in the table below; `counts` (n,) how often each
    stands in the text; `starting` (n,) whether its first word is <s>.
    """

    contexts: np.ndarray
    words: np.ndarray
    suffixes: np.ndarray
    counts: np.ndarray
    starting: np.ndarray


def count(text: Text, order: int, progress: Callable[[int], None] = lambda length: None) -> list[Counts]:
    """The n-grams of 1 to `order` words, within sentences. Those with an unknown word are not counted.

    The table of single words has one entry a word, even for words that the text lacks; <unk> has count 0.
    """
    size, ids = len(text.words), text.ids
    counts = np.bincount(ids, minlength=size)
    counts[UNKNOWN] = 0
    zeros = np.zeros(size, np.int64)
    result = [Counts(zeros, np.arange(size, dtype=np.int32), zeros, counts, np.arange(size) == START)]
    nodes = np.where(ids == UNKNOWN, -1, ids).astype(np.int32)  # the n-gram that ends at each token, -1 for none
    for length in range(2, order + 1):
        progress(length)
        ends = np.flatnonzero((nodes[:-1] >= 0) & (ids[1:] != UNKNOWN) & (ids[1:] != START)) + 1
        keys = nodes[ends - 1] * np.int64(size) + ids[ends]
        sorting = np.argsort(keys)
        keys = keys[sorting]
        ends = ends[sorting]
        del sorting
        first = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        places = np.flatnonzero(first)
        contexts, words = np.divmod(keys[places], size)
        result.append(
            Counts(
                contexts=contexts,
                words=words.astype(np.int32),
                suffixes=nodes[ends[places]].astype(np.int64),
                counts=np.diff(places, append=len(keys)),
                starting=result[-1].starting[contexts],
            )
        )
        if length < order:
            nodes = np.full(len(ids), -1, np.int32)
            nodes[ends] = np.cumsum(first, dtype=np.int32) - 1
    return result
