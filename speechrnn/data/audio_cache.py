"""Decoded audio of a corpus as one memory-mapped file of int16 samples: decoded once, read by every epoch."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import filelock
import numpy as np

from speechrnn.audio import read_audio
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance, atomic_file, write_atomically


class AudioCache:
    """The waveforms of the utterances whose audio could be read. `unreadable` maps the ids of the others to the reason."""

    def __init__(
        self, utterances: Sequence[Utterance], sample_rate: int, folder: str | os.PathLike, progress: Callable = iter
    ):
        """Opens the cache of exactly these recordings below `folder`, or decodes them first. `progress` wraps the loop."""
        key = hashlib.sha256(json.dumps([sample_rate, *map(_fingerprint, utterances)]).encode()).hexdigest()[:16]
        samples, index = Path(folder, f"{key}.int16"), Path(folder, f"{key}.json")
        if not _whole(samples, index):
            with _alone(Path(folder), key):
                if not _whole(samples, index):  # else another process has decoded it meanwhile
                    _decode(utterances, sample_rate, samples, index, progress)
        contents = json.loads(index.read_text(encoding="utf-8"))
        self.unreadable: dict[str, str] = contents["unreadable"]
        self._spans: dict[str, list[int]] = contents["spans"]
        self._samples = np.memmap(samples, dtype=np.int16, mode="r")

    def samples(self, id: str) -> int:
        """The length of an utterance, in samples."""
        start, end = self._spans[id]
        return end - start

    def waveform(self, id: str) -> np.ndarray:
        """(samples,) float32 in [-1, 1)."""
        start, end = self._spans[id]
        return self._samples[start:end].astype(np.float32) / 32768.0


def _whole(samples: Path, index: Path) -> bool:
    """Whether both files of a cache are there, and the samples are as long as the index says."""
    try:
        spans = json.loads(index.read_text(encoding="utf-8"))["spans"]
        return samples.stat().st_size == 2 * max(end for _, end in spans.values())
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):  # the others: a damaged index
        return False


@contextmanager
def _alone(folder: Path, key: str) -> Iterator[None]:
    """A block that one process at a time goes through for a cache; the others wait. What killed processes left half decoded is
    removed first, of this cache and of all others that nobody decodes: a lock ends with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder, key)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"{folder}: another process decodes the same audio; waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        for partial in folder.glob("*.part"):
            _remove(partial, key)
        yield
    finally:
        lock.release()


def _remove(partial: Path, locked: str) -> None:
    """Remove a half decoded file, unless it is of a cache that another process decodes now. Ours is the one that is `locked`."""
    key = partial.name.split(".")[0]
    with suppress(filelock.Timeout), nullcontext() if key == locked else _lock(partial.parent, key).acquire(timeout=0):
        partial.unlink(missing_ok=True)


def _lock(folder: Path, key: str) -> filelock.BaseFileLock:
    return filelock.FileLock(folder / f"{key}.lock")


def _fingerprint(utterance: Utterance) -> list:
    path = Path(utterance.audio_filepath)
    stat = path.stat() if path.exists() else None
    changed = [stat.st_size, stat.st_mtime_ns] if stat else []
    return [utterance.id, str(path), utterance.offset, utterance.duration, *changed]


def _decode(utterances: Sequence[Utterance], sample_rate: int, samples: Path, index: Path, progress: Callable) -> None:
    spans, unreadable, end = {}, {}, 0
    with atomic_file(samples) as file:
        for utterance in progress(utterances):
            try:
                wave = read_audio(
                    utterance.audio_filepath, sample_rate, offset=utterance.offset, duration=utterance.duration
                )
            except (InputError, OSError) as error:
                unreadable[utterance.id] = str(error)
                continue
            file.write(np.clip(np.rint(wave * 32768.0), -32768, 32767).astype(np.int16).tobytes())
            spans[utterance.id] = [end, end + len(wave)]
            end += len(wave)
        if not spans:
            raise InputError(
                f"no audio could be read; the first of {len(unreadable)}: {next(iter(unreadable.values()))}"
            )
    write_atomically(index, json.dumps({"spans": spans, "unreadable": unreadable}))
