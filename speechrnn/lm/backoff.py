"""The n-grams of a back-off language model as sorted tables, one a length: what estimation, pruning and ARPA files share.

An n-gram is stored as its context (all words but the last) and its last word, p(word | context). What has no entry is backed
off: p(w | h) = exp(backoff(h)) p(w | h without its first word), with backoff(h) = 0 where h has no entry (Katz 1987, as in
the ARPA format). All logarithms are natural.
"""

from dataclasses import dataclass

import numpy as np

UNKNOWN, START, END = 0, 1, 2  # the ids of the words that every model has
SPECIAL = ("<unk>", "<s>", "</s>")
IMPOSSIBLE = -99 * float(np.log(10))  # what ARPA files write for probability 0, that of <s>


@dataclass
class Table:
    """The n-grams of one length, sorted by (context, word).

    `contexts` (n,) int64 are indices into the table of one word less; in the table of single words they are all 0.
    `words` (n,) int32; `log_probs` and `backoffs` (n,) float64. The longest n-grams have no back-off: zeros.
    """

    contexts: np.ndarray
    words: np.ndarray
    log_probs: np.ndarray
    backoffs: np.ndarray

    def __len__(self) -> int:
        return len(self.words)


@dataclass
class BackoffTables:
    """A whole model: `words[i]` is the word with id i, and `tables[k]` holds the n-grams of k + 1 words.

    The first table has one entry a word, in the order of the ids.
    """

    words: list[str]
    tables: list[Table]

    @property
    def order(self) -> int:
        return len(self.tables)

    def find(self, length: int, contexts: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Where n-grams of `length` words stand in their table: (n,) int64, -1 for those that have no entry.

        A context of -1 is never found.
        """
        table, size = self.tables[length - 1], len(self.words)
        if length == 1:
            return np.where(contexts == 0, words.astype(np.int64), -1)
        if not len(table):
            return np.full(len(words), -1)
        keys = table.contexts * size + table.words
        wanted = contexts * size + words
        found = np.searchsorted(keys, wanted)
        return np.where((contexts >= 0) & (keys.take(found, mode="clip") == wanted), found, -1)

    def suffixes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each table, the longest n-gram that each of its n-grams ends with, itself left out.

        Returns:
            for each table the lengths (n,) and the indices (n,) into the tables of these lengths. In a pruned model it may be
            shorter by more than one word; a single word ends with the empty context: length 0, index 0.
        """
        result = [(np.zeros(len(self.tables[0]), np.int64), np.zeros(len(self.tables[0]), np.int64))]
        for table in self.tables[1:]:
            lengths, indices = (part[table.contexts] for part in result[-1])  # what its context ends with
            for length in range(len(result) - 1, -1, -1):
                at = np.flatnonzero(lengths == length)
                found = self.find(length + 1, indices[at], table.words[at])
                lengths[at] = np.where(found >= 0, -1 - length, 0)  # negative: found, with one word more
                missing = at[found < 0]
                if len(missing):
                    lengths[missing], indices[missing] = (part[indices[missing]] for part in result[length - 1])
                indices[at[found >= 0]] = found[found >= 0]
            result.append((-lengths, indices))
        return result
