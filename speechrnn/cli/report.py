"""Write the scored utterances of a details file as one HTML page that needs neither other files nor a network.

DETAILS is what `speechrnn evaluate --details` or `speechrnn score --details` wrote. From it alone the page has the rates with
their intervals, tables and the aligned texts. With the manifest, it also plays and shows the worst utterances; with the model
package, too, it shows where their words are and what the model heard there.

  speechrnn evaluate MODEL dev.jsonl --details details.jsonl
  speechrnn report details.jsonl -o report.html
  speechrnn report details.jsonl -o report.html --manifest dev.jsonl --model MODEL
"""

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from speechrnn.cli import positive
from speechrnn.cli.score import not_over
from speechrnn.errors import InputError

if TYPE_CHECKING:
    from speechrnn.manifest import Utterance
    from speechrnn.scoring.report.recordings import Recording
    from speechrnn.scoring.score import UtteranceScore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "details", metavar="DETAILS", help="a details file of `speechrnn evaluate` or `speechrnn score`"
    )
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the page to write")
    parser.add_argument("--manifest", metavar="FILE", help="where the recordings are: the utterances, as JSON lines")
    parser.add_argument(
        "--model", metavar="NAME|PATH|URL", help="a model package, to align the texts and show what it hears"
    )
    parser.add_argument(
        "--worst", type=positive, default=30, metavar="N", help="utterances shown in full (default: 30, 3 to 9 MB)"
    )
    parser.add_argument("--title", metavar="TEXT", help="the page's title (default: the name of the details file)")
    parser.add_argument("--threads", type=positive, metavar="N", help="processor threads (default: one a core)")


def run(args: argparse.Namespace) -> int:
    from speechrnn.files import write_atomically
    from speechrnn.manifest import read_manifest
    from speechrnn.recognizer import Recognizer
    from speechrnn.scoring.report.page import page
    from speechrnn.scoring.report.recordings import record
    from speechrnn.scoring.score import read_details

    if args.model and not args.manifest:
        raise InputError("--model: expected --manifest beside it, which names the recordings, found none")
    if Path(args.output).is_dir():
        raise InputError(f"{args.output}: expected the name of a file for the page, found a directory")
    not_over(args.output, args.details, *([args.manifest] if args.manifest else []))
    score = read_details(args.details)
    sources = {each.id: each for each in read_manifest(args.manifest)} if args.manifest else {}
    if sources and not any(each.id in sources for each in score.utterances):
        raise InputError(
            f"{args.manifest}: expected the utterances of {args.details} (such as {score.utterances[0].id!r}), "
            f"found none of them (but such as {next(iter(sources))!r})"
        )
    known = [_completed(each, sources.get(each.id)) for each in score.utterances]
    recognizer = Recognizer(args.model, args.threads, lm=False) if args.model else None
    unheard = 0

    def recording(utterance: "UtteranceScore") -> "Recording | None":
        nonlocal unheard
        if not args.manifest:
            return None
        try:
            if utterance.id not in sources:
                raise InputError(f"{args.manifest}: expected the utterance, found no line with its id")
            return record(utterance, sources[utterance.id], recognizer)
        except InputError as error:
            print(f"speechrnn report: utterance {utterance.id}: {error}", file=sys.stderr)
            unheard += 1
            return None

    facts = {
        "model": recognizer.package.name if recognizer else "",
        "manifest": args.manifest or "",
        "details": f"{args.details}, {datetime.fromtimestamp(Path(args.details).stat().st_mtime, UTC):%Y-%m-%d %H:%M} UTC",
        "command": args.command_line,
    }
    title = args.title or Path(args.details).stem
    contents = page(replace(score, utterances=known), title, facts, args.worst, recording)
    write_atomically(args.output, contents)
    print(f"speechrnn report: wrote {args.output}, {len(contents) / 1e6:.1f} MB", file=sys.stderr)
    return 1 if unheard else 0


def _completed(utterance: "UtteranceScore", source: "Utterance | None") -> "UtteranceScore":
    """An utterance's score with what the manifest knows of speaker and duration, where the details do not."""
    if source is None:
        return utterance
    return replace(
        utterance,
        speaker=utterance.speaker or source.speaker,
        duration=source.duration if utterance.duration is None else utterance.duration,
    )
