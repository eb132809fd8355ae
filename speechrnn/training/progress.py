"""What a run tells: a progress bar and a line an epoch on stderr, `log.jsonl` and TensorBoard events in its folder."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from speechrnn.manifest import write_atomically


def progress_over(what: str) -> Callable[[Sequence], Iterable]:
    """A function that wraps a sequence and shows on a terminal how far its loop has come."""
    if not sys.stderr.isatty():
        return iter
    from rich.console import Console
    from rich.progress import track

    return partial(track, description=what, console=Console(stderr=True))


class Progress:
    """The logs of a run; a context manager. `step` updates have been made of the run's `steps`; what an interrupted run logged
    beyond them is dropped, for it will be done again."""

    def __init__(self, folder: Path, step: int, steps: int):
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "log.jsonl"
        if path.exists():
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # the last is empty, or was cut off
            write_atomically(path, "".join(line + "\n" for line in lines if json.loads(line)["step"] <= step))
        self._log = open(path, "a", encoding="utf-8")
        self._board = SummaryWriter(str(folder), purge_step=step + 1)
        self._bar = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=steps)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()
        self._log.close()
        self._board.close()

    def step(self, step: int, row: dict) -> None:
        """Log one update."""
        self._write(step, row)
        if self._bar:
            self._bar.update(self._task, completed=step, description=f"epoch {row['epoch']}, loss {row['loss']:.3f}")

    def epoch(self, step: int, row: dict) -> None:
        """Log one epoch and say how it went, with some hypotheses below their references."""
        self._write(step, row)
        self._log.flush()
        lines = [f"epoch {row['epoch']}: loss {row['train_loss']:.3f}"]
        if "dev_wer" in row:
            lines[0] += f", dev loss {row['dev_loss']:.3f}, {row['dev_counts']}, {row['blank_share']:.0%} blank"
            lines += [f"    {reference}\n  > {hypothesis}" for reference, hypothesis in row["samples"]]
        lines[0] += f", {row['minutes']:.1f} min"
        text = "\n".join(lines)
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False, emoji=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _write(self, step: int, row: dict) -> None:
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        self._log.write(json.dumps({"step": step, **finite}, ensure_ascii=False) + "\n")
        for name, value in row.items():
            if isinstance(value, float):
                self._board.add_scalar(name, value, step)
