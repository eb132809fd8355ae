"""Which words a search may spell, as a trie over tokens in flat arrays (Hannun et al., arXiv 1408.2873, for the boundaries).

A node is what has been spelled of the current word; node 0, the root, is before a word's first token. A vocabulary is closed
(only the words in it) or open. There, a word that leaves the trie goes on through nodes that tell only how many letters it has,
up to LONGEST, and counts as unknown. An open vocabulary without words is any tokens in any order.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from speechrnn.errors import InputError
from speechrnn.files import read_text
from speechrnn.text import BOUNDARY, Tokenizer, raw

ROOT = 0
LONGEST = 50  # letters of an unknown word: a whole sentence is none


class Spellings(NamedTuple):
    """Spellings one after the other: word ids (spellings,), how many tokens each has (spellings,), and those tokens."""

    word: np.ndarray
    length: np.ndarray
    token: np.ndarray


class Trie(NamedTuple):
    """What tells a lexicon's trie in full. Its nodes stand in order of their depths, of their parents, and of their tokens.

    depths: the first node of each depth, and the number of nodes. tokens: (nodes - 1,) what leads to each node but the root.
    degrees: (nodes,) how many successors each has. word_counts: (nodes,) how many words end there. node_words: those, as ids.
    """

    depths: np.ndarray
    tokens: np.ndarray
    degrees: np.ndarray
    word_counts: np.ndarray
    node_words: np.ndarray


class Lexicon:
    """Words and their spellings; a word may have several, and several words one.

    Most nodes have one successor, which is stored as such; only nodes with more have a row of all tokens in a table: a
    quarter of the memory of one table for all.

    Args:
        words: the distinct words; word ids are positions in this list, and `len(words)` is the unknown word's.
        spellings: (word id, token ids without blanks and boundaries) pairs, or all in arrays.
        tokenizer: gives the number of tokens and whether there is a boundary between words.
        is_open: also follow tokens that lead out of the trie.

    Raises:
        InputError: a spelling is empty, or an open vocabulary is asked of a model that does not tell where words end.
    """

    def __init__(
        self,
        words: Sequence[str],
        spellings: Iterable[tuple[int, Sequence[int]]] | Spellings,
        tokenizer: Tokenizer,
        is_open: bool = False,
    ):
        self.words, self.is_open = list(words), is_open
        self.tokens = len(tokenizer)
        self.boundary = tokenizer.boundary
        if not isinstance(spellings, Spellings):
            ids, sequences = zip(*spellings, strict=True) if (spellings := list(spellings)) else ((), ())
            length = np.fromiter(map(len, sequences), np.int64, len(sequences))
            token = np.fromiter(chain.from_iterable(sequences), np.int32, int(length.sum()))
            spellings = Spellings(np.array(ids, np.int32), length, token)
        word, length, token = spellings
        if is_open and words and self.boundary is None:
            raise InputError(f"lexicon: the model has no {BOUNDARY!r} between words: the vocabulary cannot be open")
        if (length == 0).any():
            raise InputError(f"lexicon: {self.words[word[length.argmin()]]!r}: expected a spelling, found none")
        self._build(word, length, token)

    def _build(self, word: np.ndarray, length: np.ndarray, token: np.ndarray) -> None:
        """Grow the trie one depth at a time, for all spellings at once."""
        start = np.cumsum(length) - length
        node = np.zeros(len(length), np.int64)  # where each spelling has got to
        depths, nodes, arcs = (
            [0],
            1,
            [np.empty(0, np.int64)],
        )  # an arc is parent * tokens + token; in order of the children
        for depth in range(int(length.max(initial=0))):
            inside = np.flatnonzero(length > depth)
            own, child = np.unique(node[inside] * self.tokens + token[start[inside] + depth], return_inverse=True)
            node[inside] = nodes + child
            arcs.append(own)
            depths.append(nodes)
            nodes += len(own)
        arc = np.concatenate(arcs)
        pairs = np.unique(np.stack([node, word]), axis=1)
        self._expand(
            Trie(
                depths=np.array([*depths, nodes]),
                tokens=(arc % self.tokens).astype(np.int32),
                degrees=np.bincount(arc // self.tokens, minlength=nodes),
                word_counts=np.bincount(pairs[0], minlength=nodes),
                node_words=pairs[1].astype(np.int32),
            )
        )

    def _expand(self, trie: Trie) -> None:
        """The arrays that a search asks, from those that tell them all."""
        self.trie, self.depths, nodes = trie, trie.depths.tolist(), len(trie.degrees)
        outside = (LONGEST if self.words else 1) * self.is_open  # nodes for 1, 2, ... letters of unknown words
        self.nodes = nodes + outside
        letters = np.repeat(np.arange(len(self.depths) - 1), np.diff(self.depths))
        self.letters = np.concatenate([letters, np.arange(1, outside + 1)])
        longer = np.full(self.letters.max() + 1, -1, np.int32)  # by letters: the node of unknown words with one more
        longer[:outside] = nodes + np.arange(outside)
        if outside == 1:
            longer[:] = nodes
        # Nodes are in order of their parents.
        parent = np.arange(nodes, dtype=np.int32).repeat(trie.degrees)
        self.parent = np.concatenate([np.full(1, -1, np.int32), parent])
        branches = np.concatenate([trie.degrees > 1, np.zeros(outside, bool)])
        # the first rows of the table are those of nodes without a choice, by letters
        self._row = np.where(branches, len(longer) - 1 + np.cumsum(branches), self.letters)
        self._table = np.concatenate([longer, longer[self.letters[branches]]]).repeat(self.tokens)
        child, many = np.arange(1, nodes, dtype=np.int32), branches[parent]
        self._table[self._row[parent[many]] * self.tokens + trie.tokens[many]] = child[many]
        self._only_token, self._only_child = np.full((2, self.nodes), -1, np.int32)
        self._only_token[parent[~many]] = trie.tokens[~many]
        self._only_child[parent[~many]] = child[~many]
        # words at each node: those of node n are node_words[first_word[n] : first_word[n + 1]]
        self.word_count = np.concatenate([trie.word_counts, np.zeros(outside)]).astype(np.int64)
        self.node_words = trie.node_words.astype(np.int32)
        if self.is_open and self.boundary is not None:  # whatever is no word is an unknown one, but for the root
            is_other = self.word_count == 0
            is_other[ROOT] = False
            ends = np.cumsum(self.word_count)[is_other]
            self.node_words = np.insert(self.node_words, ends, len(self.words))
            self.word_count[is_other] = 1
        self.has_words = bool(len(self.node_words))  # not for phones without a lexicon: nothing tells where a word ends
        self.first_word = np.cumsum(self.word_count) - self.word_count

    def follow(self, nodes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The nodes after these nodes and tokens, both (n,): -1 where no word goes on so."""
        child = self._table.take(self._row.take(nodes) * self.tokens + tokens)
        return np.where(self._only_token.take(nodes) == tokens, self._only_child.take(nodes), child)

    def best_reachable(self, scores: np.ndarray) -> np.ndarray:
        """The best score (nodes,) of the words that can still be reached in the trie, by the scores of `node_words`."""
        best = np.full(self.nodes, -np.inf)
        np.maximum.at(best, np.repeat(np.arange(self.nodes), self.word_count), scores)
        for begin, end in zip(self.depths[-2:0:-1], self.depths[:1:-1], strict=True):
            np.maximum.at(best, self.parent[begin:end], best[begin:end])
        return best

    @classmethod
    def from_trie(cls, words: Sequence[str], trie: Trie, tokenizer: Tokenizer, is_open: bool = False) -> "Lexicon":
        """The lexicon that has this as its `trie`, and these words; integers of any size will do."""
        lexicon = cls.__new__(cls)
        lexicon.words, lexicon.is_open = list(words), is_open
        lexicon.tokens, lexicon.boundary = len(tokenizer), tokenizer.boundary
        lexicon._expand(trie)
        return lexicon

    @classmethod
    def from_words(cls, words: Iterable[str], tokenizer: Tokenizer, is_open: bool = False) -> "Lexicon":
        """Words that are spelled as the tokenizer encodes them. They have gone through the model's normaliser.

        In an open vocabulary, words that cannot be spelled are left out: no output can hold them.

        Raises:
            InputError: in a closed one, a word cannot be spelled; its letters are named.
        """
        words = list(dict.fromkeys(words))
        if words and tokenizer.has_phones:
            return cls._pronounced(words, tokenizer, is_open)
        length, token = _spell(words, tokenizer)
        missing = np.bincount(np.arange(len(words)).repeat(length), token < 0, len(words)) > 0
        if is_open:
            keep = (length > 0) & ~missing
            token = token[keep.repeat(length)]
            words, length = [word for word, kept in zip(words, keep.tolist(), strict=True) if kept], length[keep]
        elif missing.any():
            word = words[missing.argmax()]
            _check_word(word, tokenizer)
        return cls(words, Spellings(np.arange(len(words)), length, token), tokenizer, is_open)

    @classmethod
    def _pronounced(cls, words: list[str], tokenizer: Tokenizer, is_open: bool) -> "Lexicon":
        """Words as they are pronounced: nothing tells how another one is written, so the vocabulary is closed.

        If it was to be open, words without a pronunciation are left out.
        """
        pronunciations, ids = tokenizer.pronunciations, {token: i for i, token in enumerate(tokenizer.tokens)}
        pairs = [(i, phones) for i, word in enumerate(words) for phones in pronunciations.get(word, ())]
        word = np.array([i for i, _ in pairs], np.int32)
        length = np.array([phones.count(" ") + 1 for _, phones in pairs], np.int64)
        phones = " ".join([phones for _, phones in pairs]).split()
        token = np.array([ids.get(phone, -1) for phone in phones], np.int32)
        usable = np.bincount(np.arange(len(pairs)).repeat(length), token < 0, len(pairs)) == 0
        token, word, length = token[usable.repeat(length)], word[usable], length[usable]
        known = np.unique(word)
        if not is_open and len(known) < len(words):
            _check_word(words[np.setdiff1d(np.arange(len(words)), known)[0]], tokenizer)
        spellings = Spellings(np.searchsorted(known, word).astype(np.int32), length, token)
        return cls([words[i] for i in known.tolist()], spellings, tokenizer)

    @classmethod
    def read(cls, path: str | os.PathLike, tokenizer: Tokenizer, normalise: Callable[[str], str] = raw) -> "Lexicon":
        """Read a closed vocabulary: a word a line, or a word and the tokens of one of its pronunciations.

            HELLO
            HELLO HH AH L OW

        `normalise` is the model's normaliser, for the words; tokens are taken as they are. A word alone is spelled with its
        letters; in a file without pronunciations, as the model's own lexicon pronounces it.

        Raises:
            InputError: the file cannot be read or is empty, or a spelling has a token that the model has not.
        """
        lines = read_text(path, "a lexicon (a word a line)").splitlines()
        rows = [(normalise(fields[0]), fields[1:]) for fields in (line.split() or [""] for line in lines)]
        if tokenizer.has_phones and not any(spelling for _, spelling in rows):
            if words := [word for word, _ in rows if word]:
                return cls.from_words(words, tokenizer)
        known = {token: i for i, token in enumerate(tokenizer.tokens) if i and token != BOUNDARY}
        ids: dict[str, int] = {}
        spellings = []
        for number, (word, spelling) in enumerate(rows, start=1):
            if not word:
                continue
            spelling = spelling or list(word)
            missing = [token for token in spelling if token not in known]
            if missing:
                raise InputError(
                    f"{path}, line {number}: {word!r} is spelled with {missing[0]!r}, which the model's tokens do not have"
                )
            spellings.append((ids.setdefault(word, len(ids)), [known[token] for token in spelling]))
        if not ids:
            raise InputError(f"{path}: expected a lexicon (a word a line), found no word in it")
        return cls(list(ids), spellings, tokenizer)


def _check_word(word: str, tokenizer: Tokenizer) -> None:
    if " " in word:
        raise InputError(f"lexicon: {word!r}: expected one word, found a space in it")
    if lacking := tokenizer.lacks(word):
        raise InputError(f"lexicon: {word!r}: {lacking}")


def _spell(words: Sequence[str], tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """How many letters words have (words,), and all their letters as tokens, -1 for what has none: quicker than one by one."""
    length = np.fromiter(map(len, words), np.int64, len(words))
    letters = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    known = sorted((ord(token), i) for i, token in enumerate(tokenizer.tokens) if len(token) == 1 and token != BOUNDARY)
    if not known:
        return length, np.full(len(letters), -1)
    alphabet, ids = np.array(known).T
    at = alphabet.searchsorted(letters).clip(max=len(alphabet) - 1)
    return length, np.where(alphabet[at] == letters, ids[at], -1)
