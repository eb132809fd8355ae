"""What `speechrnn transcribe` tells people, on stderr: errors, warnings, how far it has come, and a summary."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

AT_FIRST = 1.0  # seconds without a bar: most calls are over by then, and rich takes 0.1 s to import
EVERY = 0.1  # seconds between two pictures of the bar


class Report:
    """It tells, from any thread, and shows a progress bar if stderr is a terminal.

    Args:
        total: all the work there is, in any unit.
        count: how many recordings that is.
        quiet: nothing but errors.
        verbose: also what is done about each recording.
    """

    def __init__(self, total: float, count: int, quiet: bool = False, verbose: bool = False):
        self._began = time.perf_counter()
        self._total, self._count, self._quiet, self._verbose = total, count, quiet, verbose
        self._lock = threading.RLock()
        self._told: set[str] = set()
        self._bar: Progress | None = None
        self._may_show = sys.stderr.isatty() and not quiet
        self._shown_at = self._began + AT_FIRST - EVERY
        self.done = self.failures = 0
        self.seconds = 0.0  # of audio
        self._finished = 0.0  # of the total
        self._partly: dict[object, tuple[float, float]] = {}  # of a long recording: work done, seconds heard

    def error(self, message: str) -> None:
        self._tell(message)

    def warning(self, message: str) -> None:
        """Once, however often it is told: every channel of a damaged file gives the same."""
        if not self._quiet and message not in self._told:
            self._told.add(message)
            self._tell(f"warning: {message}")

    def detail(self, message: str) -> None:
        if self._verbose:
            self._tell(message)

    def heard(self, recording: object, share: float, seconds: float) -> None:
        """A part of a long recording has been taken in: a share of the total, and seconds of audio."""
        with self._lock:
            self._partly[recording] = (share, seconds)
            self._show()

    def finished(self, recording: object, share: float, seconds: float | None) -> None:
        """A recording is done, or could not be used where `seconds` of audio is None."""
        with self._lock:
            self._partly.pop(recording, None)
            self._finished += share
            self.done += seconds is not None
            self.failures += seconds is None
            self.seconds += seconds or 0.0
            self._show()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """For writing to a terminal that the bar may be on: it is out of the way meanwhile."""
        with self._lock:
            if self._bar is None:
                yield
                return
            self._bar.stop()
            try:
                yield
            finally:
                self._bar.start()

    def close(self) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
            self._may_show = False

    def summary(self, left: str = "") -> None:
        """`12 files, 3.4 min of audio in 2.1 s (RTF 0.010)`, what could not be used, and what else is `left` to say."""
        if self._quiet:
            return
        took = time.perf_counter() - self._began
        text = f"{self.done} {'file' if self.done == 1 else 'files'}"
        if self.seconds:
            text += f", {_length(self.seconds)} of audio in {_length(took)} (RTF {took / self.seconds:.3f})"
        if self.failures:
            text += f"; {self.failures} could not be used"
        print(text + left, file=sys.stderr, flush=True)

    def _tell(self, message: str) -> None:
        with self.aside():
            print(f"speechrnn transcribe: {message}", file=sys.stderr, flush=True)

    def _show(self) -> None:
        now = time.perf_counter()
        if not self._may_show or now - self._shown_at < EVERY:
            return
        self._shown_at = now
        if self._bar is None:
            self._bar = _new_bar()
            self._task = self._bar.add_task("", total=self._total)
            self._bar.start()
        seconds = self.seconds + sum(heard for _, heard in self._partly.values())
        speed = f"{_length(seconds)} of audio, RTF {(now - self._began) / seconds:.3f}" if seconds else ""
        files = f"{self.done + self.failures}/{self._count} files, " if self._count > 1 else ""
        completed = self._finished + sum(share for share, _ in self._partly.values())
        self._bar.update(self._task, completed=completed, description=files + speed)
        self._bar.refresh()


def _new_bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (BarColumn(20), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    return Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,  # it would send to stderr what belongs on stdout
        redirect_stderr=False,
    )


def _length(seconds: float) -> str:
    """`4.2 s`, `3.5 min` or `10.25 h`."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.2f} h"
