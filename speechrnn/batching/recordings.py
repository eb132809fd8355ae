"""Recordings as a batch takes them: what each is called, and its sound as something that can be read more than once."""

import os
import stat
import struct
import sys
from dataclasses import dataclass
from typing import BinaryIO, cast

from speechrnn.audio import HELD, LONGEST_STREAM, Source
from speechrnn.errors import InputError, reason

STDIN = "-"


@dataclass(frozen=True)
class Recording:
    """A file or a stretch of one.

    `path` is "-" for stdin. `name` is what it is called on stdout and in messages: the path in printable characters, or the
    utterance's id. `id` names its results: the path below the folder that was given, without suffix, or the utterance's id.
    `offset` and `duration` are in seconds.
    """

    path: str
    name: str
    id: str
    offset: float = 0.0
    duration: float | None = None


def again_and_again(recording: Recording, raw: int | None) -> Source:
    """The recording as something that can be read more than once: a stream goes into memory or a nameless file first.

    `raw` as for `kept`.

    Raises:
        InputError: it cannot be read, or is a stream that is too long.
    """
    if recording.path != STDIN and is_regular(recording.path):
        return recording.path
    if recording.path == STDIN and sys.stdin is None:
        raise InputError("stdin: expected audio, found it closed")
    try:
        if recording.path == STDIN:
            return kept(sys.stdin.buffer, recording.name, raw)
        with open(recording.path, "rb") as stream:
            return kept(stream, recording.name, None)
    except OSError as error:
        raise InputError(f"{recording.name}: cannot be read: {reason(error)}") from None


def is_regular(path: str) -> bool:
    """Whether it can be opened again and again, as a pipe cannot. What is not there will be named when it is opened."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return True


def kept(stream: BinaryIO, name: str, raw: int | None) -> BinaryIO:
    """A stream read to its end, in memory or where it is long in a file without a name: it can be read again and again.

    `raw` makes a wav file of 16-bit samples (little-endian, one channel) at so many Hz.

    Raises:
        InputError: it is longer than LONGEST_STREAM bytes.
    """
    from tempfile import SpooledTemporaryFile

    class Kept(SpooledTemporaryFile):
        name = ""  # what messages call it; a file without a name has a number here

    file = Kept(max_size=HELD)
    file.name = name
    header = bytes(44) if raw else b""
    file.write(header)
    while block := stream.read(1 << 20):
        if file.tell() + len(block) > LONGEST_STREAM:
            raise InputError(
                f"{name}: expected at most {LONGEST_STREAM >> 20} MiB from a stream: write it to a file first"
            )
        file.write(block)
    size = file.tell() - len(header)
    if raw:
        file.seek(0)
        file.write(
            struct.pack(
                "<4sI8sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVEfmt ", 16, 1, 1, raw, 2 * raw, 2, 16, b"data", size
            )
        )
    file.seek(0)
    return cast(BinaryIO, file)  # it has all its methods
