"""References and hypotheses in files: Kaldi text, JSON lines, and NIST's trn, ctm and stm; docs/formats.md describes them.

A file's form is told by the end of its name (.jsonl, .json, .trn, .ctm, .stm); any other name is JSON lines if the first line
begins with `{`, else Kaldi text. NIST's forms are read as sclite reads them (SCTK, doc/infmts.htm).
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechrnn.errors import InputError
from speechrnn.files import json_object, read_text
from speechrnn.manifest import read_manifest
from speechrnn.scoring.segments import (
    IGNORED,
    Line,
    Segment,
    join_ctm,
    parse_segment,
    parse_word,
    plain,
    words_by_segment,
)

FORMS = ("text", "jsonl", "trn", "ctm", "stm")
ENDINGS = {".jsonl": "jsonl", ".json": "jsonl", ".trn": "trn", ".ctm": "ctm", ".stm": "stm"}
HALF = re.compile("[\ud800-\udfff]")  # JSON can hold what UTF-8 cannot
COMMENT = ";;"  # begins a line that is none, in all forms


@dataclass(frozen=True)
class Reference:
    """What was said, by whom (empty: not known), and how long it took in seconds (None: not known)."""

    text: str
    speaker: str = ""
    duration: float | None = None


def read_pair(
    references: str | os.PathLike,
    hypotheses: str | os.PathLike,
    reference_form: str | None = None,
    hypothesis_form: str | None = None,
) -> tuple[dict[str, Reference], dict[str, str]]:
    """References and hypotheses that belong together, by utterance id.

    The words of a ctm file are given to the segments of an stm file by their times, see `words_by_segment`; all other forms
    are read each for itself. The forms are of `FORMS`, or None: told from the file. A null hypothesis in JSON lines is none.

    Raises:
        InputError: a file cannot be read, holds no utterance, a line is not of its form, or an id stands twice.
    """
    spoken, recognised = _read_lines(references), _read_lines(hypotheses)
    reference_form = reference_form or _form(references, spoken)
    hypothesis_form = hypothesis_form or _form(hypotheses, recognised)
    wanted = _utterances(references, spoken, reference_form, "reference")
    if (reference_form, hypothesis_form) == ("stm", "ctm"):
        return wanted, words_by_segment(map(parse_word, recognised), map(parse_segment, spoken))
    return wanted, _texts(_utterances(hypotheses, recognised, hypothesis_form, "hypothesis"))


def to_kaldi_text(texts: Mapping[str, str]) -> str:
    """Kaldi's text file: `id word word ...` a line.

    Raises:
        InputError: an id is empty or holds white space.
    """
    return "".join(f"{_one_field(id)} {' '.join(text.split())}".rstrip() + "\n" for id, text in texts.items())


def to_trn(texts: Mapping[str, str], speakers: Mapping[str, str] | None = None) -> str:
    """NIST's trn: `word word ... (speaker-utterance)` a line, for `sclite -s -i spu_id -r REF trn -h HYP trn`.

    In the parentheses stands the id if it already begins with the speaker, or if the speaker is not known and sclite can find
    one in it; else the speaker (`unknown`) is put before it. An empty text is a line of its own like any other.

    Raises:
        InputError: an id is empty or holds white space or parentheses, or sclite would take a word for something else.
    """
    lines = []
    for id, text in texts.items():
        name = _trn_id(_one_field(id), (speakers or {}).get(id, ""))
        if "(" in name or ")" in name:
            raise InputError(
                f"utterance {id}: expected an id without parentheses, found {name!r}: trn has no place for them"
            )
        lines.append(f"{plain(f'utterance {id}', text)} ({name})\n")
    return "".join(lines)


def to_stm(references: Mapping[str, Reference]) -> str:
    """NIST's stm: `id 1 speaker 0.000 duration text` a line, each utterance a recording of its own, in sclite's order of ids.

    It goes with a ctm of the same ids and channel 1, as `speechrnn.writers.to_ctm` writes it. sclite refuses a ctm that has
    no word of an utterance; trn knows no such limit.

    Raises:
        InputError: an id is empty or holds white space, a duration is not known, or sclite would take a word for something else.
    """
    lines = []
    for id in sorted(references):
        reference = references[id]
        if reference.duration is None:
            raise InputError(f"utterance {id}: expected a duration, which stm needs, found none; trn goes without")
        text = plain(f"utterance {id}", reference.text)
        label = "<o> " if text.startswith("<") else ""  # else sclite would take the first word for the label
        speaker = "_".join(reference.speaker.split()) or "unknown"
        lines.append(f"{_one_field(id)} 1 {speaker} 0.000 {reference.duration:.3f} {label}{text}".rstrip() + "\n")
    return "".join(lines)


def _trn_id(id: str, speaker: str) -> str:
    speaker = "_".join(speaker.split())
    if id.startswith((f"{speaker}-", f"{speaker}_")) if speaker else _trn_speaker(id):
        return id
    return f"{speaker or 'unknown'}-{id}"


def _trn_speaker(id: str) -> str:
    """What stands before the first `-`, or else before the first `_`, as sclite -i spu_id and -i rm have it."""
    for mark in "-_":
        if mark in id:
            return id.partition(mark)[0]
    return ""


def _one_field(id: str) -> str:
    if len(id.split()) != 1 or id != id.strip():
        raise InputError(f"utterance {id!r}: expected an id without white space, at which it ends in this form")
    return id


def _read_lines(path: str | os.PathLike) -> list[Line]:
    expected = "a manifest or a Kaldi text file (or jsonl, trn, ctm, stm) in UTF-8"
    text = read_text(path, expected)
    # Only "\n" ends a line: a text may hold the other characters at which str.splitlines breaks.
    lines = [Line(f"{path}, line {number}", line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    lines = [line for line in lines if line.text and not line.text.startswith(COMMENT)]
    if not lines:
        raise InputError(f"{path}: expected {expected}, found no utterance in it")
    return lines


def _form(path: str | os.PathLike, lines: Sequence[Line]) -> str:
    ending = Path(path).suffix.lower()
    return ENDINGS.get(ending) or ("jsonl" if lines[0].text.startswith("{") else "text")


def _utterances(path: str | os.PathLike, lines: Sequence[Line], form: str, side: str) -> dict[str, Reference]:
    """By id; `side` is the key that holds the text in a details file: "reference" or "hypothesis"."""
    if form == "ctm":
        return {id: Reference(text) for id, text in join_ctm(map(parse_word, lines)).items()}
    if form == "jsonl":
        objects = [(line.where, json_object(line.where, line.text)) for line in lines]
        if all("audio_filepath" in fields and not _id(fields) for _, fields in objects):
            # The ids come from the file names
            return {u.id: Reference(u.text, u.speaker, u.duration) for u in read_manifest(path)}
        return _by_id(entry_of_json(where, fields, side) for where, fields in objects)
    if form == "stm":
        utterances = _by_id(_of_segment(segment) for segment in map(parse_segment, lines) if not segment.ignored)
        if not utterances:
            raise InputError(f"{path}: expected segments that score, found none but {IGNORED}")
        return utterances
    return _by_id(map(_of_trn if form == "trn" else _of_kaldi_text, lines))


Entry = tuple[str, str, Reference | None]  # where it stands, id, and what was said (None: no hypothesis)


def _by_id(entries: Iterable[Entry]) -> dict[str, Reference]:
    utterances: dict[str, Reference | None] = {}
    for where, id, utterance in entries:
        if id in utterances:
            raise InputError(f"{where}: the id {id!r} stands on more than one line")
        utterances[id] = utterance
    return {id: utterance for id, utterance in utterances.items() if utterance is not None}


def _texts(utterances: Mapping[str, Reference]) -> dict[str, str]:
    return {id: utterance.text for id, utterance in utterances.items()}


def _of_kaldi_text(line: Line) -> Entry:
    id, *words = line.text.split(maxsplit=1)
    return line.where, id, Reference("".join(words))


def _of_trn(line: Line) -> Entry:
    text, opened, id = line.text.rpartition("(")
    if not opened or not id.endswith(")") or not id[:-1].strip():
        raise InputError(f"{line.where}: expected `word word ... (speaker-utterance)`, found {line.text[-60:]!r}")
    id = id[:-1].strip()
    return line.where, id, Reference(plain(line.where, text), _trn_speaker(id))


def _of_segment(segment: Segment) -> Entry:
    return segment.where, segment.id, Reference(segment.text, segment.speaker, segment.end - segment.start)


def _id(fields: dict) -> object:
    return fields.get("id") or fields.get("utt_id")


def entry_of_json(where: str, fields: dict, side: str) -> Entry:
    """An utterance of a JSON object that stands at `where`: its text is under `side`, else under "text".

    Raises:
        InputError: a key is missing or holds something else.
    """
    if not _id(fields):
        raise InputError(f"{where}: expected an 'id' that is not empty, found the keys {', '.join(fields) or 'none'}")
    if side not in fields and "text" not in fields and not fields.get("nonspeech"):
        raise InputError(f"{where}: expected 'text' (or {side!r}), found the keys {', '.join(fields)}")
    id, speaker, duration = str(_id(fields)), str(fields.get("speaker") or ""), fields.get("duration")
    text = fields.get(side, fields.get("text", ""))
    if text is None and (side == "hypothesis" or isinstance(fields.get("hypothesis"), str)):
        return where, id, None  # recognised as nothing, or a hypothesis that has no reference
    if not isinstance(text, str):
        raise InputError(f"{where}: expected a text, found {text!r}")
    for value in (id, speaker, text):
        if HALF.search(value):
            raise InputError(f"{where}: expected characters, found half of a surrogate pair in {value!r:.60}")
    if duration is not None and (not isinstance(duration, int | float) or not 0 <= duration <= sys.float_info.max):
        raise InputError(f"{where}: expected 'duration' in seconds, found {duration!r:.60}")
    return where, id, Reference(text, speaker, duration)
