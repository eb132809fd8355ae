"""The streams in a file: what libsndfile would read of it is only the first, or what a wrong header states."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import BinaryIO, NamedTuple, cast

from speechrnn.audio import mp3, wav
from speechrnn.audio.sources import write_all

# What marks the beginning of a stream that another may follow: the first page of Ogg, the first block of FLAC
_MARKS = {b"OggS": rb"OggS\x00[\x02\x06]", b"fLaC": rb"fLaC[\x00\x80]\x00\x00\x22"}
# How the others begin, but for MP3, which has no such mark.
_MAGIC = re.compile(
    rb"RIFF....WAVE|RIFX....WAVE|RF64....WAVE|riff\x2e\x91\xcf\x11|NIST_1A|FORM....AIF[FC]|\.snd|dns\.|caff", re.DOTALL
)
CHUNK = 1 << 20


class Part(NamedTuple):
    """A stream: a header to put before the bytes from (start, end) on, what the file's own one `stated`, in seconds, if that
    may not be so, and how many bytes of damage lie between."""

    header: bytes
    pieces: tuple[tuple[int, int], ...]
    stated: float | None
    damage: int = 0


_known: dict[tuple[int, ...], Sequence[Part] | None] = {}  # a manifest may read thousands of stretches of one recording


def parts(file: BinaryIO) -> Sequence[Part] | None:
    """The streams in a file; () where it is one as it stands, None where it is no audio."""
    status = os.fstat(file.fileno())
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if key not in _known:
        found = _found(file, status.st_size)
        if len(_known) >= 64:
            _known.clear()
        _known[key] = found
        return found
    return _known.get(key)


def _found(file: BinaryIO, size: int) -> Sequence[Part] | None:
    file.seek(0)
    head = file.read(16)
    magic = head[:4]
    if magic == b"RIFF" and (found := wav.riffs(file, size)):
        right = len(found) == 1 and found[0].samples[1] - found[0].samples[0] <= found[0].stated
        return () if right else [_wav(riff) for riff in found]
    if magic in _MARKS:
        begins = list(_begins(file, re.compile(_MARKS[magic]), magic == b"OggS"))
        return [Part(b"", (piece,), None) for piece in pairwise([*begins, size])] if len(begins) > 1 else ()
    if _MAGIC.match(head):
        return ()
    runs = mp3.runs(file, size)
    if not runs:
        return None
    right = len(runs) == 1 and not runs[0].header and runs[0].pieces == [(0, size)]
    return () if right else [Part(run.header, tuple(run.pieces), run.stated, run.damage) for run in runs]


def _wav(riff: wav.Riff) -> Part:
    stated = riff.stated / riff.bytes_a_second if riff.stated < wav.STREAMED else None
    return Part(riff.header, (riff.samples,), stated)


def _begins(file: BinaryIO, mark: re.Pattern[bytes], pages: bool) -> Iterator[int]:
    """Where streams begin. The first pages of Ogg streams that follow one another at once are streams side by side."""
    at, rest, after = 0, b"", -1
    file.seek(0)
    while chunk := file.read(CHUNK):
        text = rest + chunk
        for match in mark.finditer(text):
            position = at - len(rest) + match.start()
            if position != after:
                yield position
            if pages:
                here = file.tell()
                after = position + _page_length(file, position)
                file.seek(here)
        at += len(chunk)
        rest = text[-(len(b"fLaC\0\0\0\x22") - 1) :]
        while mark.search(rest):  # it was given
            rest = rest[1:]


def _page_length(file: BinaryIO, position: int) -> int:
    file.seek(position + 26)
    count = file.read(1)
    return 27 + count[0] + sum(file.read(count[0])) if count else 0


def as_file(part: Part, file: BinaryIO, stack: ExitStack) -> BinaryIO:
    """A stream as a file of its own, without a name."""
    from tempfile import TemporaryFile

    copy = stack.enter_context(TemporaryFile(buffering=0))
    write_all(copy, part.header)
    for start, end in part.pieces:
        file.seek(start)
        while start < end and (block := file.read(min(CHUNK, end - start))):
            write_all(copy, block)
            start += len(block)
    copy.seek(0)
    return cast(BinaryIO, copy)
