"""What a run has logged: JSON lines, read line by line or as columns of numbers."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from speechrnn.errors import InputError, reason
from speechrnn.files import write_atomically

EPOCH_KEYS = {"train_loss", "dev_loss", "dev_wer", "minutes"}  # what only the row of an epoch has
LARGEST = 1e30  # about what float32 holds: more is as good as infinite, and cannot be drawn
SHOWN = 10  # numbers of broken lines

Columns = Mapping[str, np.ndarray]  # key: (rows,) float64, NaN where a row has no usable number


class Line(NamedTuple):
    """A line of a file of JSON lines; `row` is None where it is not a JSON object."""

    number: int
    contents: bytes
    row: dict | None


class Log(NamedTuple):
    """A run's log.jsonl: the rows of its updates and those of its epochs, each as columns with at least `step`."""

    updates: Columns
    epochs: Columns


def read_lines(path: str | os.PathLike) -> Iterator[Line]:
    """The lines of a file of JSON lines; none if there is no such file. Blank ones are left out, and a last one that was cut off.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            for number, contents in enumerate(file, start=1):
                row = _row(contents)
                if row is not None or (contents.strip() and contents.endswith(b"\n")):
                    yield Line(number, contents.rstrip(b"\n"), row)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path}: expected JSON lines: {reason(error)}") from None


def _row(line: bytes) -> dict | None:
    try:
        row = json.loads(str(line, "utf-8"))
    except (ValueError, RecursionError):  # JSON or its letters; ten thousand brackets
        return None
    return row if isinstance(row, dict) else None


def read_rows(path: str | os.PathLike) -> list[dict]:
    """The objects of a file of JSON lines; none if there is no such file. A last line that was cut off is left out.

    Raises:
        InputError: it cannot be read, or another line is not a JSON object.
    """
    rows = []
    for number, contents, row in read_lines(path):
        if row is None:
            found = contents[:60].decode("utf-8", errors="replace")
            raise InputError(f"{path}, line {number}: expected a JSON object, found {found!r}; remove the line")
        rows.append(row)
    return rows


def keep_rows(path: str | os.PathLike, wanted: Callable[[dict], bool]) -> None:
    """Drop the rows that are not `wanted` from a file of JSON lines, if there is one. Broken lines are dropped, too, with a word
    on stderr; so are rows that lack what `wanted` looks at.

    Raises:
        InputError, OSError: it cannot be read, or not be written.
    """
    kept, broken = [], []
    for number, contents, row in read_lines(path):
        try:
            if wanted(row or {}):
                kept.append(contents + b"\n")
        except (KeyError, TypeError):  # no such key, or no number
            broken.append(str(number))
    if broken:
        more = f" and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        told = f"{path}: cannot be read, and is dropped: line {', '.join(broken[:SHOWN])}{more}"
        with suppress(OSError):  # nobody may be there to read it
            print(told, file=sys.stderr, flush=True)
    if Path(path).exists():  # also without a change: what is added next must not follow a line that was cut off
        write_atomically(path, b"".join(kept))


def read_log(path: str | os.PathLike) -> Log:
    """A run's log.jsonl as columns, without rows if there is no such file.

    Raises:
        InputError: as `read_rows`.
    """
    rows = read_rows(path)
    return Log(*(_columns([row for row in rows if is_epoch(row) == epochs]) for epochs in (False, True)))


def is_epoch(row: dict) -> bool:
    """Whether a row of the log is that of an epoch, not of an update."""
    return not EPOCH_KEYS.isdisjoint(row)


def _columns(rows: list[dict]) -> Columns:
    keys = dict.fromkeys(["step", *(key for row in rows for key in row)])
    columns = {key: np.array([_number(row.get(key)) for row in rows]) for key in keys}
    columns["step"] = np.where(np.isnan(columns["step"]), np.arange(1, len(rows) + 1), columns["step"])
    return columns


def _number(value: Any) -> float:
    usable = type(value) in (float, int) and abs(value) < LARGEST  # not a bool
    return float(value) if usable else float("nan")
