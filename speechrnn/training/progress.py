"""What a run tells: a progress bar and a line an epoch on stderr; `log.jsonl`, `curves.png`, TensorBoard events and a record of
the environment in its folder."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self, TextIO

from speechrnn.training.checkpoint import Position
from speechrnn.training.curves import draw_curves
from speechrnn.training.environment import write_environment
from speechrnn.training.log import is_epoch, keep_rows


def progress_over(what: str) -> Callable[[Sequence], Iterable]:
    """A function that wraps a sequence and shows on a terminal how far its loop has come."""
    if not sys.stderr.isatty():
        return iter
    from rich.console import Console
    from rich.progress import track

    return partial(track, description=what, console=Console(stderr=True))


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
        self._bar = None
        if speaks and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()
        if self._log:
            self._log.close()
            self._board.close()

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
            draw_curves(self._folder / "log.jsonl", self._folder / "curves.png")
        except Exception as error:  # whatever it is, a picture is not worth the run
            say(f"no curves are drawn: {' '.join(str(error).split()) or type(error).__name__}")

    def flush(self) -> None:
        """Bring the log to the disk: before a checkpoint is written, which goes on from there."""
        if self._log:
            self._log.flush()
            os.fsync(self._log.fileno())

    def _open(self) -> TextIO:
        from torch.utils.tensorboard import SummaryWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "log.jsonl"
        keep_rows(path, partial(_is_done, self._begins_at))
        write_environment(self._folder)
        self._board = SummaryWriter(str(self._folder), purge_step=self._begins_at.step + 1)
        return open(path, "a", encoding="utf-8")

    def _write(self, row: dict) -> None:
        self._log = self._log or self._open()
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        self._log.write(json.dumps(finite, ensure_ascii=False) + "\n")
        for name, value in row.items():
            if isinstance(value, float):
                self._board.add_scalar(name, value, row["step"])


def _is_done(at: Position, row: dict) -> bool:
    """Whether the logged update, or epoch, lies before the position."""
    return row["epoch"] <= at.epoch if is_epoch(row) else row["step"] <= at.step
