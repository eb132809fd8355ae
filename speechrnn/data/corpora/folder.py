"""Anybody's recordings: audio and .txt files side by side, or a table (CSV, TSV, JSON lines) that names audio and text."""

import csv
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

from speechrnn.audio import FOREIGN_SUFFIXES, SUFFIXES
from speechrnn.data.corpora import LeftOut, Rules, Split, check, read_lines
from speechrnn.errors import InputError
from speechrnn.files import read_text
from speechrnn.manifest import Utterance

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json")
SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")
# What a column may be called; the first one that is there counts.
AUDIO = ("audio_filepath", "audio", "path", "file", "wav", "filename")
TEXT = ("text", "transcript", "sentence", "transcription")
SPEAKER = ("speaker", "client_id", "speaker_id")
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


class _BadRow(Exception):
    """What is wrong with a row of a table."""


def prepare_folder(source: Path, rules: Rules) -> list[Split]:
    """One split, ``all``: of a folder with audio and .txt files of the same name in any depth, or of a table.

    The id of a file is its path below the folder without the suffix. Where the recordings lie in several folders, the name of
    the uppermost one in which they differ is their speaker. The paths in a table are relative to its folder.

    Raises:
        InputError: there is no pair of audio and text, or the table has no column for one of them.
    """
    if source.is_file():
        return [check("all", _table(source, rules), rules)]
    if not source.is_dir():
        raise InputError(f"{source}: expected a folder of recordings or a table of them, found nothing")
    return [check("all", _side_by_side(source), rules)]


def _side_by_side(root: Path) -> Iterator[Utterance | LeftOut]:
    files = sorted((p for p in root.rglob("*") if p.is_file()), key=lambda p: p.relative_to(root).parts)
    audio_files = [p for p in files if p.suffix.lower() in SUFFIXES + FOREIGN_SUFFIXES]
    texts = {p.with_suffix(""): p for p in files if p.suffix.lower() == ".txt"}
    spoken = {p.with_suffix("") for p in audio_files}
    if not spoken & texts.keys():
        tables = [p.name for p in files if p.suffix.lower() in TABLE_SUFFIXES]
        hint = f"; is it the table {tables[0]}? Then name that file instead of the folder" if tables else ""
        raise InputError(
            f"{root}: expected audio files with .txt files of the same name beside them, "
            f"found {len(audio_files)} audio and {len(texts)} .txt files and no pair{hint}"
        )
    shared = Path(os.path.commonpath([audio.parent for audio in audio_files]))
    for audio in audio_files:
        name = _id(audio.relative_to(root))
        speaker = "_".join(str(audio.parent.relative_to(shared).parts[0]).split()) if audio.parent != shared else ""
        text = texts.get(audio.with_suffix(""))
        if text is None:
            yield LeftOut(name, "audio without a .txt beside it", str(audio), speaker)
            continue
        try:
            yield Utterance(name, str(audio), read_text(text, "UTF-8 text"), speaker=speaker)
        except InputError as error:
            yield LeftOut(name, "unreadable transcript", str(error), speaker)
    for stem, text in texts.items():
        if stem not in spoken:
            yield LeftOut(_id(text.relative_to(root)), ".txt without audio beside it", str(text))


def _id(path: Path) -> str:
    # White space would end the id in the files of the field that separate columns by it (Kaldi, ctm).
    return "_".join(path.with_suffix("").as_posix().split())


def _table(table: Path, rules: Rules) -> Iterator[Utterance | LeftOut]:
    kind = table.suffix.lower()
    if kind not in TABLE_SUFFIXES:
        raise InputError(
            f"{table}: expected a folder or a table ({' '.join(TABLE_SUFFIXES)}), found {kind or 'no suffix'}"
            + ("; save the spreadsheet as CSV UTF-8" if kind in SPREADSHEETS else "")
        )
    rows = _json_rows(table) if kind in (".json", ".jsonl") else _csv_rows(table, rules)
    found = 0
    for number, row in rows:
        found += 1
        name = f"{table.name}:{number}"
        try:
            yield _utterance(row, table.parent.absolute())
        except _BadRow as problem:
            yield LeftOut(name, "bad row", str(problem))
    if not found:
        raise InputError(f"{table}: expected a table of audio files and texts, found no row in it")


def _csv_rows(table: Path, rules: Rules) -> Iterator[tuple[int, dict | str]]:
    """Line number and fields by lower-case column name of each row, or what is wrong with it."""
    # In a TSV file a quotation mark is a character like any other, as Common Voice writes it.
    text = read_text(table, "UTF-8 text")
    lines = io.StringIO(text, newline="")
    if table.suffix.lower() == ".tsv":
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:  # spreadsheets write semicolons where the comma is the decimal point
        header = text.partition("\n")[0]
        reader = csv.reader(lines, delimiter=";" if ";" in header and "," not in header else ",", strict=True)
    try:
        columns = [column.strip().lower() for column in next(reader, [])]
        expected = {"audio": AUDIO} if rules.nonspeech or "nonspeech" in columns else {"audio": AUDIO, "text": TEXT}
        for what, names in expected.items():
            if not set(names) & set(columns):
                raise InputError(
                    f"{table}: expected a first line with a column for the {what} ({', '.join(names)}), "
                    f"found {', '.join(columns) or 'nothing'}"
                )
        for values in reader:
            if len(values) == len(columns):
                yield reader.line_num, dict(zip(columns, values, strict=True))
            elif values:
                yield reader.line_num, f"expected {len(columns)} columns, found {len(values)}"
    except csv.Error as error:
        raise InputError(f"{table}, line {reader.line_num}: cannot be read as a table: {error}") from None


def _json_rows(table: Path) -> Iterator[tuple[int, dict | str]]:
    """As `_csv_rows`."""
    for number, line in read_lines(table):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            yield number, f"not JSON: {error}"
            continue
        if isinstance(row, dict):
            yield number, {str(key).lower(): value for key, value in row.items()}
        else:
            yield number, f"expected a JSON object, found {line[:60]}"


def _utterance(row: dict | str, folder: Path) -> Utterance:
    """The utterance of one row; raises _BadRow with what is wrong."""
    if isinstance(row, str):
        raise _BadRow(row)
    audio = _string(row, AUDIO)
    if not audio:
        raise _BadRow(f"names no audio file ({', '.join(AUDIO)})")
    offset = _number(row, "offset") or 0.0
    path = folder / audio
    return Utterance(
        id=_string(row, ("id",)) or _row_id(path, folder, offset),
        audio_filepath=str(path),
        text=_string(row, TEXT),
        offset=offset,
        duration=_number(row, "duration"),
        speaker=_string(row, SPEAKER),
        nonspeech=_flag(row, "nonspeech"),
    )


def _row_id(path: Path, folder: Path, offset: float) -> str:
    below = path.relative_to(folder) if path.is_relative_to(folder) else path.relative_to(path.anchor)
    parts = [part for part in below.parts if part != ".."]
    return _id(Path(*parts)) + (f"-{offset:.2f}" if offset else "")


def _string(row: dict, names: tuple[str, ...]) -> str:
    value = next((row[name] for name in names if row.get(name) not in (None, "")), "")
    if isinstance(value, bool | list | dict):
        raise _BadRow(f"expected a string as {' or '.join(names)}, found {json.dumps(value)[:60]}")
    return str(value).strip()


def _number(row: dict, name: str) -> float | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if isinstance(value, bool) or not math.isfinite(seconds) or seconds < 0:
        raise _BadRow(f"expected {name} in seconds, found {value!r}")
    return seconds


def _flag(row: dict, name: str) -> bool:
    value = str("" if row.get(name) is None else row[name]).strip().lower()
    if value not in _TRUTH:
        raise _BadRow(f"expected {name} to be true or false, found {value!r}")
    return _TRUTH[value]
