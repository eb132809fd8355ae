"""How a run goes: its log as columns of numbers, and `curves.png`."""

import json
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from speechrnn.errors import InputError
from speechrnn.training.pictures import new_figure, save_picture

EPOCH_KEYS = {"train_loss", "dev_loss", "dev_wer", "minutes"}  # what only the row of an epoch has
LARGEST = 1e30  # about what float32 holds: more is as good as infinite, and cannot be drawn
POINTS = 500  # a line: as many as a panel is wide; each is the mean of the updates that it stands for

Columns = Mapping[str, np.ndarray]  # key: (rows,) float64, NaN where a row has no usable number


class Log(NamedTuple):
    """A run's log.jsonl: the rows of its updates and those of its epochs, each as columns with at least `step`."""

    updates: Columns
    epochs: Columns


def read_log(path: str | os.PathLike) -> Log:
    """Read a log.jsonl. A last line that was cut off is left out.

    Raises:
        InputError: it cannot be read, or another line is not a JSON object.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected the log of a training run (JSON lines): {error}") from None
    updates: list[dict] = []
    epochs: list[dict] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            if number == len(lines):
                break
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected a JSON object, found {line[:60]!r}")
        (epochs if row.keys() & EPOCH_KEYS else updates).append(row)
    return Log(_columns(updates), _columns(epochs))


def _columns(rows: list[dict]) -> Columns:
    keys = dict.fromkeys(["step", *(key for row in rows for key in row)])
    columns = {key: np.array([_number(row.get(key)) for row in rows]) for key in keys}
    columns["step"] = np.where(np.isnan(columns["step"]), np.arange(1, len(rows) + 1), columns["step"])
    return columns


def _number(value: Any) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    return float(value) if usable else float("nan")


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
    panels = {
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
