"""What a run tells: a progress bar and a line an epoch on stderr; `log.jsonl`, `curves.png`, TensorBoard events and a record of
the environment in its folder."""

import json
import math
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

from speechrnn.runs.checkpoint import Position
from speechrnn.runs.curves import draw_curves
from speechrnn.runs.environment import write_environment
from speechrnn.runs.log import is_epoch, keep_rows

if TYPE_CHECKING:
    from rich.console import Console


def progress_over(what: str) -> Callable[[Sequence], Iterable]:
    """A function that wraps a sequence and shows on a terminal how far its loop has come."""
    if not sys.stderr.isatty():
        return iter
    from rich.progress import track

    return partial(track, description=what, console=_console())


def say(text: str) -> None:
    """Print a text for people to stderr. A terminal that is closed, or a reader that has gone, ends no run."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


class Progress:
    """The logs of a run that has come to `at`; a context manager. What an interrupted run logged beyond is dropped, for it will
    be done again. Only the process that `speaks` writes, from the first update on: a run that is finished gets nothing new."""

    def __init__(self, folder: Path, at: Position, speaks: bool = True):
        self._folder, self._begins_at, self._speaks = folder, replace(at), speaks
        self._log: TextIO | None = None
        self._path = folder / "log.jsonl"
        self._bar = None
        if speaks and sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=_console())
            self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar:
            self._bar.stop()
        if self._log:
            self._events.close()
            with suppress(OSError) if kind else nullcontext(), self._named():  # the first error is the one to tell
                self._log.close()

    def update(self, at: Position, share: float, row: dict) -> None:
        """Log one update; `share` of the training, 0 to 1, is done."""
        if not self._speaks:
            return
        self._write({"step": at.step, "epoch": at.epoch + 1, **row})
        if self._bar:
            speed = row["audio_seconds"] / row["seconds"]
            self._bar.update(
                self._task,
                completed=share,
                description=f"epoch {at.epoch + 1}, loss {row['loss']:.3f}, {speed:.0f} h of audio an hour",
            )

    def epoch(self, at: Position, row: dict) -> None:
        """Log one epoch, and bring the log to the disk: before the checkpoint is written that counts the epoch."""
        if self._speaks:
            self._write({"step": at.step, "epoch": at.epoch, **row})
            self.flush()

    def tell(self, at: Position, row: dict) -> None:
        """Say how the epoch went, with some hypotheses below their references, and draw the curves: when all is saved."""
        if not self._speaks:
            return
        lines = [f"epoch {at.epoch}: loss {row['train_loss']:.3f}"]
        if "dev_wer" in row:
            lines[0] += f", dev loss {row['dev_loss']:.3f}, {row['dev_counts']}, {row['blank_share']:.0%} blank"
            if "dev_wer_raw" in row:
                lines[0] += f" (not averaged: {row['dev_loss_raw']:.3f}, {row['dev_wer_raw']:.2f} %)"
            lines += [f"    {reference}\n  > {hypothesis}" for reference, hypothesis in row["samples"]]
        lines[0] += f", {row['minutes']:.1f} min, {row['audio_hours_an_hour']:.0f} h of audio an hour"
        say("\n".join(lines))
        try:
            draw_curves(self._path, self._folder / "curves.png")
        except Exception as error:  # whatever it is, a picture is not worth the run
            say(f"no curves are drawn: {' '.join(str(error).split()) or type(error).__name__}")

    def flush(self) -> None:
        """Bring the log to the disk: before a checkpoint is written, which goes on from there.

        Raises:
            OSError: it cannot be written.
        """
        if self._log:
            with self._named():
                self._log.flush()
                os.fsync(self._log.fileno())
            self._events.flush()

    def _write(self, row: dict) -> None:
        self._log = self._log or self._open()
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        with self._named():
            self._log.write(json.dumps(finite, ensure_ascii=False) + "\n")
        self._events.add(row["step"], {name: value for name, value in row.items() if isinstance(value, float)})

    def _open(self) -> TextIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        keep_rows(self._path, partial(_is_done, self._begins_at))
        write_environment(self._folder)
        self._events = _Events(self._folder, self._begins_at.step + 1)
        return open(self._path, "a", encoding="utf-8")

    @contextmanager
    def _named(self) -> Iterator[None]:
        """A block whose errors name the log: those of a file that is open do not."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from None


class _Events:
    """TensorBoard events of one start of a run, whose first update is `first_step`: what earlier starts wrote of it and later
    ones is hidden. When they cannot be written that is said, and no more are: they are worth no run."""

    def __init__(self, folder: Path, first_step: int):
        self._writer: Any = None
        with self._or_none():
            from torch.utils.tensorboard import SummaryWriter

            threading.excepthook = _but_for_tensorboard
            self._writer = SummaryWriter(str(folder), purge_step=first_step)

    def add(self, step: int, scalars: dict[str, float]) -> None:
        with self._or_none():
            for name, value in scalars.items() if self._writer else ():
                self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        with self._or_none():
            if self._writer:
                self._writer.flush()

    def close(self) -> None:
        with self._or_none():
            if self._writer:
                self._writer.close()

    @contextmanager
    def _or_none(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            say(f"no more events are written for TensorBoard: {error}")
            self._writer = None


def _console() -> "Console":
    from rich.console import Console

    return Console(file=cast(TextIO, _Terminal()))  # all of a file that rich uses


class _Terminal:
    """The terminal that stderr is, for a bar: what it does not take any more is dropped."""

    def __init__(self) -> None:
        self._stream = sys.stderr

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _is_done(at: Position, row: dict) -> bool:
    """Whether the logged update, or epoch, lies before the position."""
    return row["epoch"] <= at.epoch if is_epoch(row) else row["step"] <= at.step


def _but_for_tensorboard(args: threading.ExceptHookArgs) -> None:
    """Print what a thread raised, unless it is SummaryWriter's: then the next call of it raises the same."""
    if not type(args.thread).__module__.startswith("tensorboard."):
        threading.__excepthook__(args)
