"""Decoded audio of a corpus as one memory-mapped file of int16 samples: decoded once, read by every epoch."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

import filelock
import numpy as np

from speechrnn.audio import read_audio
from speechrnn.errors import InputError
from speechrnn.files import atomic_file, write_atomically
from speechrnn.manifest import Utterance


class AudioCache:
    """The waveforms of the utterances whose audio could be read. `unreadable` maps the ids of the others to the reason."""

    def __init__(
        self, utterances: Sequence[Utterance], sample_rate: int, folder: str | os.PathLike, progress: Callable = iter
    ):
        """Opens the cache of exactly these recordings below `folder`, or decodes them first. `progress` wraps the loop. What
        could not be read is tried again each time."""
        key = hashlib.sha256(json.dumps([sample_rate, *map(_fingerprint, utterances)]).encode()).hexdigest()[:16]
        samples, index = Path(folder, f"{key}.int16"), Path(folder, f"{key}.json")
        if not _whole(samples, index):
            with _alone(Path(folder), key):
                if not _whole(samples, index):  # else another process has decoded it meanwhile
                    _decode(utterances, sample_rate, samples, index, progress)
        elif os.access(folder, os.W_OK) and _some_can_be_read_now(utterances, sample_rate, index):
            with _alone(Path(folder), key):
                _complete(utterances, sample_rate, samples, index)
        contents = json.loads(index.read_text(encoding="utf-8"))
        self.unreadable: dict[str, str] = contents["unreadable"]
        self._spans: dict[str, list[int]] = contents["spans"]
        self._samples = np.memmap(samples, dtype=np.int16, mode="r", shape=(_end(self._spans),))

    def samples(self, id: str) -> int:
        """The length of an utterance, in samples."""
        start, end = self._spans[id]
        return end - start

    def waveform(self, id: str) -> np.ndarray:
        """(samples,) float32 in [-1, 1)."""
        start, end = self._spans[id]
        return self._samples[start:end].astype(np.float32) / 32768.0


def _whole(samples: Path, index: Path) -> bool:
    """Whether both files of a cache are there, with all samples that the index tells of; more are of one who was killed before
    he could tell of them."""
    try:
        spans = json.loads(index.read_text(encoding="utf-8"))["spans"]
        return samples.stat().st_size >= 2 * _end(spans) > 0
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
        with suppress(OSError):  # nobody may be there to read it
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
    try:
        stat = path.stat()
        changed = [stat.st_size, stat.st_mtime_ns]
    except (OSError, ValueError):  # it is missing, or may not be looked at, or nothing can have such a name
        changed = []
    return [utterance.id, str(path), utterance.offset, utterance.duration, *changed]


def _decode(utterances: Sequence[Utterance], sample_rate: int, samples: Path, index: Path, progress: Callable) -> None:
    spans: dict[str, list[int]] = {}
    with atomic_file(samples) as file:
        unreadable = _append(file, progress(utterances), sample_rate, spans)
        if not spans:
            raise InputError(
                f"no audio could be read; the first of {len(unreadable)}: {next(iter(unreadable.values()))}"
            )
    write_atomically(index, json.dumps({"spans": spans, "unreadable": unreadable}))


def _some_can_be_read_now(utterances: Sequence[Utterance], sample_rate: int, index: Path) -> bool:
    """Whether audio that could not be read can be now: a permission was missing, or a network file system failed."""
    unreadable = json.loads(index.read_text(encoding="utf-8"))["unreadable"]
    return any(not isinstance(_int16(u, sample_rate), str) for u in utterances if u.id in unreadable)


def _complete(utterances: Sequence[Utterance], sample_rate: int, samples: Path, index: Path) -> None:
    """Add what could not be read and can be now. The index comes last: without it nobody looks at what was added."""
    contents = json.loads(index.read_text(encoding="utf-8"))
    spans, unreadable = contents["spans"], contents["unreadable"]
    with open(samples, "r+b") as file:
        file.seek(2 * _end(spans))
        unreadable = _append(file, (u for u in utterances if u.id in unreadable), sample_rate, spans)
        file.flush()
        os.fsync(file.fileno())
    write_atomically(index, json.dumps({"spans": spans, "unreadable": unreadable}))


def _append(
    file: BinaryIO, utterances: Iterable[Utterance], sample_rate: int, spans: dict[str, list[int]]
) -> dict[str, str]:
    """Write waveforms behind those of the `spans`, and add theirs. Returns the ids of what cannot be read, with the reason."""
    unreadable, end = {}, _end(spans)
    for utterance in utterances:
        wave = _int16(utterance, sample_rate)
        if isinstance(wave, str):
            unreadable[utterance.id] = wave
            continue
        file.write(wave.tobytes())
        spans[utterance.id] = [end, end + len(wave)]
        end += len(wave)
    return unreadable


def _end(spans: dict[str, list[int]]) -> int:
    """How many samples there are, in all."""
    return max((end for _, end in spans.values()), default=0)


def _int16(utterance: Utterance, sample_rate: int) -> np.ndarray | str:
    """The samples, or why they cannot be read."""
    try:
        wave = read_audio(utterance.audio_filepath, sample_rate, offset=utterance.offset, duration=utterance.duration)
    except (InputError, OSError) as error:
        return str(error)
    return np.clip(np.rint(wave * 32768.0), -32768, 32767).astype(np.int16)
