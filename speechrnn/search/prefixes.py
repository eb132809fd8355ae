"""What a search has met, in arrays that grow: prefixes by integer id, and the ends of their words."""

from dataclasses import dataclass, field, fields

import numpy as np


def column(kind: type) -> np.ndarray:
    """A field of `Rows`: an array of numbers of one kind."""
    return field(default_factory=lambda: np.zeros(1024, kind))


@dataclass
class Rows:
    """Arrays of one length that grow together: the columns of a subclass. `size` rows are in use."""

    size: int = 0

    def append(self, count: int, **values) -> None:
        """Add `count` rows: a value or an array (count,) for each column that is not zero."""
        start, self.size = self.size, self.size + count
        columns = [(each.name, getattr(self, each.name)) for each in fields(self)[1:]]
        if self.size > len(columns[0][1]):
            for name, array in columns:
                setattr(self, name, np.concatenate([array, np.zeros(2 * self.size - len(array), array.dtype)]))
        for name, value in values.items():
            getattr(self, name)[start : self.size] = value


@dataclass
class WordEnds(Rows):
    """The ways in which the last words of prefixes may end: those of a prefix stand together."""

    word: np.ndarray = column(np.int64)  # the lexicon's word
    state: np.ndarray = column(np.int64)  # of the language model after it
    language: np.ndarray = column(np.float64)  # the word's log-probability, unweighted
    bonus: np.ndarray = column(np.float64)  # the same times its weight, with the bonus or penalty of the word


@dataclass
class Prefixes(Rows):
    """A tree of prefixes. Equal prefixes have equal ids: one that was dropped and comes back gets the id that it had.

    An hour of speech leaves about a million of them.
    """

    parent: np.ndarray = column(np.int64)  # the prefix without its last token; -1 of a root
    # its last token; a root's is the boundary, so that leading boundaries count as doubled ones and change nothing
    token: np.ndarray = column(np.int64)
    node: np.ndarray = column(np.int64)  # where it is in the lexicon
    word: np.ndarray = column(np.int64)  # the word that ended when its last token came; -1 if none did
    choice: np.ndarray = column(np.int64)  # which of its parent's word ends that was
    state: np.ndarray = column(np.int64)  # of the language model, after its last whole word
    hot: np.ndarray = column(np.int64)  # of the hotword automaton
    language: np.ndarray = column(np.float64)  # log-probability of its whole words, unweighted
    bonus: np.ndarray = column(np.float64)  # what it is worth for good, beside its acoustic score
    bias: np.ndarray = column(np.float64)  # the same, and what it is lent: by this and its acoustic score it is ranked
    first_end: np.ndarray = column(np.int64)  # its first row in `word_ends`; -1 while nobody has asked
    slot: np.ndarray = column(np.int64)  # scratch of the search: where in the beam it is

    def __post_init__(self):
        self.word_ends = WordEnds()
        self._ids: dict[int, int] = {}

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids (n,) of prefixes by parent and arc in one number (n,), and the places (new,) of those to be appended now."""
        table, size = self._ids, self.size
        found: list[int] = []
        new: list[int] = []
        for key in keys.tolist():
            known = table.get(key)
            if known is None:
                known = table[key] = size
                new.append(len(found))
                size += 1
            found.append(known)
        return np.array(found, np.int64), np.array(new, np.int64)

    def paths(self, ids: np.ndarray) -> np.ndarray:
        """The prefixes that each of these (n,) grew from, and itself, without the root: (length, n), ends first, then -1."""
        steps = []
        while len(ids):
            parent = np.where(ids >= 0, self.parent.take(ids), -1)
            if (parent < 0).all():  # roots
                break
            steps.append(np.where(parent >= 0, ids, -1))
            ids = parent
        return np.array(steps, np.int64).reshape(len(steps), len(ids))
