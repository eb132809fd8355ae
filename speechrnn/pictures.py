"""Pictures of recordings, of manifests and of what a model hears. They need matplotlib and numpy, and no torch.

Figures are made without pyplot, which keeps every figure for ever, and drawn by Agg, which needs no screen.
"""

import io
import os
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speechrnn.data.survey import Survey
from speechrnn.errors import InputError
from speechrnn.files import write_atomically
from speechrnn.scoring.report.pictures import log_mel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 90  # 10 inches are a page's width on a screen
COLOURS = 128  # of a picture: a third of the bytes in less time, and nobody sees it
SHOWN_SECONDS = 30.0  # of a recording: longer pictures cannot be read
TITLE_WIDTH, TITLE_LINES = 100, 2  # characters and lines of a title
MEL_BINS = 80
DYNAMIC_RANGE = 80.0  # dB below the loudest
SHOWN_PROBABILITY = 0.1  # a token that never reaches it gets no line


def new_figure(width: float, height: float, layout: str = "constrained") -> "Figure":
    """An empty figure of this size in inches; `layout` is matplotlib's.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise InputError(
            "pictures need matplotlib, which is not installed: `pip install '.[train]'` in speechrnn's source folder"
        ) from None
    return Figure(figsize=(width, height), dpi=DPI, layout=layout)  # type: ignore[arg-type]  # "none" lacks in its types


def save_picture(figure: "Figure", path: str | os.PathLike, description: str = "") -> Path:
    """Write a figure as PNG, atomically. `description` becomes the file's text of that name. Returns the path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image, PngImagePlugin

    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a script that the font lacks is drawn as boxes
        canvas.draw()
    text = PngImagePlugin.PngInfo()
    text.add_itxt("Description", description)
    buffer = io.BytesIO()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(buffer, "png", pnginfo=text)
    write_atomically(path, buffer.getvalue())
    return Path(path)


def durations(survey: Survey) -> "Figure":
    """How long the utterances are, and how long for their texts; those with suspicious texts in red."""
    figure = new_figure(10, 4)
    histogram, scatter = figure.subplots(1, 2)
    known = np.isfinite(survey.seconds)
    histogram.hist(survey.seconds[known], bins=min(60, max(5, int(known.sum() ** 0.5))))
    histogram.set(xlabel="seconds", ylabel="utterances", title="durations")
    suspicious = np.zeros(len(known), bool)
    suspicious[survey.suspicious] = True
    usual = known & ~suspicious
    scatter.plot(survey.seconds[usual], survey.characters[usual], ".", markersize=3, alpha=0.5)
    scatter.plot(survey.seconds[suspicious], survey.characters[suspicious], "r.", label="too fast or too slow")
    scatter.set(xlabel="seconds", ylabel="characters", title="durations and texts", xlim=(0, None), ylim=(0, None))
    if suspicious.any():
        scatter.legend()
    return figure


def recording(waveform: np.ndarray, rate: int, title: str) -> "Figure":
    """A waveform (samples,) at `rate` Hz and its log-mel spectrogram."""
    figure = new_figure(10, 4)
    panels = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    _draw_recording(panels, waveform, rate, title)
    panels[-1].set_xlabel(_axis(waveform, rate))
    return figure


def posteriors(
    waveform: np.ndarray, rate: int, log_probs: np.ndarray, frame_seconds: float, tokens: Sequence[str], title: str
) -> "Figure":
    """A waveform (samples,), its log-mel spectrogram, and below them the probabilities (frames, tokens) that a CTC model gives.

    The blank is grey; every token of some probability is a line, which is labelled where the most probable path emits it.
    """
    figure = new_figure(10, 6)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(1, 2, 2))
    _draw_recording(panels[:2], waveform, rate, title)
    log_probs = log_probs[: int(SHOWN_SECONDS / frame_seconds)]
    probabilities = np.exp(log_probs)
    times = (np.arange(len(log_probs)) + 0.5) * frame_seconds  # a frame stands for the time around its middle
    panel = panels[2]
    panel.plot(times, probabilities[:, 0], color="0.7", label="blank")
    emitted = emissions(log_probs)
    seen = 1 + np.flatnonzero((probabilities[:, 1:] > SHOWN_PROBABILITY).any(axis=0))
    colours = {token: f"C{i % 10}" for i, token in enumerate(sorted({*seen, *(token for token, _ in emitted)}))}
    for token, colour in colours.items():
        panel.plot(times, probabilities[:, token], color=colour, linewidth=1)
    for token, frame in emitted:
        height = probabilities[frame, token] + 0.02
        panel.text(times[frame], height, tokens[token], ha="center", color=colours[token], parse_math=False)
    panel.set(xlabel=_axis(waveform, rate), ylabel="probability", ylim=(0, 1.3), yticks=(0, 0.5, 1))
    panel.legend(loc="upper right", frameon=False)
    return figure


def emissions(log_probs: np.ndarray) -> list[tuple[int, int]]:
    """The tokens of the most probable path through (frames, tokens), each with the frame where it is most probable."""
    best = log_probs.argmax(axis=1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    runs = zip(starts, np.append(starts, len(best))[1:], strict=True)
    return [(int(best[a]), int(a + log_probs[a:b, best[a]].argmax())) for a, b in runs if best[a]]


def _axis(waveform: np.ndarray, rate: int) -> str:
    seconds = len(waveform) / rate
    return "seconds" if seconds <= SHOWN_SECONDS else f"the first {SHOWN_SECONDS:g} of {seconds:.0f} seconds"


def _draw_recording(panels: Sequence[Any], waveform: np.ndarray, rate: int, title: str) -> None:
    waveform = waveform[: int(SHOWN_SECONDS * rate)]
    seconds = len(waveform) / rate
    panels[0].plot(np.arange(len(waveform)) / rate, waveform, linewidth=0.5)
    panels[0].set_xlim(0, seconds)
    lines = textwrap.wrap(title, TITLE_WIDTH, max_lines=TITLE_LINES, placeholder=" ...")
    panels[0].set_title("\n".join(lines), parse_math=False)
    panels[0].set_ylabel("amplitude")
    decibels = log_mel(waveform, rate, MEL_BINS)
    top = decibels.max()
    panels[1].imshow(
        decibels.T,
        origin="lower",
        aspect="auto",
        extent=(0, seconds, 0, MEL_BINS),
        vmin=top - DYNAMIC_RANGE,
        vmax=top,
        cmap="magma",
        interpolation="nearest",  # what was measured, in half the bytes
    )
    hertz = [f for f in (250, 500, 1000, 2000, 4000, 8000, 16000) if f < rate / 2]
    panels[1].set_yticks(_mel(np.array(hertz)) / _mel(rate / 2) * MEL_BINS, [f"{f} Hz" for f in hertz])
    panels[1].set_ylabel("log-mel")


def _mel(hertz: Any) -> Any:
    return 2595 * np.log10(1 + hertz / 700)
