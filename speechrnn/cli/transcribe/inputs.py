"""What `speechrnn transcribe` is to transcribe: files, folders, manifests and stdin, as a list of recordings."""

import os
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, cast

from speechrnn.audio import FOREIGN_SUFFIXES, HELD, LONGEST_STREAM, SUFFIXES, source_name
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


def recordings(inputs: Sequence[str]) -> Iterator[Recording | InputError]:
    """What the arguments stand for, in order, with the reason in place of what cannot be looked at.

    A folder stands for the audio files in it, at all levels, sorted; a .jsonl file for the utterances of a manifest.
    """
    for path in inputs:
        if path == STDIN:
            yield Recording(STDIN, "stdin", "stdin")
        elif os.path.isdir(path):
            yield from _in_folder(path)
        elif path.lower().endswith(".jsonl"):
            yield from _in_manifest(path)
        else:
            yield Recording(path, source_name(path), PurePath(path).stem)


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


def _in_folder(folder: str) -> Iterator[Recording | InputError]:
    """Links to folders are followed, but no folder is looked into twice: links may lead round in a circle."""
    unreadable: list[InputError] = []
    seen: set[tuple[int, int]] = set()
    paths: list[Path] = []

    def note(error: OSError) -> None:
        unreadable.append(InputError(f"{source_name(error.filename)}: cannot be read: {reason(error)}"))

    for inside, folders, files in os.walk(folder, onerror=note, followlinks=True):
        try:
            known = os.stat(inside)
        except OSError as error:  # deleted in this moment
            note(error)
            continue
        if (known.st_dev, known.st_ino) in seen:
            folders.clear()
            continue
        seen.add((known.st_dev, known.st_ino))
        folders.sort()  # which of two ways to a folder is taken shall not depend on the disk
        paths += [path for name in files if _is_audio(path := Path(inside, name))]
    yield from unreadable
    if not paths and not unreadable:
        yield InputError(f"{source_name(folder)}: expected audio files in it ({' '.join(SUFFIXES)}), found none")
    for path in sorted(paths):
        yield Recording(str(path), source_name(path), str(path.relative_to(folder).with_suffix("")))


def _is_audio(path: Path) -> bool:
    """By its name: the files that a Mac leaves beside others begin with a dot. Pipes and dead links are not taken."""
    return path.suffix.lower() in SUFFIXES + FOREIGN_SUFFIXES and path.name[0] != "." and path.is_file()


def _in_manifest(path: str) -> Iterator[Recording | InputError]:
    from speechrnn.manifest import read_manifest

    try:
        utterances = read_manifest(path, texts=False)
    except InputError as error:
        yield error
        return
    for utterance in utterances:
        name = source_name(utterance.id)
        if PurePath(utterance.id).is_absolute() or ".." in PurePath(utterance.id).parts or "\0" in utterance.id:
            yield InputError(f"{source_name(path)}: the id {name} cannot name a file below a folder: choose another")
            continue
        yield Recording(utterance.audio_filepath, name, utterance.id, utterance.offset, utterance.duration)
