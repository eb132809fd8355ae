"""Where an n-gram stands: a hash table of (context, word) that is asked for many n-grams at once.

N-grams of two and more words stand in rows of eight cells, a stretch of rows for each length. A key (context, word) is
multiplied by an odd number modulo 2^bits, which loses nothing. The upper bits of the product choose the row, the lower 32
bits are in the cell, and the two together are the whole key: what is found is what was asked for, never a collision. What
finds its row full is spilled: its product stands in a sorted array, which is searched for what a full row does not hold.
docs/language_models.md has the figures of what else was tried.
"""

from dataclasses import asdict, dataclass

import numpy as np

CELLS = 8  # in a row: one gather of half a cache line, and one comparison's eight bytes are one 64-bit number
TAKEN = 5  # cells of a row, on average: six save 11 % of the file and cost 10 % of the time, four the reverse and more
FACTOR = np.int64(-7046029254386353131)  # odd, 2^64 divided by the golden ratio (Knuth, volume 3, section 6.4)
LENGTH_SHIFT = 56  # products have fewer bits: above them, spilled ones have their stretch's number
# 2^(8 k) times this has k in its highest byte: where among eight bytes the 1 is.
WHICH = np.uint64(sum(k << (56 - 8 * k) for k in range(CELLS)))
TOP_BYTE = np.uint64(56)


@dataclass(frozen=True)
class Stretch:
    """The rows of the n-grams of one length: `rows` from `first_row` on, and keys of `bits`.

    The values of its `spilled` n-grams follow those of its rows, as if they stood in cells.
    """

    first_row: int
    rows: int
    bits: int
    spilled: int

    @property
    def end(self) -> int:
        """The row after it."""
        return self.first_row + self.rows + -(-self.spilled // CELLS)


def key_of(contexts: np.ndarray, words: np.ndarray, word_bits: int) -> np.ndarray:
    """(n,) int64: the lower bits are never 0, and so the contents of a taken cell never are."""
    return (contexts << word_bits) + (words + 1)


def build_stretch(
    keys: np.ndarray, bits: int, first_row: int, number: int
) -> tuple[Stretch, np.ndarray, np.ndarray, np.ndarray]:
    """Place distinct keys (n,) in rows from `first_row` on, as the stretch with this number, from 0.

    Returns:
        the stretch; its cells (rows, CELLS) uint32, 0 where nothing stands; what is spilled, sorted, (spilled,) int64; and
        each key's cell (n,) within the whole table.
    """
    # At least so many rows that keys of one row differ in their lower 32 bits.
    rows = max(-(-len(keys) // TAKEN), 1 << max(bits - 32, 0))
    product = (keys * FACTOR) & np.int64((1 << bits) - 1)
    home = ((product >> max(bits - 32, 0)) * rows) >> min(bits, 32)
    order = np.argsort(product)  # in which the rows rise, too
    product, home = product[order], home[order]
    slot = np.arange(len(keys)) - np.searchsorted(home, home)
    fits = slot < CELLS
    stretch = Stretch(first_row, rows, bits, int((~fits).sum()))
    cells = np.where(fits, home * CELLS + slot, rows * CELLS + np.cumsum(~fits) - 1)
    table = np.zeros((stretch.end - first_row) * CELLS, np.uint32)
    table[cells[fits]] = product[fits].astype(np.uint32)
    where = np.empty(len(keys), np.int64)
    where[order] = cells + first_row * CELLS
    return stretch, table.reshape(-1, CELLS), product[~fits] | (number << LENGTH_SHIFT), where


class HashTable:
    """The stretches of all lengths, queried together.

    cells: (rows, CELLS) uint32. spilled: (n,) int64, sorted. word_bits: of a key.
    """

    def __init__(self, stretches: list[Stretch], cells: np.ndarray, spilled: np.ndarray, word_bits: int):
        self.stretches, self._cells, self._spilled, self._word_bits = stretches, cells, spilled, word_bits

        def column(values: list[int]) -> np.ndarray:
            return np.array(values, np.int64)[:, None]

        self._first_rows = column([s.first_row for s in stretches])
        self._rows = column([s.rows for s in stretches])
        self._masks = column([(1 << s.bits) - 1 for s in stretches])
        self._upper = column([max(s.bits - 32, 0) for s in stretches])
        self._row_shift = column([min(s.bits, 32) for s in stretches])
        self._numbers = column([number << LENGTH_SHIFT for number in range(len(stretches))])
        before = np.cumsum([0, *(s.spilled for s in stretches)])[:-1]
        # What is added to a place in `spilled` to get 1 + the cell that its value stands at.
        self._values = np.array([(s.first_row + s.rows) * CELLS + 1 for s in stretches], np.int64) - before

    def find(self, contexts: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Where n-grams stand.

        Args:
            contexts: (lengths, n) int64, a row for each stretch; what the keys of that stretch were built of.
            words: (n,) int64 ids.

        Returns:
            (lengths, n) int64: 1 + the cell, or 0 where there is no such n-gram.
        """
        product = key_of(contexts, words, self._word_bits)
        product *= FACTOR
        product &= self._masks
        rows = product >> self._upper
        rows *= self._rows
        rows >>= self._row_shift
        rows += self._first_rows
        cells = self._cells.take(rows, axis=0)
        same = (cells == product.astype(np.uint32)[..., None]).view("<u8")[..., 0]  # one byte of eight is 1, or none
        found = same != 0
        same *= WHICH
        same >>= TOP_BYTE
        rows *= CELLS
        rows += same.view(np.int64)
        rows += 1
        rows *= found
        maybe_spilled = np.flatnonzero((cells[..., -1] != 0) > found)
        if maybe_spilled.size:
            wanted = (product | self._numbers).take(maybe_spilled)
            place = self._spilled.searchsorted(wanted)
            here = (
                self._spilled.take(place, mode="clip") == wanted if self._spilled.size else np.zeros(len(wanted), bool)
            )
            at = maybe_spilled[here]
            rows.reshape(-1)[at] = place[here] + self._values[at // len(words)]
        return rows

    def header(self) -> list[dict[str, int]]:
        return [asdict(stretch) for stretch in self.stretches]
