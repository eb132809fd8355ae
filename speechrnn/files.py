"""Files: written whole or not at all, folders replaced whole, and texts, JSON and JSON lines read with one kind of error."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

from speechrnn.errors import InputError, reason


def read_bytes(path: str | os.PathLike, what: str, advice: str = "") -> bytes:
    """The contents of a file. `what` it is expected to be stands in errors, and `advice` where there is no such file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: expected {what}, found no such file{advice}") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise InputError(f"{path}: expected {what}: {reason(error)}") from None


def read_text(path: str | os.PathLike, what: str, advice: str = "") -> str:
    """The contents of a text file in UTF-8, with or without a byte order mark; line ends are those of the file.

    `what` and `advice` as for `read_bytes`.

    Raises:
        InputError: it cannot be read, or is not UTF-8: the byte and its line.
    """
    contents = read_bytes(path, what, advice)
    try:
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = contents.count(b"\n", 0, error.start) + 1
        byte = f"the byte {contents[error.start]:#04x} on line {number}"
        raise InputError(f"{path}: expected {what}, found {byte}, which is not UTF-8: save it as UTF-8") from None


def read_json(path: str | os.PathLike) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(read_text(path, "JSON"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON: {error}") from None


class JsonLine(NamedTuple):
    """An object of a file of JSON lines: `where` it stands, as "PATH, line N", the line itself, and its fields."""

    where: str
    text: str
    fields: dict


def read_json_lines(
    path: str | os.PathLike, what: str, advice: str = "", *, line_is: str = "a JSON object"
) -> Iterator[JsonLine]:
    """The objects of a file of JSON lines, in order; blank lines are left out.

    `what` the file and `line_is` what a line is expected to be stand in errors; `advice` as for `read_bytes`.

    Raises:
        InputError: it cannot be read, is not UTF-8, or a line is not a JSON object.
    """
    # Only "\n" ends a line: a text may hold the other characters at which str.splitlines breaks.
    for number, line in enumerate(read_text(path, what, advice).split("\n"), start=1):
        if line := line.strip():
            where = f"{path}, line {number}"
            yield JsonLine(where, line, json_object(where, line, line_is))


def json_object(where: str, text: str, what: str = "a JSON object") -> dict:
    """The JSON object that a text is.

    Raises:
        InputError: it is none: `where` it stands, `what` was expected, and what was found.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:  # a number or a depth without end, too
        raise InputError(f"{where}: expected {what}, found {text[:60]!r} ({error})") from None
    if not isinstance(fields, dict):
        raise InputError(f"{where}: expected {what}, found {text[:60]!r}")
    return fields


def write_atomically(path: str | os.PathLike, contents: str | bytes | memoryview) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it: a crash leaves the old file or the new.

    What is not a file, such as a pipe or /dev/null, is written to as it is.

    Raises:
        OSError: it cannot be written.
    """
    contents = contents.encode("utf-8") if isinstance(contents, str) else contents
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(contents)
        return
    with atomic_file(Path(os.path.realpath(path))) as file:
        file.write(contents)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that is written under a temporary name, flushed to the disk, and renamed when the block ends well.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.name if len(os.fsencode(path.name)) < 200 else f"{crc32(os.fsencode(path.name)):08x}"
    partial = path.with_name(f"{kept}.{os.getpid()}.part")  # a name may have 255 bytes
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _flush_folder(path.parent)
    except OSError as error:
        if error.errno and not error.filename:  # a full disk names no file
            raise type(error)(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        partial.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """A renamed file is safe from a power cut only when its folder is on the disk, too."""
    if os.name == "posix":  # elsewhere a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """The name of a new folder that takes the place of `directory` when the block ends well, and is removed when not.

    Between the two renames nothing has its name. What a kill then leaves, `finish_replacing` puts there.
    """
    finish_replacing(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(f".{directory.name}.{os.getpid()}.part")
    replaced = directory.with_name(f".{directory.name}.{os.getpid()}.old")
    for leftover in (partial, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        yield partial
        if directory.exists():
            os.rename(directory, replaced)
        try:
            os.rename(partial, directory)
        except OSError:
            if not partial.exists() and directory.exists():  # a reader was quicker, see below
                return
            if replaced.exists():
                os.rename(replaced, directory)
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)


def finish_replacing(path: str | os.PathLike) -> None:
    """Give a folder its name that a kill in `replacing` left without: the new one, which is complete, takes it.

    Raises:
        InputError: it cannot be renamed.
    """
    try:
        directory = Path(os.path.realpath(path))
    except ValueError:  # not a path at all
        return
    if os.path.exists(directory):
        return
    for replaced in directory.parent.glob(".*.old"):
        if not re.fullmatch(rf"\.{re.escape(directory.name)}\.\d+\.old", replaced.name):
            continue
        partial = replaced.with_suffix(".part")
        found = partial if partial.exists() else replaced
        try:
            os.rename(found, directory)
        except OSError as error:
            if directory.exists():  # another process was quicker
                return
            raise InputError(
                f"{directory}: its replacement was interrupted: rename {found} to {directory.name} ({reason(error)})"
            ) from None
        shutil.rmtree(replaced, ignore_errors=True)
        return
