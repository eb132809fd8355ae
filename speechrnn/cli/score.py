"""Score hypotheses against references: word, character, sentence and match error rates, in Kaldi's lines.

REF and HYP are each one of
  a manifest or other JSON lines with `id` and `text`,
  a details file of `speechrnn evaluate` or `speechrnn score` (its references as REF, its hypotheses as HYP),
  a Kaldi text file: `id word word ...` a line, UTF-8,
  NIST's trn, ctm and stm, by the end of the name (docs/formats.md).

Every utterance of REF scores: one that HYP lacks counts as all words deleted. An utterance that only HYP has does not
score. Both are named in a warning.

  speechrnn score test.jsonl hypotheses.txt
  speechrnn score --normaliser english --details details.jsonl text hyp.txt
  speechrnn score --alignment sclite --tables ref.stm hyp.ctm
  speechrnn score details.jsonl details.jsonl --export for_sclite
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from speechrnn.errors import InputError
from speechrnn.files import write_atomically
from speechrnn.scoring.score import ALIGNMENTS, Score, score
from speechrnn.scoring.texts import FORMS, read_pair
from speechrnn.text import SCORING_NORMALISERS

NAMED_AT_MOST = 10  # ids in one warning: enough to find the cause


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("references", metavar="REF", help="what was said")
    parser.add_argument("hypotheses", metavar="HYP", help="what was recognised")
    parser.add_argument("--reference-form", choices=FORMS, help="the form of REF, where its name does not tell")
    parser.add_argument("--hypothesis-form", choices=FORMS, help="the form of HYP, where its name does not tell")
    add_how(parser, "that of a details file, else raw", "that of a details file, else kaldi")
    add_output(parser)


def add_how(parser: argparse.ArgumentParser, normaliser: str, alignment: str) -> None:
    """Declare how texts are compared, and say what they are without the option."""
    parser.add_argument(
        "--normaliser",
        metavar="NAME|FILE",
        help=f"what both texts go through before they are compared: {', '.join(SCORING_NORMALISERS)}, "
        f"or a table of one's own (docs/normalisers.md); default: {normaliser}",
    )
    parser.add_argument(
        "--alignment",
        choices=ALIGNMENTS,
        help=f"how words are aligned: with the fewest errors (kaldi), or as NIST's sclite does; default: {alignment}",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Declare what is shown and written of a score."""
    parser.add_argument(
        "--tables", action="store_true", help="print confusions, the words most inserted and deleted, speakers, lengths"
    )
    parser.add_argument("--details", metavar="FILE", help="write a JSON line an utterance: texts, alignment, counts")
    parser.add_argument(
        "--export",
        metavar="FOLDER",
        help="write the normalised texts for Kaldi (.txt) and NIST's sclite (.trn; .stm and .ctm)",
    )


def run(args: argparse.Namespace) -> int:
    check_output(args, args.references, args.hypotheses)
    references, hypotheses = read_pair(args.references, args.hypotheses, args.reference_form, args.hypothesis_form)
    if not references:
        raise InputError(f"{args.references}: expected references, found none")
    if hypotheses.keys().isdisjoint(references):
        raise InputError(
            f"{args.hypotheses}: expected the ids of {args.references} (such as {next(iter(references))!r}), "
            f"found {f'none of them (but such as {next(iter(hypotheses))!r})' if hypotheses else 'no hypothesis'}; "
            "`speechrnn evaluate` transcribes and scores a manifest by its ids"
        )
    recorded = recorded_how(args.references) | recorded_how(args.hypotheses)
    normaliser = args.normaliser or recorded.get("normaliser", "raw")
    result = score(references, hypotheses, normaliser, args.alignment or recorded.get("alignment", "kaldi"))
    if result.missing:
        _warn(
            f"{len(result.missing)} of {len(references)} utterances have no hypothesis in {args.hypotheses}, "
            f"all their words count as deleted: {named(result.missing)}"
        )
    if result.extra:
        _warn(
            f"{len(result.extra)} of {len(hypotheses)} hypotheses have no reference in {args.references} "
            f"and do not score: {named(list(result.extra))}"
        )
    write(args, result)
    return 0


def check_output(args: argparse.Namespace, *inputs: str) -> None:
    """What the arguments of `add_output` name must be places to write to, and no inputs: told before the work, not after it.

    Raises:
        InputError: one is not.
    """
    if args.details and Path(args.details).is_dir():
        raise InputError(f"{args.details}: expected the name of a file for the details, found a directory")
    not_over(args.details, *inputs)
    if args.export and Path(args.export).exists() and not Path(args.export).is_dir():
        raise InputError(f"{args.export}: expected a folder for ref.trn, hyp.trn and the others, found a file")


def not_over(output: str | None, *inputs: str) -> None:
    """Raises an InputError if the file to be written is one of those that are read."""
    for path in inputs:
        if output and Path(output).is_file() and Path(path).exists() and Path(output).samefile(path):
            raise InputError(f"{output}: expected another file to write to than is read")


def write(args: argparse.Namespace, result: Score) -> None:
    """Print and write what the arguments of `add_output` ask for; other forms last: they cannot hold every id and word."""
    if args.details:
        write_atomically(args.details, result.details())
    sys.stdout.write(result.report())
    if args.tables:
        from speechrnn.scoring.breakdown import tables

        sys.stdout.write(tables(result))
    if args.export:
        from speechrnn.scoring.exchange import files

        for name, contents in files(result):
            write_atomically(Path(args.export) / name, contents)


def _warn(message: str) -> None:
    print(f"speechrnn score: warning: {message}", file=sys.stderr)


def named(ids: Sequence[str]) -> str:
    """The first of some ids, for a message."""
    rest = len(ids) - NAMED_AT_MOST
    return " ".join(ids[:NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")


def recorded_how(path: str) -> dict[str, str]:
    """The normaliser and the alignment that a details file says it was scored with; nothing for any other file.

    Raises:
        InputError: what it says are no names.
    """
    with open(path, encoding="utf-8-sig") as file:
        line = file.readline().strip()
    try:
        fields = json.loads(line) if line.startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    how = {key: fields[key] for key in ("normaliser", "alignment") if fields.get(key) is not None}
    for key, name in how.items():
        if not isinstance(name, str) or (key == "alignment" and name not in ALIGNMENTS):
            raise InputError(f"{path}, line 1: expected the name of {key!r}, found {name!r:.60}")
    return how
