"""How sure the model is of a word, and whether words of which it is 90 % sure are right nine times in ten.

The raw confidence of a word is the geometric mean, over its tokens, of the highest probability that each has at the frames
which the alignment gives it. A calibration (a, b) makes sigmoid(a * log-odds + b) of it (Platt 1999). It is kept with the
model as `decoder.confidence` of model.json; benchmarks/confidence.py fits it on words of which is known whether they are right.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Calibration = tuple[float, float]
RAW: Calibration = (1.0, 0.0)  # leaves a confidence as it is

CLOSEST = 1e-4  # to 0 and 1: no more can be known from a few thousand words, and log-odds stay finite


def geometric_means(log_probabilities: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The raw confidences (words,): exp of the mean of log-probabilities (tokens,) from `starts` to `ends`, (words,) each."""
    # Probability 0 is possible; a difference of sums of -inf is not
    sums = np.concatenate([[0.0], np.cumsum(np.maximum(log_probabilities, -100.0), dtype=np.float64)])
    return np.exp((sums[ends] - sums[starts]) / np.maximum(ends - starts, 1)).clip(0.0, 1.0)


def calibrated(confidences: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Raw confidences (words,) made probabilities: sigmoid(a * log-odds + b), rising with the raw ones where a > 0."""
    a, b = calibration
    if (a, b) == RAW:
        return confidences
    return sigmoid(a * log_odds(confidences) + b)


class Bin(NamedTuple):
    """The words whose confidence is from `low` to `high`: how many, their mean confidence, and the share that is right."""

    low: float
    high: float
    words: int
    confidence: float
    right: float


def reliability(confidences: np.ndarray, right: np.ndarray, bins: int = 10) -> list[Bin]:
    """The reliability table: words (words,) by confidence in bins of equal width, those that are empty left out."""
    right = np.asarray(right, np.float64)
    index = np.minimum((np.asarray(confidences) * bins).astype(int), bins - 1)
    return [
        Bin(i / bins, (i + 1) / bins, int(own.sum()), float(confidences[own].mean()), float(right[own].mean()))
        for i in range(bins)
        if (own := index == i).any()
    ]


def calibration_error(table: Sequence[Bin]) -> float:
    """The expected calibration error: the mean over words of what separates a bin's confidence from its share of right ones."""
    return sum(b.words * abs(b.confidence - b.right) for b in table) / max(sum(b.words for b in table), 1)


def log_odds(p: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), finite also at 0 and 1."""
    p = np.clip(np.asarray(p, np.float64), CLOSEST, 1 - CLOSEST)
    return np.log(p / (1 - p))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """What undoes `log_odds`."""
    return np.exp(-np.logaddexp(0, -x))
