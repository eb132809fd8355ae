"""Interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998, "An empirical study of smoothing techniques for
language modeling", sections 3 and 4.1).
"""

from collections.abc import Sequence

import numpy as np

from speechrnn.lm.backoff import IMPOSSIBLE, START, BackoffTables, Table
from speechrnn.lm.ngram_counts import Counts

# For texts too small to tell the discounts, in which no n-gram stands 1, 2, 3 or 4 times: halves, as KenLM falls back to.
FALLBACK = (0.5, 1.0, 1.5)


def discounts(counts: np.ndarray) -> tuple[float, float, float] | None:
    """What is taken off counts of 1, 2 and 3 or more (equation 26 of the paper); None if the counts do not tell."""
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    if (n[1:5] == 0).any():
        return None
    y = n[1] / (n[1] + 2 * n[2])
    one, two, more = (float(i - (i + 1) * y * n[i + 1] / n[i]) for i in (1, 2, 3))
    return (one, two, more) if 0 < one <= 1 and 0 < two <= 2 and 0 < more <= 3 else None


def adjusted_counts(tables: Sequence[Counts]) -> list[np.ndarray]:
    """The counts that are smoothed: for the longest n-grams how often they stand in the text, for others after how many words.

    What begins with <s> follows on nothing, and keeps its count in the text. <s> itself is never predicted: 0.
    """
    result = []
    for table, longer in zip(tables, [*tables[1:], None], strict=True):
        counts = table.counts
        if longer is not None:
            follows = np.bincount(longer.suffixes, minlength=len(counts))
            counts = np.where(table.starting, counts, follows)
        result.append(counts.copy())
    result[0][START] = 0
    return result


def estimate(
    words: Sequence[str], tables: Sequence[Counts], prune: Sequence[int] = ()
) -> tuple[BackoffTables, list[np.ndarray], list[int]]:
    """A model of counted n-grams.

    Probabilities are interpolated with those of the shorter context and, at single words, with the uniform distribution over
    all words but <s>: that is all <unk> gets.

    Args:
        words: id -> word.
        tables: the counts, from single words on.
        prune: for each length (the last value for all longer ones): n-grams that stand this often or less in the text are
            left out, and their probability goes to the back-off. 0 first, and never falling.

    Returns:
        the model; for each table how often its n-grams stand in the text (n,), in the model's order; and the lengths whose
        discounts the text was too small to tell.
    """
    thresholds = [*prune, *[prune[-1] if prune else 0] * len(tables)][: len(tables)]
    lower = np.full(1, 1 / (len(words) - 1))  # the uniform distribution
    kept_before = np.ones(1, bool)
    new_index = np.zeros(1, np.int64)  # of what is kept of the table before
    result: list[Table] = []
    frequencies, fallen_back = [], []
    for length, (table, counts) in enumerate(zip(tables, adjusted_counts(tables), strict=True), start=1):
        found = discounts(counts)
        if found is None:
            fallen_back.append(length)
        discount = np.array([0.0, *(found or FALLBACK)])[np.minimum(counts, 3)]
        total = np.bincount(table.contexts, weights=counts, minlength=len(lower))
        kept = table.counts > thresholds[length - 1] if length > 1 else np.ones(len(counts), bool)
        # A total is 0 where all that an n-gram follows is unknown words.
        share = np.where(kept, np.maximum(counts - discount, 0), 0) / np.maximum(total, 1)[table.contexts]
        rest = 1 - np.bincount(table.contexts, weights=share, minlength=len(lower))
        probabilities = share + rest[table.contexts] * lower[table.suffixes]
        if result:
            result[-1].backoffs[:] = np.log(rest[kept_before])
        log_probs = np.log(probabilities[kept])
        if length == 1:
            log_probs[START] = IMPOSSIBLE
        result.append(Table(new_index[table.contexts[kept]], table.words[kept], log_probs, np.zeros(len(log_probs))))
        frequencies.append(table.counts[kept])
        new_index, kept_before, lower = np.cumsum(kept) - 1, kept, probabilities
    return BackoffTables(list(words), result), frequencies, fallen_back
