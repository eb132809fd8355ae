"""Long recordings as stretches between pauses, which are decoded one by one, and their n best texts joined.

The acoustic model tells where nobody speaks: its best token is the blank or the boundary between words. In a run of such frames
that holds a boundary, one word has ended and no other begun; and hardly a run of half a second is without (docs/api.md).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nlargest
from itertools import chain
from operator import itemgetter

import numpy as np

from speechrnn.alignment.viterbi import LEAD, TAIL
from speechrnn.transcript import Hypothesis

BLANK = 0
LONGEST = 30.0  # seconds of a stretch: as long as an utterance of the usual corpora; what is no longer is left whole
PAUSE = 0.6  # seconds: hardly ever inside a word, and a language model finds better texts than of longer stretches (docs/api.md)


def quiet(log_probs: np.ndarray, boundary: int | None) -> np.ndarray:
    """The frames (frames,) of log-probabilities (frames, tokens) whose best token is the blank or the boundary."""
    best = log_probs.argmax(axis=1)
    return (best == BLANK) | (best == boundary)


def stretches(
    chunks: Iterable[np.ndarray],
    seconds_per_frame: float,
    boundary: int | None,
    heard: Callable[[], float] = lambda: 0.0,
) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Log-probabilities (frames, tokens) in chunks of any size, as stretches: the first frame of each, and its frames.

    Each list holds the stretches whose ends a chunk has shown. `heard` tells how many seconds of audio have been read, which
    may be more than those of the chunks so far, and shows sooner that a recording is long.

    A recording of no more than `LONGEST` is one stretch. Of a longer one, a stretch ends in the first pause of `PAUSE`, or
    else in the longest pause of the second half of `LONGEST`. Frames in which nobody speaks are in no
    stretch, but for half a `PAUSE` at either side.
    """
    longest, pause = round(LONGEST / seconds_per_frame), round(PAUSE / seconds_per_frame)
    first, is_long = 0, False
    waiting: np.ndarray | None = None
    for chunk in chain(chunks, [None]):
        found = []
        if chunk is not None:
            waiting = chunk if waiting is None else np.concatenate([waiting, chunk])
            is_long = is_long or len(waiting) > longest or heard() > LONGEST
        while is_long and waiting is not None and len(waiting):
            active = np.flatnonzero(~quiet(waiting, boundary))
            begin = max(int(active[0] if len(active) else len(waiting)) - pause // 2, 0)
            first, waiting, active = first + begin, waiting[begin:], active - begin
            end = _pause(active, len(waiting), longest, pause)
            if end is None and len(active) and len(waiting) >= longest:
                end = _best_cut(waiting[longest // 2 : longest], boundary) + longest // 2
            if end is None:
                break
            found.append((first, waiting[:end]))
            first, waiting = first + end, waiting[end:]
        if chunk is None and waiting is not None and not (is_long and quiet(waiting, boundary).all()):
            found.append((first, waiting))
        yield found


def span(log_probs: np.ndarray, seconds_per_frame: float, boundary: int | None, duration: float) -> tuple[float, float]:
    """Where speech begins and ends, in seconds, in frames (frames, tokens) that last `duration`; all of it if all are quiet.

    As in the alignment of words, it begins a little before the first frame that is not quiet, and ends after the last.
    """
    active = np.flatnonzero(~quiet(log_probs, boundary))
    if not len(active):
        return 0.0, duration
    start, end = active[0] * seconds_per_frame - LEAD, (active[-1] + 1) * seconds_per_frame + TAIL
    return max(float(start), 0.0), min(float(end), duration)


def _pause(active: np.ndarray, frames: int, longest: int, pause: int) -> int | None:
    """A place in the first pause of so many frames, by the places of frames that are not quiet; None if there is none."""
    until = np.append(active[1:], frames) - active
    ends = (until > pause) & (active + pause < longest)
    return int(active[ends.argmax()]) + 1 + pause // 2 if ends.any() else None


def _best_cut(log_probs: np.ndarray, boundary: int | None) -> int:
    """A place among these frames that is hardly inside a word.

    It is in the middle of the longest run of quiet frames, of those with a boundary if there are any; or where the blank or
    the boundary is likeliest.
    """
    is_quiet = quiet(log_probs, boundary)
    if not is_quiet.any():
        free = log_probs[:, [BLANK] if boundary is None else [BLANK, boundary]]
        return int(free.max(axis=1).argmax())
    edges = np.diff(is_quiet.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    between_words = (
        np.add.reduceat(log_probs.argmax(axis=1) == boundary, starts) > 0
    )  # what is not quiet is no boundary
    best = int((ends - starts + len(log_probs) * between_words).argmax())
    return int(starts[best] + ends[best]) // 2


def join(found: Iterable[Sequence[Hypothesis]], nbest: int, boundary: int | None) -> tuple[Hypothesis, ...]:
    """The best texts of a recording by the best ones of its stretches, which do not know of each other: scores add up."""
    best: list[tuple[float, tuple | None]] = [(0.0, None)]
    for hypotheses in found:
        longer = ((score + each.score, (before, each)) for score, before in best for each in hypotheses)
        best = nlargest(nbest, longer, key=itemgetter(0))
    return tuple(_joined(score, last, boundary) for score, last in best)


def _joined(score: float, last: tuple | None, boundary: int | None) -> Hypothesis:
    parts: list[Hypothesis] = []
    while last:
        last, part = last
        parts.append(part)
    parts.reverse()
    text = " ".join(part.text for part in parts if part.text)
    tokens: list[int] = []
    for part in parts:
        between = [boundary] if tokens and part.tokens and boundary is not None else []
        tokens += [*between, *part.tokens]
    acoustic = sum((part.acoustic for part in parts), 0.0)
    language = sum((part.language for part in parts), 0.0)
    return Hypothesis(text, tuple(tokens), score, acoustic, language)
