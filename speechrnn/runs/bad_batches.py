"""Updates that were left out, for their gradient was not finite: which utterances they were, and when it is too many."""

import json
from collections.abc import Sequence
from pathlib import Path

from speechrnn.errors import InputError
from speechrnn.runs.log import keep_rows

AT_MOST = 20  # in one epoch: more of them are a fault of the data or of the learning rate


class BadBatches:
    """`bad_batches.jsonl` in a run's folder, with a row an update: the updates made before it, all of its utterances, and those
    whose loss was not finite. A run that goes on after `step` updates drops the rows of those that it will make again. Only
    the process that `writes` does so."""

    def __init__(self, run: Path, step: int, writes: bool = True):
        self.path, self._writes = run / "bad_batches.jsonl", writes
        if writes:
            keep_rows(self.path, lambda row: row["step"] < step)

    def add(self, step: int, not_finite: Sequence[str], ids: Sequence[str]) -> None:
        """Write one row."""
        if self._writes:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, "not_finite": not_finite, "ids": ids}, ensure_ascii=False) + "\n")

    def check(self, skipped: int) -> None:
        """Whether so many in one epoch can be borne.

        Raises:
            InputError: no.
        """
        if skipped >= AT_MOST:
            raise InputError(f"{skipped} updates of an epoch had no finite gradient: see the utterances in {self.path}")
