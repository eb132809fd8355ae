"""What a search has met, in arrays that grow: prefixes by integer id, and the ends of their words."""

import numpy as np


class Columns:
    """Arrays of one length that grow together; each is an attribute of its name, which a subclass declares."""

    def __init__(self, **kinds: type):
        self._kinds, self.size, self._capacity = kinds, 0, 0
        self._reserve(1024)

    def _reserve(self, capacity: int) -> None:
        for name, kind in self._kinds.items():
            grown: np.ndarray = np.zeros(capacity, kind)
            if self.size:
                grown[: self.size] = getattr(self, name)[: self.size]
            setattr(self, name, grown)
        self._capacity = capacity

    def append(self, count: int, **values) -> None:
        """Add `count` rows: a value or an array (count,) for each name."""
        size = self.size + count
        if size > self._capacity:
            self._reserve(2 * size)
        for name, value in values.items():
            getattr(self, name)[self.size : size] = value
        self.size = size


class Ends(Columns):
    """The ways in which the last words of prefixes may end: those of a prefix stand together."""

    word: np.ndarray
    state: np.ndarray
    language: np.ndarray
    bonus: np.ndarray

    def __init__(self):
        super().__init__(
            word=np.int64,  # the lexicon's word
            state=np.int64,  # of the language model after it
            language=np.float64,  # the word's log-probability, unweighted
            bonus=np.float64,  # the same times its weight, with the bonus or penalty of the word
        )


class Prefixes(Columns):
    """A tree of prefixes. Equal prefixes have equal ids: one that was dropped and comes back gets the id that it had.

    An hour of speech leaves about a million of them.
    """

    parent: np.ndarray
    token: np.ndarray
    node: np.ndarray
    word: np.ndarray
    choice: np.ndarray
    state: np.ndarray
    hot: np.ndarray
    language: np.ndarray
    bonus: np.ndarray
    bias: np.ndarray
    first_end: np.ndarray
    slot: np.ndarray

    def __init__(self):
        super().__init__(
            parent=np.int64,  # the prefix without its last token; -1 of a root
            token=np.int64,  # its last token; a root's is the boundary, so that leading ones count as doubled ones: not
            node=np.int64,  # where it is in the lexicon
            word=np.int64,  # the word that ended when its last token came; -1 if none did
            choice=np.int64,  # which of its parent's ends that was
            state=np.int64,  # of the language model, after its last whole word
            hot=np.int64,  # of the hotword automaton
            language=np.float64,  # log-probability of its whole words, unweighted
            bonus=np.float64,  # what it is worth for good, beside its acoustic score
            bias=np.float64,  # the same, and what it is lent: by this and its acoustic score it is ranked
            first_end=np.int64,  # its first row in `Ends`; -1 while nobody has asked
            slot=np.int64,  # scratch of the search: where in the beam it is
        )
        self._ids: dict[int, int] = {}
        self.ends = Ends()

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
