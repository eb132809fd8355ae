"""Manifests: the utterances of a corpus as JSON lines, the contract between data and everything else.

One line an utterance, with the keys that NeMo uses: ``audio_filepath`` and ``text``, and optionally ``id``, ``offset`` and
``duration`` (seconds), ``speaker`` and ``nonspeech``. A relative ``audio_filepath`` is relative to the manifest's folder.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from speechrnn.errors import InputError, reason


@dataclass(frozen=True)
class Utterance:
    """A stretch of a recording and what is said in it.

    `offset` and `duration` are in seconds; `duration` None means to the end. `nonspeech` marks a recording in which
    nothing is said: only such an utterance may have an empty text.
    """

    id: str
    audio_filepath: str
    text: str
    offset: float = 0.0
    duration: float | None = None
    speaker: str = ""
    nonspeech: bool = False


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


def read_manifest(path: str | os.PathLike, *, texts: bool = True) -> list[Utterance]:
    """Read and check a manifest. Without `texts`, utterances may be without one: they are to be transcribed.

    Raises:
        InputError: it cannot be read, is empty, or a line is not an utterance: the line, the expectation and what was found.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected a manifest, found no such file; `speechrnn prepare` writes manifests"
        ) from None
    except IsADirectoryError:
        raise InputError(
            f"{path}: expected a manifest, found a directory; `speechrnn prepare folder` makes one of it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a manifest (JSON lines): {reason(error)}") from None
    utterances = [
        _parse(f"{path}, line {n}", line, path.parent, texts) for n, line in enumerate(lines, start=1) if line.strip()
    ]
    if not utterances:
        raise InputError(f"{path}: expected a manifest (JSON lines), found no utterance in it")
    seen: set[str] = set()
    for utterance in utterances:
        if utterance.id in seen:
            raise InputError(f"{path}: the id {utterance.id!r} stands on more than one line")
        seen.add(utterance.id)
    return utterances


def _parse(where: str, line: str, folder: Path, texts: bool) -> Utterance:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: expected a JSON object, found {line[:60]!r} ({error})") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("audio_filepath"), str):
        raise InputError(f"{where}: expected a JSON object with 'audio_filepath', found {line[:60]!r}")
    text = fields.get("text", "")
    nonspeech = bool(fields.get("nonspeech", False))
    if not isinstance(text, str) or (texts and not text.strip() and not nonspeech):
        raise InputError(f"{where}: expected a 'text' that is not empty (or 'nonspeech': true), found {text!r}")
    if text.strip() and nonspeech:
        raise InputError(f"{where}: marked as nonspeech, and yet it has a text: {text!r}")
    offset, duration = fields.get("offset"), fields.get("duration")
    for name, value in (("offset", offset), ("duration", duration)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and 0 <= value < float("inf")):
            raise InputError(f"{where}: expected {name!r} in seconds, found {value!r}")
    audio = fields["audio_filepath"]
    stem = Path(audio).stem + (f"-{offset:g}" if offset else "")
    return Utterance(
        id=str(fields.get("id") or fields.get("utt_id") or stem),
        audio_filepath=str(folder / audio),
        text=text,
        offset=float(offset or 0.0),
        duration=None if duration is None else float(duration),
        speaker=str(fields.get("speaker") or ""),
        nonspeech=nonspeech,
    )


def write_manifest(path: str | os.PathLike, utterances: Iterable[Utterance]) -> None:
    """Write utterances as a manifest, atomically. Audio below the manifest's folder is named relative to it."""
    path = Path(path)
    folder = path.parent.resolve()
    lines = []
    for u in utterances:
        audio = Path(u.audio_filepath).resolve()
        fields = {
            "id": u.id,
            "audio_filepath": str(audio.relative_to(folder) if audio.is_relative_to(folder) else audio),
            "offset": u.offset,
            "duration": u.duration,
            "text": u.text,
            "speaker": u.speaker,
        }
        if u.nonspeech:
            fields["nonspeech"] = True
        lines.append(json.dumps(fields, ensure_ascii=False) + "\n")
    write_atomically(path, "".join(lines))
