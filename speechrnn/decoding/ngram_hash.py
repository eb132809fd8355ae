"""Where an n-gram stands: a hash table of (context, word) that is asked for many n-grams at once.

N-grams of two and more words stand in rows of eight cells, a stretch of rows for each length. A key (context, word) is
multiplied by an odd number modulo 2^bits, which loses nothing. The upper bits of the product choose the row, the lower 32
bits are in the cell, and the two together are the whole key: what is found is what was asked for, never a collision. A full
row spills into the next one. docs/language_models.md has the figures of what else was tried.
"""

from dataclasses import asdict, dataclass

import numpy as np

CELLS = 8  # in a row: one gather of half a cache line
LOAD = 0.6  # the share of cells that are taken: fuller rows spill more often, emptier ones cost space
FACTOR = np.int64(-7046029254386353131)  # odd, 2^64 divided by the golden ratio (Knuth, volume 3, section 6.4)


@dataclass(frozen=True)
class Stretch:
    """The rows of the n-grams of one length: `rows` by hash, from `first_row`, and `spill` more; keys of `bits`."""

    first_row: int
    rows: int
    spill: int
    bits: int

    @property
    def end(self) -> int:
        return self.first_row + self.rows + self.spill

    def locate(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows (n,) within the stretch and the cells' contents (n,) uint32 of keys."""
        product = (keys * FACTOR) & np.int64((1 << self.bits) - 1)
        upper = product >> max(self.bits - 32, 0)
        return (upper * self.rows) >> min(self.bits, 32), product.astype(np.uint32)


def key_of(contexts: np.ndarray, words: np.ndarray, word_bits: int) -> np.ndarray:
    """(n,) int64: the lower bits are never 0, and so the contents of a taken cell never are."""
    return (contexts << word_bits) + (words + 1)


def build_stretch(keys: np.ndarray, bits: int, first_row: int) -> tuple[Stretch, np.ndarray, np.ndarray]:
    """Place distinct keys (n,) in rows from `first_row` on.

    Returns:
        the stretch; its cells (rows, CELLS) uint32, 0 where nothing stands; and each key's cell (n,) within the table.
    """
    # Keys whose lower 32 bits agree are at least `apart` rows from each other; none may be spilled that far.
    rows = max(-(-len(keys) // int(CELLS * LOAD)), 16 << max(bits - 32, 0))
    while True:
        stretch = Stretch(first_row, rows, 0, bits)
        home, contents = stretch.locate(keys)
        order = np.argsort(home, kind="stable")
        # In the order of home rows, each stands in the first cell of its row or after the one before it.
        number = np.arange(len(keys))
        cells = np.maximum.accumulate(home[order] * CELLS - number) + number if len(keys) else number
        spilled = int((cells // CELLS - home[order]).max(initial=0))
        apart = rows >> max(bits - 32, 0)
        if bits <= 32 or spilled < apart - 1:
            break
        rows *= 2
    last = int(cells[-1]) // CELLS if len(keys) else 0
    stretch = Stretch(first_row, rows, max(last + 2 - rows, 1), bits)  # an empty row ends every search
    table = np.zeros((rows + stretch.spill) * CELLS, np.uint32)
    table[cells] = contents[order]
    where = np.empty(len(keys), np.int64)
    where[order] = cells + first_row * CELLS
    return stretch, table.reshape(-1, CELLS), where


class HashTable:
    """The stretches of all lengths, queried together.

    cells: (rows, CELLS) uint32.
    """

    def __init__(self, stretches: list[Stretch], cells: np.ndarray, word_bits: int):
        self.stretches, self.cells, self._flat, self._word_bits = stretches, cells, cells.reshape(-1), word_bits

        def column(values: list[int]) -> np.ndarray:
            return np.array(values, np.int64)[:, None]

        self._first_rows = column([s.first_row for s in stretches])
        self._rows = column([s.rows for s in stretches])
        self._masks = column([(1 << s.bits) - 1 for s in stretches])
        self._upper = column([max(s.bits - 32, 0) for s in stretches])
        self._row_shift = column([min(s.bits, 32) for s in stretches])

    def find(self, contexts: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Where n-grams stand.

        Args:
            contexts: (lengths, n) int64, a row for each stretch; what the keys of that stretch were built of.
            words: (n,) ids.

        Returns:
            (lengths, n) int64: 1 + the cell, or 0 where there is no such n-gram.
        """
        product = key_of(contexts, words, self._word_bits)
        product *= FACTOR
        product &= self._masks
        contents = product.astype(np.uint32)
        product >>= self._upper
        product *= self._rows
        product >>= self._row_shift
        product += self._first_rows
        candidates = self.cells.take(product, axis=0)
        where = product * CELLS
        where += (candidates == contents[..., None]).argmax(axis=-1)
        found = self._flat.take(where) == contents
        where += 1
        where *= found
        spilled = np.flatnonzero(candidates[..., -1].astype(bool) & ~found)
        if spilled.size:
            self._find_spilled(where.reshape(-1), spilled, product.reshape(-1), contents.reshape(-1))
        return where

    def _find_spilled(self, where: np.ndarray, todo: np.ndarray, rows: np.ndarray, contents: np.ndarray) -> None:
        """Search on, row by row, for those whose row is full; write into `where`."""
        while todo.size:
            rows[todo] += 1
            row = rows.take(todo)
            candidates = self.cells.take(row, axis=0)
            same = candidates == contents.take(todo)[:, None]
            found = same.any(axis=1)
            where[todo[found]] = row[found] * CELLS + same[found].argmax(axis=1) + 1
            todo = todo[~found & (candidates[:, -1] != 0)]

    def header(self) -> list[dict[str, int]]:
        return [asdict(stretch) for stretch in self.stretches]
