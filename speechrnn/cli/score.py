"""Score hypotheses against references: word, character and sentence error rates in Kaldi's lines.

REF and HYP are each one of
  a manifest or other JSON lines with `id` and `text`,
  a details file of `speechrnn evaluate` or `speechrnn score` (its references as REF, its hypotheses as HYP),
  a Kaldi text file: `id word word ...` a line, UTF-8.

Every utterance of REF scores: one that HYP lacks counts as all words deleted. An utterance that only HYP has does not
score. Both are named in a warning.

  speechrnn score test.jsonl hypotheses.txt
  speechrnn score --normaliser upper --details details.jsonl text hyp.txt
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from speechrnn.errors import InputError
from speechrnn.manifest import read_manifest, write_atomically
from speechrnn.scoring.errors import score
from speechrnn.text import NORMALISERS

NAMED_AT_MOST = 10  # ids in one warning: enough to find the cause


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("references", metavar="REF", help="what was said")
    parser.add_argument("hypotheses", metavar="HYP", help="what was recognised")
    parser.add_argument(
        "--normaliser",
        choices=NORMALISERS,
        help="what both texts go through before they are compared (default: what a details file was scored with, else raw)",
    )
    parser.add_argument("--details", metavar="FILE", help="write a JSON line an utterance: texts, alignment, counts")


def run(args: argparse.Namespace) -> int:
    references = read_texts(args.references, "reference")
    hypotheses = read_texts(args.hypotheses, "hypothesis")
    extra = [id for id in hypotheses if id not in references]
    if len(extra) == len(hypotheses):
        raise InputError(
            f"{args.hypotheses}: expected the ids of {args.references} (such as {next(iter(references))!r}), "
            f"found none of them (but such as {next(iter(hypotheses), None)!r}); "
            "`speechrnn evaluate` transcribes and scores a manifest by its ids"
        )
    normaliser = (
        args.normaliser or recorded_normaliser(args.hypotheses) or recorded_normaliser(args.references) or "raw"
    )
    result = score(references, hypotheses, normaliser)
    if result.missing:
        print(
            f"speechrnn score: warning: {len(result.missing)} of {len(references)} utterances have no hypothesis "
            f"in {args.hypotheses}, all their words count as deleted: {_named(result.missing)}",
            file=sys.stderr,
        )
    if extra:
        print(
            f"speechrnn score: warning: {len(extra)} of {len(hypotheses)} hypotheses have no reference "
            f"in {args.references} and do not score: {_named(extra)}",
            file=sys.stderr,
        )
    if args.details:
        write_atomically(args.details, result.details())
    sys.stdout.write(result.report())
    return 0


def _named(ids: list[str]) -> str:
    rest = len(ids) - NAMED_AT_MOST
    return " ".join(ids[:NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")


def recorded_normaliser(path: str) -> str | None:
    """The normaliser that a details file says its texts were scored with; None for any other file."""
    with open(path, encoding="utf-8-sig") as file:
        line = file.readline().strip()
    name = json.loads(line).get("normaliser") if line.startswith("{") else None
    return name if name in NORMALISERS else None


def read_texts(path: str, side: str) -> dict[str, str]:
    """Texts by utterance id, from a manifest, other JSON lines or a Kaldi text file.

    `side` is the key that holds the text in a details file: "reference" or "hypothesis". A null hypothesis is none.

    Raises:
        InputError: it cannot be read, holds no utterance, a line is of neither form, or an id stands twice.
    """
    try:
        contents = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a manifest or a Kaldi text file: {error}") from None
    # Only "\n" ends a line: a text may hold the other characters at which str.splitlines breaks.
    lines = [(f"{path}, line {n}", line.strip()) for n, line in enumerate(contents.split("\n"), start=1)]
    lines = [(where, line) for where, line in lines if line]
    if not lines:
        raise InputError(f"{path}: expected a manifest or a Kaldi text file, found no utterance in it")
    if not lines[0][1].startswith("{"):
        return _by_id((where, *_split_kaldi(line)) for where, line in lines)
    objects = [(where, _json_object(where, line)) for where, line in lines]
    if all("audio_filepath" in fields and not (fields.get("id") or fields.get("utt_id")) for _, fields in objects):
        return {utterance.id: utterance.text for utterance in read_manifest(path)}  # the ids come from the file names
    return _by_id((where, *_id_and_text(where, fields, side)) for where, fields in objects)


def _split_kaldi(line: str) -> tuple[str, str]:
    id, *words = line.split(maxsplit=1)
    return id, "".join(words)


def _json_object(where: str, line: str) -> dict:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: expected a JSON object, found {line[:60]!r} ({error})") from None
    if not isinstance(fields, dict):
        raise InputError(f"{where}: expected a JSON object, found {line[:60]!r}")
    return fields


def _id_and_text(where: str, fields: dict, side: str) -> tuple[str, str | None]:
    id = fields.get("id") or fields.get("utt_id")
    if not id:
        raise InputError(f"{where}: expected an 'id' that is not empty, found the keys {', '.join(fields) or 'none'}")
    if side not in fields and "text" not in fields and not fields.get("nonspeech"):
        raise InputError(f"{where}: expected 'text' (or {side!r}), found the keys {', '.join(fields)}")
    text = fields.get(side, fields.get("text", ""))
    if not isinstance(text, str) and not (text is None and side == "hypothesis"):
        raise InputError(f"{where}: expected a text, found {text!r}")
    return str(id), text


def _by_id(utterances: Iterable[tuple[str, str, str | None]]) -> dict[str, str]:
    texts: dict[str, str | None] = {}
    for where, id, text in utterances:
        if id in texts:
            raise InputError(f"{where}: the id {id!r} stands on more than one line")
        texts[id] = text
    return {id: text for id, text in texts.items() if text is not None}
