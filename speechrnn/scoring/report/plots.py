"""The figures of the page as SVG, in the page's own colours: style.css says what each class looks like."""

from collections.abc import Sequence
from html import escape

import numpy as np

from speechrnn.alignment.confidence import Bin
from speechrnn.scoring.breakdown import Group
from speechrnn.scoring.report.recordings import Posteriors

WIDTH, HEIGHT = 360, 230  # units of a figure: text of 11 of them stays readable on a phone
LEFT, RIGHT, TOP, BOTTOM = 38, 8, 10, 34  # what its axes leave of it
STEPS = (1, 2, 2.5, 5)  # times powers of ten, between ticks
TICKS = 6  # at most so many intervals between ticks

PEAKS_HEIGHT = 96  # pixels of the posteriors
PEAKS_TOP = 14  # pixels above a probability of 1, for the letter
FAINT = 0.03  # probabilities below are not drawn, nor is a peak
LABELLED = 0.15  # peaks of less have no letter: they would cover each other


def error_plot(x: Sequence[float], rates: Sequence[float], groups: Sequence[Group], label: str) -> str:
    """Word error rates in percent against something: a dot an utterance, and a line a group of `breakdown`.

    Rates above 100 % are drawn at 100 %, so that a few of them do not press down the others.
    """
    low, high = min((group.low for group in groups), default=0.0), max(x)
    axes = _Axes(low, high if high > low else low + 1, 0.0, 100.0)
    dots = "".join(f"M{axes.x(a)} {axes.y(min(rate, 100.0))}h0" for a, rate in zip(x, rates, strict=True))
    lines = "".join(
        f'<path class="mean" d="M{axes.x(g.low)} {axes.y(min(g.words.rate, 100.0))}H{axes.x(min(g.high, axes.right))}">'
        f"<title>{escape(g.name)}: {g.words.rate:.2f} % of {g.words.reference} words, {g.utterances} utterances</title>"
        "</path>"
        for g in groups
        if g.words.rate is not None
    )
    return _figure(axes.drawn(label, "WER %") + f'<path class="dots" d="{dots}"/>' + lines, f"WER against {label}")


def calibration_plot(bins: Sequence[Bin]) -> str:
    """The share of right words against the mean confidence of a bin; the larger the dot, the more words (by its area)."""
    axes = _Axes(0.0, 1.0, 0.0, 1.0)
    most = max(b.words for b in bins)
    ideal = f'<path class="ideal" d="M{axes.x(0)} {axes.y(0)}L{axes.x(1)} {axes.y(1)}"/>'
    way = f'<path class="way" d="M{" ".join(f"{axes.x(b.confidence)} {axes.y(b.right)}" for b in bins)}"/>'
    dots = "".join(
        f'<circle class="bin" cx="{axes.x(b.confidence)}" cy="{axes.y(b.right)}" r="{2.5 + 7 * (b.words / most) ** 0.5:.1f}">'
        f"<title>{b.low:.1f}-{b.high:.1f}: {b.words} words, mean confidence {b.confidence:.3f}, "
        f"right {b.right:.3f}</title></circle>"
        for b in bins
    )
    return _figure(
        axes.drawn("confidence", "share of right words") + ideal + way + dots, "calibration of the confidences"
    )


class _Axes:
    """Data to units of a figure."""

    def __init__(self, left: float, right: float, bottom: float, top: float):
        self.left, self.right, self.bottom, self.top = left, right, bottom, top

    def x(self, value: float) -> str:
        return _short(LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - LEFT - RIGHT))

    def y(self, value: float) -> str:
        return _short(HEIGHT - BOTTOM - (value - self.bottom) / (self.top - self.bottom) * (HEIGHT - TOP - BOTTOM))

    def drawn(self, label: str, upright: str) -> str:
        """Grid, ticks and names; what stands upright is named above its axis, where it can be read."""
        parts = []
        for value in _ticks(self.bottom, self.top):
            y = self.y(value)
            parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text x="{LEFT - 5}" y="{y}" dy=".35em" text-anchor="end">{value:g}</text>')
        for value in _ticks(self.left, self.right):
            parts.append(f'<text x="{self.x(value)}" y="{HEIGHT - 19}" text-anchor="middle">{value:g}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(f'<text class="label" x="{middle:g}" y="{HEIGHT - 4}" text-anchor="middle">{escape(label)}</text>')
        parts.append(
            f'<text class="label" transform="translate(9 {HEIGHT / 2 - 12:g}) rotate(-90)" '
            f'text-anchor="middle">{escape(upright)}</text>'
        )
        return "".join(parts)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high."""
    power = 10.0 ** np.floor(np.log10((high - low) / TICKS))
    step = next(s * power for s in (*STEPS, 10) if (high - low) / (s * power) <= TICKS + 1e-9)
    first = int(np.ceil(low / step - 1e-9))
    return [round(i * step, 10) for i in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _figure(contents: str, what: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(what)}">{contents}</svg>'


def peaks(posteriors: Posteriors, seconds: float, pixels_per_second: float) -> str:
    """The probabilities of the tokens over time, the blank left out: a hill and a letter wherever one is likely.

    Hills whose token is the most probable one somewhere are of class `first`, all others, which were not taken, `second`.
    """
    frames = int(seconds / posteriors.seconds_per_frame) + 1
    probabilities = np.exp(posteriors.log_probs[:frames])
    best = probabilities.argmax(axis=1)
    step = posteriors.seconds_per_frame * pixels_per_second
    hills: dict[str, list[str]] = {"first": [], "second": []}
    letters = []
    for token in 1 + np.flatnonzero((probabilities[:, 1:] > FAINT).any(axis=0)):
        heights = probabilities[:, token]
        likely = np.flatnonzero(np.diff(np.pad(heights > FAINT, 1).astype(np.int8)))
        for start, end in zip(likely[::2], likely[1::2], strict=True):
            kind = "first" if (best[start:end] == token).any() else "second"
            # A frame stands for the time around its middle
            points = [f"{_short((i + 0.5) * step)} {_short(_height(heights[i]))}" for i in range(start, end)]
            left, right, floor = _short((start - 0.5) * step), _short((end + 0.5) * step), PEAKS_HEIGHT
            hills[kind].append(f"M{left} {floor}L{'L'.join(points)}L{right} {floor}")
            top = start + int(heights[start:end].argmax())
            if heights[top] > LABELLED:
                place = f'x="{_short((top + 0.5) * step)}" y="{_short(_height(heights[top]) - 3)}"'
                letters.append(f'<text class="{kind}" {place}>{escape(posteriors.tokens[int(token)])}</text>')
    width = round(seconds * pixels_per_second)
    return (
        f'<svg class="peaks" width="{width}" height="{PEAKS_HEIGHT}" role="img" aria-label="probabilities of the tokens">'
        + "".join(f'<path class="{kind}" d="{"".join(paths)}"/>' for kind, paths in hills.items())
        + "".join(letters)
        + "</svg>"
    )


def _height(probability: float) -> float:
    return PEAKS_HEIGHT - probability * (PEAKS_HEIGHT - PEAKS_TOP)


def _short(value: float) -> str:
    """One decimal, and none where it is zero: half a megabyte less."""
    return f"{value:.1f}".removesuffix(".0")
