"""Leaving out the n-grams that a back-off model misses least (Stolcke 1998, "Entropy-based pruning of backoff language
models", arXiv cs/0006025).
"""

from collections.abc import Sequence

import numpy as np

from speechrnn.lm.backoff import BackoffTables, Table


def prune(model: BackoffTables, frequencies: Sequence[np.ndarray], threshold: float) -> BackoffTables:
    """The model without the n-grams whose loss raises its perplexity by less than `threshold`, relative, each taken alone.

    Contexts of n-grams that stay, stay. The probability of a context is its share of the text it was counted in, not what the
    model says, which Kneser-Ney's lower orders get wrong (Chelba et al. 2010, "Study on interaction between entropy pruning
    and Kneser-Ney smoothing").

    Args:
        model: each of its n-grams without the first word must be in it, too.
        frequencies: for each table how often its n-grams stand in the text (n,).
        threshold: such as 1e-8.
    """
    suffixes = [indices for _, indices in model.suffixes()]
    kept = [np.ones(len(table), bool) for table in model.tables]
    for k in range(model.order - 1, 0, -1):
        table, shorter = model.tables[k], model.tables[k - 1]
        if k < model.order - 1:
            needed = np.zeros(len(table), bool)
            needed[model.tables[k + 1].contexts[kept[k + 1]]] = True
        else:
            needed = np.zeros(len(table), bool)
        log_p, log_q = table.log_probs, shorter.log_probs[suffixes[k]]
        p, q = np.exp(log_p), np.exp(log_q)
        left_p = 1 - np.bincount(table.contexts, weights=p, minlength=len(shorter))
        left_q = 1 - np.bincount(table.contexts, weights=q, minlength=len(shorter))
        left_p, left_q = left_p[table.contexts], left_q[table.contexts]
        log_without = np.log((left_p + p) / (left_q + q))  # the back-off if this n-gram alone were left out
        history = frequencies[k - 1][table.contexts] / frequencies[0].sum()
        # Equation 10 of the paper: the relative entropy between the model with the n-gram and without.
        change = p * (log_q + log_without - log_p) + left_p * (log_without - np.log(left_p / left_q))
        kept[k] = needed | (np.expm1(-history * change) >= threshold)
    return _without(model, suffixes, kept)


def _without(model: BackoffTables, suffixes: Sequence[np.ndarray], kept: Sequence[np.ndarray]) -> BackoffTables:
    """The n-grams that are kept, with back-offs that make the probabilities after each context add up to one again."""
    tables = [Table(*(array.copy() for array in vars(model.tables[0]).values()))]
    now = np.exp(tables[0].log_probs)  # of all n-grams of a length, as the new model has them
    new_index = np.arange(len(tables[0]))
    for k in range(1, model.order):
        table, keep = model.tables[k], kept[k]
        contexts = table.contexts[keep]
        p, q = np.exp(table.log_probs), now[suffixes[k]]
        size = len(model.tables[k - 1])
        left = [1 - np.bincount(contexts, weights=values[keep], minlength=size) for values in (p, q)]
        weight = left[0] / left[1]
        tables[-1].backoffs[:] = np.log(weight[kept[k - 1]])
        now = np.where(keep, p, weight[table.contexts] * q)
        log_probs = table.log_probs[keep]
        tables.append(Table(new_index[contexts], table.words[keep], log_probs, np.zeros(len(log_probs))))
        new_index = np.cumsum(keep) - 1
    return BackoffTables(model.words, tables)
