"""What a recording is read from: its name in messages, and its bytes as a file of the operating system."""

import io
import os
import sys
from contextlib import ExitStack
from typing import Any, BinaryIO, cast

from speechrnn.errors import InputError

LONGEST_STREAM = 1 << 32  # bytes that are taken from a stream: a wav file cannot be longer; 37 hours of 16 kHz

Source = Any  # str, os.PathLike, binary file object, or array (samples,) or (samples, channels)


def source_name(source: Source) -> str:
    """What a source is called in messages and results: a path in printable characters (others escaped), or its kind."""
    if isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
        return "stdin" if path == "-" else printable(path)
    if is_array(source):
        return "array"
    named = getattr(source, "name", None)
    return printable(named) if isinstance(named, str) else type(source).__name__


def printable(text: str) -> str:
    """The text on one line: control characters and undecodable bytes of file names become escapes such as \\n, \\udcff."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def plain_file(name: str, source: Source, stack: ExitStack) -> BinaryIO:
    """The source as a file of the operating system, at its start; what is opened here is closed with the stack.

    Anything else is first copied into one without a name: of an exception in a callback of libsndfile, as a read that fails or
    Ctrl-C, nothing would be known, and the sound would end there.
    """
    if is_stdin(source):
        if sys.stdin is None:
            raise InputError("stdin: expected audio, found it closed")
        source = sys.stdin.buffer
    elif isinstance(source, str | os.PathLike):
        try:
            source = stack.enter_context(open(source, "rb", buffering=0))
        except ValueError as error:  # a null character in the path
            raise InputError(f"{name}: cannot be read: {error}") from None
    elif isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
        raise InputError(
            f"{name}: expected a path, a file opened in binary mode or an array, found {type(source).__name__}"
        )
    if getattr(source, "closed", False):
        raise InputError(f"{name}: expected an open file, found it closed")
    if is_seekable(source):
        source.seek(0)
    plain = getattr(source, "raw", source)
    if isinstance(plain, io.FileIO) and is_seekable(plain):
        plain.seek(0)
        return cast(BinaryIO, plain)
    return stack.enter_context(copied(name, source))


def copied(name: str, stream: BinaryIO, header: bytes = b"") -> BinaryIO:
    """A stream read to its end, into a file without a name, behind a header.

    Raises:
        InputError: it is longer than LONGEST_STREAM bytes, or a read of it fails.
    """
    from tempfile import TemporaryFile

    file = TemporaryFile(buffering=0)  # noqa: SIM115 (the caller closes it)
    file.write(header)
    taken = 0
    try:
        while block := stream.read(1 << 20):
            taken += len(block)
            if taken > LONGEST_STREAM:
                raise InputError(
                    f"{name}: expected at most {LONGEST_STREAM >> 20} MiB from a stream: write it to a file first"
                )
            write_all(file, block)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return cast(BinaryIO, file)


def write_all(file: Any, block: bytes) -> None:
    """To a file without a buffer, which may take only a part at a time."""
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]


def is_stdin(source: Source) -> bool:
    return isinstance(source, str | os.PathLike) and os.fspath(source) == "-"


def is_seekable(file: Any) -> bool:
    return hasattr(file, "seekable") and file.seekable()


def is_array(source: Source) -> bool:
    return hasattr(source, "__array__")  # numpy's own, and torch's tensors
