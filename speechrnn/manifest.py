"""Manifests: the utterances of a corpus as JSON lines, the contract between data and everything else.

One line an utterance, with the keys that NeMo uses: ``audio_filepath`` and ``text``, and optionally ``id``, ``offset`` and
``duration`` (seconds), ``speaker`` and ``nonspeech``. A relative ``audio_filepath`` is relative to the manifest's folder.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from speechrnn.errors import InputError
from speechrnn.files import JsonLine, read_json_lines, write_atomically


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


def read_manifest(path: str | os.PathLike, *, texts: bool = True) -> list[Utterance]:
    """Read and check a manifest. Without `texts`, utterances may be without one: they are to be transcribed.

    Raises:
        InputError: it cannot be read, is empty, or a line is not an utterance: the line, the expectation and what was found.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise InputError(f"{path}: expected a manifest, found a directory; `speechrnn prepare folder` makes one of it")
    lines = read_json_lines(path, "a manifest", "; `speechrnn prepare` writes manifests")
    utterances = [_parse(line, path.parent, texts) for line in lines]
    if not utterances:
        raise InputError(f"{path}: expected a manifest (JSON lines), found no utterance in it")
    seen: set[str] = set()
    for utterance in utterances:
        if utterance.id in seen:
            raise InputError(f"{path}: the id {utterance.id!r} stands on more than one line")
        seen.add(utterance.id)
    return utterances


def _parse(line: JsonLine, folder: Path, texts: bool) -> Utterance:
    where, _, fields = line
    if not isinstance(fields.get("audio_filepath"), str):
        raise InputError(f"{where}: expected a JSON object with 'audio_filepath', found {line.text[:60]!r}")
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
