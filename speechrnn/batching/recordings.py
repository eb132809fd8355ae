"""Recordings as a batch takes them: what each is called, and its sound as something that can be read more than once."""

import os
import stat
import struct
import sys
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, cast

from speechrnn.audio import Source
from speechrnn.audio.sources import copied
from speechrnn.errors import InputError, reason

STDIN = "-"

RAW_KINDS = {"s16": (1, 2), "f32": (3, 4), "ulaw": (7, 1), "alaw": (6, 1)}  # the code of WAV, and bytes a sample


class Raw(NamedTuple):
    """What samples without a header are: their rate in Hz, and one of RAW_KINDS."""

    rate: int
    kind: str = "s16"


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


def again_and_again(recording: Recording, raw: Raw | None) -> Source:
    """The recording as something that can be read more than once: a stream goes into a nameless file first.

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


def kept(stream: BinaryIO, name: str, raw: Raw | None) -> BinaryIO:
    """A stream read to its end, into a file without a name: it can be read again and again.

    `raw` makes a wav file of samples without a header, little-endian and of one channel.

    Raises:
        InputError: it is longer than LONGEST_STREAM bytes.
    """
    header = b""
    if raw:
        code, size = RAW_KINDS[raw.kind]
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, code, 1, raw.rate, raw.rate * size, size, 8 * size)
        header = b"RIFF\xff\xff\xff\xffWAVE" + form + b"data\xff\xff\xff\xff"  # of a length that is not known yet
    file: Any = copied(name, stream, header)
    file.name = name  # what messages call it; a file without a name has a number here
    return cast(BinaryIO, file)
