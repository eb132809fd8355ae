"""Common Voice, any language of any release since 2019, as its publisher packs it.

    cv-corpus-17.0-2024-03-15/ar/train.tsv     client_id  path  sentence  and other columns, which differ between releases
    cv-corpus-17.0-2024-03-15/ar/clips/common_voice_ar_19225971.mp3

dev.tsv and test.tsv are of the same form. The three together hold one recording of each sentence: where many readers read few
sentences, most of what listeners found right stands in validated.tsv alone
(https://github.com/common-voice/CorporaCreator/issues/113).
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from speechrnn.data.corpora import LeftOut, Rules, Split, check, require_folder
from speechrnn.errors import InputError
from speechrnn.files import read_text
from speechrnn.manifest import Utterance
from speechrnn.text import normaliser

_COLUMNS = ("client_id", "path", "sentence")


def prepare_commonvoice(source: Path, rules: Rules, *, own_dev: bool = False) -> list[Split]:
    """The splits train, dev and test as published, and validated: validated.tsv less the speakers and sentences of dev and test.

    Args:
        source: the folder of a language, or of a release with one language in it.
        rules: what a transcript may be.
        own_dev: give all, to be divided, and test instead: all is validated.tsv less the speakers and sentences of test.

    Raises:
        InputError: there is no language or more than one in `source`, or a table lacks a column.
    """
    language = _language(source)
    official = [_split(language, name, rules) for name in (("test",) if own_dev else ("train", "dev", "test"))]
    if not own_dev and not (language / "validated.tsv").is_file():
        return official
    apart = [split for split in official if split.name != "train"]
    rest = _apart(_rows(language, "validated"), [u for split in apart for u in split.utterances], rules)
    validated = check("all" if own_dev else "validated", rest, rules)
    return [validated, *official] if own_dev else [*official, validated]


def _language(source: Path) -> Path:
    require_folder(source)
    found = [path for path in (source, *sorted(source.iterdir())) if (path / "train.tsv").is_file()]
    if source in found:
        return source
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found[:10]) or "no folder with a train.tsv"
    raise InputError(
        f"{source}: expected a language of Common Voice (train.tsv and clips/), found {names}; name that folder"
    )


def _split(language: Path, name: str, rules: Rules) -> Split:
    return check(name, _rows(language, name), rules)


def _rows(language: Path, name: str) -> Iterator[Utterance | LeftOut]:
    table = language / f"{name}.tsv"
    csv.field_size_limit(sys.maxsize)  # a sentence may be a page by mistake: it is the reader's to find, not csv's
    rows = csv.reader(io.StringIO(read_text(table, "UTF-8 text"), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    columns = next(rows, [])
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        raise InputError(f"{table}: expected the columns {', '.join(_COLUMNS)}, did not find {', '.join(missing)}")
    speaker, path, sentence = (columns.index(column) for column in _COLUMNS)
    for values in rows:
        if len(values) <= max(speaker, path, sentence):
            yield LeftOut(
                f"{table.name}:{rows.line_num}", "bad row", f"expected {len(columns)} columns, found {len(values)}"
            )
            continue
        clip = PurePosixPath(values[path])
        audio = language / "clips" / (clip if clip.suffix else f"{clip}.mp3")  # the first releases wrote no suffix
        yield Utterance(clip.stem, str(audio), values[sentence], speaker=values[speaker])


def _apart(
    found: Iterable[Utterance | LeftOut], others: Iterable[Utterance], rules: Rules
) -> Iterator[Utterance | LeftOut]:
    """What shares neither speaker nor sentence with `others`; those themselves are passed over in silence."""
    ids, speakers, texts = ({getattr(u, name) for u in others} for name in ("id", "speaker", "text"))
    normalise = normaliser(rules.normaliser)
    for item in found:
        if isinstance(item, LeftOut):
            yield item
        elif item.id in ids:
            continue
        elif item.speaker in speakers:
            yield LeftOut(item.id, "speaker of dev or test", "", item.speaker)
        elif normalise(item.text) in texts:
            yield LeftOut(item.id, "sentence of dev or test", item.text, item.speaker)
        else:
            yield item
