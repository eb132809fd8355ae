"""How sure an error rate is, and whether one system is better than another or only luckier.

Differences are those of the second system less the first: negative where the second is better. Three ways to ask:
`bootstrap`, the interval of one system's rate; `paired_bootstrap`, that of the difference of two on the same utterances (both:
Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004); and `matched_pairs`,
NIST's MAPSSWE (Gillick and Cox, "Some statistical issues in the comparison of speech recognition algorithms", ICASSP 1989).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import copysign, erfc, expm1, log1p, sqrt
from statistics import NormalDist

import numpy as np

from speechrnn.scoring.errors import Pair

RESAMPLES = 10_000  # of many utterances, an end of an interval then moves by 0.7 % of its width with the seed; with 1,000 by 2 %
LEVEL = 0.95  # of every interval: the field's habit
# An interval ends at what the lowest and the highest speaker have, at most: of 5 or fewer, all lie on the same side of the
# truth once in 16 times or more often, and no interval made of them holds it in 95 %.
FEWEST = 6
BLOCK = 1 << 16  # utterances drawn at once: 1 MB, which the processor keeps at hand
NORMAL = NormalDist()
BUFFER = 2  # words that both systems have right between two segments: that of NIST's sc_stats


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, in percent of the reference words or, of a relative difference, of the first system's errors."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """The rate of the second system less that of the first, in points and, `relative`, in percent of the first's.

    `first` and `second` are the intervals of the two rates themselves, those that `bootstrap` gives.
    `improvement` is the share of the resamples in which the second system is better, a tie counted as half (Bisani and Ney's
    probability of improvement); `p` is how probable so clear a difference, either way, would be between equally good systems.
    What is relative is None where the first system makes no error: of the whole set, or of one resample.
    """

    points: float
    interval: Interval
    relative: float | None
    relative_interval: Interval | None
    improvement: float
    p: float
    first: Interval
    second: Interval

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval.low > 0 or self.interval.high < 0


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """The matched pairs sentence-segment word error test: mean and standard deviation of the differences in errors a segment.

    `z` and the two-sided `p` (by the normal distribution) are None where nothing varies, as in fewer than two segments.
    """

    segments: int
    mean: float
    deviation: float
    z: float | None
    p: float | None


def bootstrap(
    errors: Sequence[int],
    reference: Sequence[int],
    groups: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Interval | None:
    """The 95 % interval of a total error rate in percent; None where fewer than `FEWEST` of what is drawn have words.

    None as well where there is no error: every draw would have none, and the interval would be a point. (Of n words without
    an error, the rule of three says at most 300 / n percent.)

    It is the percentile interval, with the percentiles farther out the fewer there are to draw from (Hesterberg, "What
    teachers should know about the bootstrap", The American Statistician 69, 2015): Student's t in place of the normal
    distribution. Of 8 speakers they are the 0.6th and the 99.4th, of 100 the 2.3rd and the 97.7th.

    Args:
        errors, reference: (utterances), errors and reference tokens of each.
        groups: the speaker of each utterance. Speakers are drawn then, each with all its utterances.
        resamples: how often as many utterances, or speakers, are drawn with replacement.
    """
    units = _units((errors, reference), groups)
    if not units[0].any():
        return None
    wrong, words = resampled(units, resamples, seed)
    return _interval(100 * wrong[words > 0] / words[words > 0], _number(units))  # a draw without a word has no rate


def paired_bootstrap(
    first: Sequence[int],
    second: Sequence[int],
    reference: Sequence[int],
    groups: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Difference | None:
    """The difference of two systems on the same utterances, which are drawn for both together; else as `bootstrap`.

    Args:
        first, second, reference: (utterances), the errors of both systems and the reference tokens.
    """
    units = _units((first, second, reference), groups)
    drawn = resampled(units, resamples, seed)
    ours, theirs, words = drawn[:, drawn[2] > 0]
    change = theirs - ours
    number = _number(units)
    interval, own, others = (_interval(100 * each / words, number) for each in (change, ours, theirs))
    if interval is None or own is None or others is None:  # all of them, then
        return None
    total, other, length = units.sum(axis=1)
    better, worse, draws = np.sum(change < 0), np.sum(change > 0), len(change)
    # Counted with the data themselves, so that it is never nought (Davison and Hinkley, Bootstrap Methods, 1997, 4.2)
    against = min(0.5, (draws - max(better, worse) + 1) / (draws + 1))
    return Difference(
        points=float(100 * (other - total) / length),
        interval=interval,
        relative=float(100 * (other - total) / total) if total else None,
        relative_interval=_interval(100 * change / ours, number) if ours.all() else None,
        improvement=float((draws + better - worse) / (2 * draws)),
        p=2 * NORMAL.cdf(_narrowed(NORMAL.inv_cdf(against), number)),
        first=own,
        second=others,
    )


def _units(columns: Sequence[Sequence[int]], groups: Sequence[str] | None) -> np.ndarray:
    """What is drawn: the columns as (columns, utterances), or their sums by group, (columns, groups)."""
    values = np.array(columns, np.float64)  # whole numbers: their sums are exact, in whatever order
    if groups is None:
        return values
    names, members = np.unique(groups, return_inverse=True)
    return np.stack([np.bincount(members, row, len(names)) for row in values])


def resampled(units: np.ndarray, resamples: int = RESAMPLES, seed: int = 1) -> np.ndarray:
    """The totals (columns, resamples) of as many units (columns, units) as there are, drawn with replacement.

    The same seed and number of units draw the same ones.
    """
    random = np.random.default_rng(seed)
    size = units.shape[1]
    at_once = max(1, BLOCK // max(1, size))
    totals = [np.empty((len(units), 0))]
    for start in range(0, resamples if size else 0, at_once):
        rows = min(at_once, resamples - start)
        drawn = random.integers(size, size=(rows, size))
        totals.append(np.stack([column.take(drawn).sum(axis=1) for column in units]))
    return np.concatenate(totals, axis=1)


def _number(units: np.ndarray) -> int:
    """How many of the units (columns, units) have reference words, the last column: the others say hardly anything."""
    return int(np.count_nonzero(units[-1]))


def _interval(values: np.ndarray, number: int) -> Interval | None:
    """The interval of resampled values; None of too few units with words, or without a value."""
    if number < FEWEST or not len(values):
        return None
    share = NORMAL.cdf(_widened(NORMAL.inv_cdf((1 - LEVEL) / 2), number))
    low, high = np.quantile(values, [share, 1 - share])
    return Interval(float(low), float(high))


def _widened(z: float, units: int) -> float:
    """The normal deviate at which a percentile of so many resampled units is as rare as `z`; `_narrowed` is the way back.

    It is Student's t times sqrt(n / (n - 1)), which makes up for the variance that a sample of n lacks. The t is Wallace's
    approximation (Annals of Mathematical Statistics 30, 1959): at 95 % within 0.3 % of the true one from 6 units on.
    """
    freedom = units - 1
    w = z * (8 * freedom + 3) / (8 * freedom + 1)
    return copysign(sqrt(freedom * expm1(w * w / freedom) * units / freedom), z)


def _narrowed(z: float, units: int) -> float:
    freedom = units - 1
    t_squared = z * z * freedom / units
    return copysign(sqrt(freedom * log1p(t_squared / freedom)) * (8 * freedom + 1) / (8 * freedom + 3), z)


def matched_pairs(first: Iterable[Sequence[Pair]], second: Iterable[Sequence[Pair]]) -> MatchedPairs:
    """MAPSSWE on two systems' alignments with the same references, as NIST's `sc_stats -t mapsswe` counts it.

    With the alignments of sclite it gives the numbers of `sc_stats`, which takes the differences the other way round.
    """
    differences = np.array([theirs - ours for ours, theirs in segments(first, second)], np.float64)
    count = len(differences)
    mean = float(differences.mean()) if count else 0.0
    deviation = float(differences.std(ddof=1)) if count > 1 else 0.0
    z = mean / (deviation / sqrt(count)) if deviation else None
    return MatchedPairs(count, mean, deviation, z, None if z is None else erfc(abs(z) / sqrt(2)))


def segments(first: Iterable[Sequence[Pair]], second: Iterable[Sequence[Pair]]) -> Iterator[tuple[int, int]]:
    """The errors of both systems in each segment of the utterances that holds any.

    A segment ends with its utterance, or with the second of two successive reference words that both systems have right,
    with nothing inserted between: what one got wrong there has no more influence on what follows.
    """
    for ours, theirs in zip(first, second, strict=True):
        errors, other_errors, right = 0, 0, 0
        for (inserted, wrong), (other_inserted, other_wrong) in zip(_by_word(ours), _by_word(theirs), strict=True):
            errors += inserted + wrong
            other_errors += other_inserted + other_wrong
            if wrong or other_wrong:
                right = 0
            else:
                right = 1 if inserted or other_inserted else right + 1
            if right >= BUFFER and (errors or other_errors):
                yield errors, other_errors
                errors = other_errors = 0
        if errors or other_errors:
            yield errors, other_errors


def _by_word(alignment: Sequence[Pair]) -> list[tuple[int, bool]]:
    """For each reference word, and the utterance's end, how many words stand inserted before it and whether it is wrong."""
    words, inserted = [], 0
    for reference, hypothesis in alignment:
        if reference is None:
            inserted += 1
        else:
            words.append((inserted, reference != hypothesis))
            inserted = 0
    return [*words, (inserted, False)]
