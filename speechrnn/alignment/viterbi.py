"""Where in the audio each token and each word of a known text stands: the best CTC path (Graves et al. 2006) by Viterbi.

The search is exact, whatever the length. It keeps the scores of one frame and, every `BLOCK` frames, a copy; the path is
then traced back block by block, each computed a second time from its copy, for only the states that can lead to the one
known at its end. So memory grows with frames x tokens / BLOCK: 0.1 GB for an hour of dense speech.

CTC is sure of a token at one frame or two somewhere inside it, and the rest of the word is blank. So a word begins a little
before the first frame of its first token and ends a little after the last of its last: LEAD and TAIL, as measured by
benchmarks/word_times.py, or less where the next word is near, both in the same proportion.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from speechrnn.alignment.confidence import RAW, Calibration, calibrated, geometric_means
from speechrnn.errors import InputError
from speechrnn.text import Tokenizer
from speechrnn.transcript import Word

BLANK = 0
BLOCK = 512  # frames: the copies of an hour take 0.1 GB, and computing the blocks again 1/50 of the time

LEAD = 0.06  # seconds from a word's onset to its first token's frame
TAIL = 0.10  # seconds from its last token's frame to its end

# The scores of a frame, for 0 to L tokens begun: of paths that are on the last of them, and on a blank after it.
Scores = tuple[np.ndarray, np.ndarray]


def align_words(
    log_probs: np.ndarray,
    words: Sequence[str],
    tokenizer: Tokenizer,
    seconds_per_frame: float,
    duration: float,
    calibration: Calibration = RAW,
    spellings: Sequence[Sequence[int]] | None = None,
) -> tuple[Word, ...]:
    """The words of a known text with their times and confidences, in order, inside the audio and without overlap.

    Args:
        log_probs: (frames, tokens), natural logs; token 0 is the blank. Frame i covers i to i + 1 times `seconds_per_frame`.
        words: normalised, none empty. One may hold a space: it stays one word.
        tokenizer: spells the words.
        seconds_per_frame: of the model.
        duration: of the audio, in seconds.
        calibration: what raw confidences go through; see `speechrnn.alignment.confidence`.
        spellings: the token ids of each word; None spells them with the tokenizer.

    Raises:
        InputError: a character is outside the alphabet, or as `align` says.
    """
    if not words:
        return ()
    space = tokenizer.encode(" ")
    spelled = [tokenizer.encode(word) for word in words] if spellings is None else spellings
    lengths = np.array([len(ids) for ids in spelled])
    starts = np.concatenate([[0], np.cumsum(lengths + len(space))[:-1]])  # positions of the words' first tokens
    ends = starts + lengths
    ids = np.array([i for word in spelled for i in (*word, *space)][: ends[-1]])
    path = align(log_probs, ids)
    frames = np.flatnonzero(path >= 0)
    positions = path[frames]
    first = frames[np.searchsorted(positions, starts)]
    last = frames[np.searchsorted(positions, ends - 1, side="right") - 1]
    begin, end = first * seconds_per_frame, (last + 1) * seconds_per_frame
    share = np.minimum((begin[1:] - end[:-1]) / (LEAD + TAIL), 1.0)  # of LEAD and TAIL that fit between two words
    begin = (begin - LEAD * np.append(1.0, share)).clip(0.0, duration)
    end = (end + TAIL * np.append(share, 1.0)).clip(0.0, duration)
    end[:-1] = np.minimum(end[:-1], begin[1:])  # rounding may leave them 1e-15 s apart
    highest = np.full(len(ids), -np.inf)
    np.maximum.at(highest, positions, log_probs[frames, ids[positions]])
    confidences = calibrated(geometric_means(highest, starts, ends), calibration)
    rows = zip(words, begin.tolist(), end.tolist(), confidences.tolist(), strict=True)
    return tuple(Word(*row) for row in rows)


def align(log_probs: np.ndarray, ids: ArrayLike) -> np.ndarray:
    """The most probable CTC path that spells the token ids: for each frame the position in `ids` that it is on, or -1.

    Its work grows with frames x positions.

    Args:
        log_probs: (frames, tokens), natural logs; token 0 is the blank.
        ids: (positions,) token ids without blanks; there may be none.

    Returns:
        (frames,) int64, rising from the first position to the last, blanks between them as -1.

    Raises:
        InputError: there is NaN among the log-probabilities, there are fewer frames than the tokens and the blanks between
            equal neighbours, or every path has probability 0.
    """
    ids = np.asarray(ids, np.int64)
    if ids.size and not (0 < ids.min() and ids.max() < log_probs.shape[1]):
        raise ValueError(f"ids: expected 1 to {log_probs.shape[1] - 1}, found {ids.min()} to {ids.max()}")
    if np.isnan(log_probs).any():
        frames = int(np.isnan(log_probs).any(axis=1).sum())
        raise InputError(f"log-probabilities: expected numbers, found NaN in {frames} of {len(log_probs)} frames")
    lattice = _Lattice(log_probs, ids)
    if lattice.needed[-1] > len(log_probs):
        raise InputError(
            f"the text is longer than the audio can hold: its {ids.size} tokens need {lattice.needed[-1]} frames, "
            f"found {len(log_probs)}"
        )
    return lattice.best_path()


class _Lattice:
    """The states of a text at each frame: (tokens begun, on the last of them or on the blank after it)."""

    def __init__(self, log_probs: np.ndarray, ids: np.ndarray):
        self.log_probs = log_probs
        self.ids = np.concatenate([[BLANK], ids])  # ids[n] is the n-th token; the 0-th is never spoken
        self.repeats = np.flatnonzero(self.ids[1:] == self.ids[:-1]) + 1  # n where a blank must stand before
        extra = np.zeros(len(self.ids), np.int64)
        extra[self.repeats] = 1
        self.needed = np.arange(len(self.ids)) + np.cumsum(extra)  # frames to get onto the n-th token

    def best_path(self) -> np.ndarray:
        frames, last = len(self.log_probs), len(self.ids) - 1
        path = np.full(frames, -1, np.int64)
        if not frames or not last:
            return path
        start = (np.full(last + 1, -np.inf), np.full(last + 1, -np.inf))
        start[1][0] = 0.0  # before the first frame: nothing begun, and as if on a blank
        saved = []
        for frame, scores in enumerate(self.scores(start, 0, frames, 0, last)):
            if frame % BLOCK == 0 and frame < frames:
                low, high = map(int, self.reachable(frame))
                saved.append((low, scores[0][low : high + 1].copy(), scores[1][low : high + 1].copy()))
        on, after = scores[0][last], scores[1][last]
        if max(on, after) == -np.inf:
            raise InputError("the text cannot be aligned: every path through the log-probabilities has probability 0")
        n, blank = last, bool(after > on)
        for block in reversed(range(len(saved))):
            begin = block * BLOCK
            n, blank = self.trace(saved[block], begin, min(begin + BLOCK, frames), n, blank, path)
        return path

    def reachable(self, frames: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
        """The fewest and the most tokens that can have begun after so many frames, the others fitting into the rest."""
        # A blank that must stand before the next token may be the last of these frames already, hence 1 less
        low = np.searchsorted(self.needed, self.needed[-1] - (len(self.log_probs) - frames) - 1)
        return low, np.searchsorted(self.needed, frames, side="right") - 1

    def scores(self, start: Scores, begin: int, end: int, first: int, last: int) -> Iterator[Scores]:
        """The scores before frame `begin` and after each frame up to `end`, of `first` to `last` tokens begun.

        on[n] becomes max(on[n], after[n - 1], on[n - 1] unless both tokens are the same) + log p(token n), and after[n]
        max(after[n], on[n]) + log p(blank). The arrays, (last - first + 1,) each, are the same every time and written over.
        Entries that `reachable` excludes are not kept up to date.
        """
        on, after = start
        yield on, after
        ids, repeats = self.ids[first : last + 1], self.repeats[(self.repeats > first) & (self.repeats <= last)] - first
        best, emitted = np.empty_like(on), np.empty_like(on)
        row = np.empty(self.log_probs.shape[1])
        lows, highs = (bound.clip(first, last) - first for bound in self.reachable(np.arange(begin, end) + 1))
        for frame, low, high in zip(range(begin, end), lows.tolist(), highs.tolist(), strict=True):
            row[:] = self.log_probs[frame]
            below = max(low - 1, 0)
            np.maximum(on[below : high + 1], after[below : high + 1], out=best[below : high + 1])
            where = repeats[np.searchsorted(repeats, low) : np.searchsorted(repeats, high, side="right")]
            again = np.maximum(on[where], after[where - 1])
            held = slice(below + 1, high + 1)
            np.maximum(on[held], best[below:high], out=on[held])
            on[where] = again
            on[held] += np.take(row, ids[held], out=emitted[held], mode="clip")
            np.add(best[low : high + 1], row[BLANK], out=after[low : high + 1])
            if low:
                on[below] = after[below] = -np.inf  # can no longer reach the end
            yield on, after

    def trace(
        self, saved: tuple[int, np.ndarray, np.ndarray], begin: int, end: int, n: int, blank: bool, path: np.ndarray
    ) -> tuple[int, bool]:
        """Fill in the path (frames,) from `end` back to `begin`, from the state after `end`; returns the one before `begin`."""
        first = max(n - (end - begin), 0)
        start = (np.full(n - first + 1, -np.inf), np.full(n - first + 1, -np.inf))
        low, *values = saved
        from_, to = max(low, first), min(low + len(values[0]) - 1, n)
        for array, value in zip(start, values, strict=True):
            array[from_ - first : to - first + 1] = value[from_ - low : to - low + 1]
        rows = [(on.copy(), after.copy()) for on, after in self.scores(start, begin, end, first, n)]
        for frame in range(end - 1, begin - 1, -1):
            on, after = rows[frame - begin]
            i = n - first
            if blank:
                blank = bool(after[i] >= on[i])
                continue
            path[frame] = n - 1
            skipping = on[i - 1] if self.ids[n] != self.ids[n - 1] else -np.inf
            if on[i] < max(after[i - 1], skipping):
                n, blank = n - 1, bool(after[i - 1] >= skipping)
        return n, blank
