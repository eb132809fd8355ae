"""The frames of a batch of utterances as a search goes through them: tokens and frames pruned, one pool for all."""

from collections.abc import Sequence

import numpy as np

from speechrnn.errors import InputError

BLANK = 0
IMPOSSIBLE = -1e10  # a blank of no probability: finite, so that a beam always has somewhere to go


def check(log_probs: np.ndarray, tokens: int, name: str) -> None:
    """Raise an InputError that begins with `name` if these are not log-probabilities (frames, tokens)."""
    if log_probs.ndim != 2 or log_probs.shape[1] != tokens:
        raise InputError(f"{name}: expected (frames, {tokens} tokens), found the shape {log_probs.shape}")
    highest = log_probs.max(axis=1)  # NaN if there is one
    if not np.isfinite(highest).all():
        kind = "NaN" if np.isnan(highest).any() else "infinity, or nothing above minus infinity,"
        wrong = np.isnan(highest) if np.isnan(highest).any() else ~np.isfinite(highest)
        raise InputError(f"{name}: expected numbers, found {kind} in {wrong.sum()} of {len(log_probs)} frames")


class Frames:
    """The frames in which something else than the blank is possible, of utterances by falling number of such frames.

    A token is possible in a frame if its log-probability is within `threshold` of the highest; the blank always is. Frames
    of which only the blank is left change no prefix: a run of them is one addition, kept with the frame after it.

    Frame `step` of utterance u is row `first[u] + step` of:
        log_probs: (rows, tokens), minus infinity for what is not possible; flattened.
        count, start: (rows,), how many tokens other than blank and boundary are possible, and where in `tokens` and
            `token_log_probs` they stand.
        place: (rows, tokens), where among those a token stands, or -1; flattened.
        may_end: (rows,), whether the boundary is possible.
        gap: (rows,), log-probability of the blanks before it; 0 where `gapped` (rows,) is false and there are none.
    """

    def __init__(self, batch: Sequence[np.ndarray], threshold: float, boundary: int | None):
        pieces = [self._prune(log_probs, threshold) for log_probs in batch]
        self.order = sorted(range(len(batch)), key=lambda i: -len(pieces[i][0]))
        pieces = [pieces[i] for i in self.order]
        self.lengths = np.array([len(log_probs) for log_probs, *_ in pieces])
        self.first = np.cumsum(self.lengths) - self.lengths
        pool, gap, gapped = (np.concatenate(column) for column in list(zip(*pieces, strict=True))[:3])
        self.tail = np.array([tail for *_, tail in pieces])
        self.width = pool.shape[1]
        possible = pool > -np.inf
        possible[:, BLANK] = False
        self.may_end = possible.any(axis=1) if boundary is None else possible[:, boundary].copy()
        if boundary is not None:
            possible[:, boundary] = False
        self.tokens, self.token_log_probs = np.nonzero(possible)[1], pool[possible]
        self.count = possible.sum(axis=1)
        self.start = np.cumsum(self.count) - self.count
        self.place = np.where(possible, np.cumsum(possible, axis=1, dtype=np.int32) - 1, -1).ravel()
        self.gap, self.gapped = gap, gapped
        self.log_probs = pool.ravel()

    @staticmethod
    def _prune(log_probs: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        possible = log_probs >= log_probs.max(axis=1, keepdims=True, initial=-np.inf) - threshold
        possible[:, BLANK] = False
        active = np.flatnonzero(possible.any(axis=1))
        blank = np.maximum(log_probs[:, BLANK], IMPOSSIBLE)
        possible[:, BLANK] = True
        pruned = np.where(possible[active], log_probs[active], -np.inf)
        pruned[:, BLANK] = blank[active]
        blank = blank.astype(np.float64)
        blank[active] = 0
        before = np.concatenate(([0.0], np.cumsum(blank)))  # of the skipped blanks before each frame, and of all
        gaps = np.diff(before[active], prepend=0.0)
        return pruned, gaps, np.diff(active, prepend=-1) > 1, before[-1] - (before[active[-1]] if len(active) else 0.0)
