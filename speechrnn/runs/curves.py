"""How a run goes, as a picture: `curves.png`."""

import os
import sys
from functools import cache
from pathlib import Path

import numpy as np

from speechrnn.errors import InputError
from speechrnn.pictures import new_figure, save_picture
from speechrnn.runs.log import Columns, read_log

POINTS = 500  # a line: as many as a panel is wide; each is the mean of the updates that it stands for


def draw_curves(log_path: str | os.PathLike, picture_path: str | os.PathLike) -> None:
    """Draw a run's losses, dev WER, learning rate, gradient norm, blank share and speed over its updates, as a PNG file.

    A panel of which the log has nothing is left out. Without matplotlib nothing is drawn, and that is said once.

    Raises:
        InputError: the log cannot be read.
        OSError: the picture cannot be written.
    """
    updates, epochs = read_log(log_path)
    try:
        figure = new_figure(12, 6.5, layout="none")  # finding the places of six panels takes longer than drawing them
    except InputError as error:
        _say_once(f"{Path(picture_path).name} is not drawn: {error}")
        return
    figure.subplots_adjust(left=0.05, right=0.98, bottom=0.08, top=0.94, wspace=0.2, hspace=0.35)
    panels: dict[str, list[tuple[Columns, str, str, dict]]] = {
        "loss": [
            (updates, "loss", "updates", {"color": "0.7"}),
            (epochs, "train_loss", "epochs", {"marker": "."}),
            (epochs, "dev_loss", "dev", {"marker": "."}),
        ],
        "dev WER, %": [
            (epochs, "dev_wer_raw", "raw weights", {"color": "0.7", "marker": "."}),
            (epochs, "dev_wer", "evaluated weights", {"marker": "."}),
        ],
        "learning rate": [(updates, "rate", "", {})],
        "gradient norm before clipping": [(updates, "gradient_norm", "", {})],
        "share of blank frames": [(epochs, "blank_share", "", {"marker": "."})],
        "seconds of audio a second": [({**updates, "speed": _speed(updates)}, "speed", "", {})],
    }
    shown = {title: [line for line in lines if _any(*line[:2])] for title, lines in panels.items()}
    shown = {title: lines for title, lines in shown.items() if lines}
    if not shown:
        figure.text(0.5, 0.5, "nothing is logged yet", ha="center")
    columns = min(3, len(shown))
    for place, (title, lines) in enumerate(shown.items(), start=1):
        panel = figure.add_subplot(-(-len(shown) // columns), columns, place, title=title, xlabel="updates")
        for source, key, label, style in lines:
            panel.plot(*thinned(source["step"], source[key]), label=label, linewidth=1, **_visible(source[key], style))
        if any(label for _, _, label, _ in lines):
            panel.legend()
        panel.grid(alpha=0.3)
        positive = np.concatenate([source[key][source[key] > 0] for source, key, _, _ in lines])
        if title.startswith("gradient") and len(positive):
            panel.set_yscale("log")
        elif title == "loss" and len(positive) > 1:  # the first updates of a run would hide all others
            panel.set_ylim(0, 1.1 * np.percentile(positive, 97))
        elif title.startswith("dev"):
            panel.set_ylim(0, min(100, 1.1 * positive.max()) if len(positive) else 100)
    save_picture(figure, picture_path)


def thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `POINTS` points: the means of neighbouring rows. What is not a number is left out."""
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    count = min(POINTS, len(values))
    if count == 0:
        return steps, values
    starts = np.arange(count) * len(values) // count
    sizes = np.diff(starts, append=len(values))
    return np.add.reduceat(steps, starts) / sizes, np.add.reduceat(values, starts) / sizes


def _speed(updates: Columns) -> np.ndarray:
    none = np.full(len(updates["step"]), np.nan)
    seconds = updates.get("seconds", none)
    return updates.get("audio_seconds", none) / np.where(seconds > 0, seconds, np.nan)


def _any(columns: Columns, key: str) -> bool:
    return key in columns and bool(np.isfinite(columns[key]).any())


def _visible(values: np.ndarray, style: dict) -> dict:
    """One point alone makes no line."""
    return {**style, "marker": "."} if np.isfinite(values).sum() == 1 else style


@cache
def _say_once(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
