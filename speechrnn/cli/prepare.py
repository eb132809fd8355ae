"""Turn a corpus into manifests: JSON lines that name audio, text and speaker of every utterance.

  speechrnn prepare folder SRC DST            audio and .txt side by side, or SRC is a .csv, .tsv or .jsonl table
  speechrnn prepare commonvoice SRC DST       a language of Common Voice: train, dev, test, and what else is validated
  speechrnn prepare librispeech SRC DST       every subset found in SRC or SRC/LibriSpeech
  speechrnn prepare an4 SRC DST               train and test
  speechrnn prepare lhotse NAME SRC DST       the corpora that lhotse knows

--dev-speakers 10%, or a file with names, holds speakers out of training: train, dev, and train_all with both.

Every audio file is opened and every text is read. What cannot be used is left out, named and counted, and listed in
DST/left_out.tsv. The exit status is 1 if a manifest would be empty.
"""

import argparse
import json
import sys
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from speechrnn.cli.tables import table
from speechrnn.data.corpora import ENGLISH, OUTSIDE, LeftOut, Rules, Split, total_seconds
from speechrnn.data.corpora.dev_speakers import hold_out, read_dev, shared
from speechrnn.files import write_atomically
from speechrnn.manifest import write_manifest
from speechrnn.text import NORMALISERS, characters

NAMED = 5  # of what was left out for one reason, the report names so many
SHOWN_CHARACTERS = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    corpora = parser.add_subparsers(dest="corpus", metavar="CORPUS", required=True, title="corpora")

    def corpus(name: str, help: str, source: str, normaliser: str, alphabet: str) -> argparse.ArgumentParser:
        sub = corpora.add_parser(name, help=help, description=help)
        if name == "lhotse":
            sub.add_argument("name", metavar="NAME", help="of the recipe, such as yesno")
        sub.add_argument("source", metavar="SRC", type=Path, help=source)
        sub.add_argument("destination", metavar="DST", type=Path, help="folder for the manifests")
        sub.add_argument(
            "--normaliser", choices=NORMALISERS, default=normaliser, help="of the texts (default: %(default)s)"
        )
        sub.add_argument(
            "--alphabet",
            metavar="CHARACTERS",
            default=alphabet,
            help="leave out utterances with other characters than these and the space, after normalising "
            f"(default: {alphabet or 'all are allowed'})",
        )
        sub.add_argument(
            "--dev-speakers",
            metavar="FILE|N%",
            help="hold speakers out: those in the file, one a line, or some with N%% of the audio; "
            "writes train, dev and train_all (both) instead of what there is to train on",
        )
        sub.add_argument(
            "--nonspeech",
            action="store_true",
            help="keep recordings with an empty transcript: nothing is said in them (default: leave them out)",
        )
        return sub

    corpus("folder", "any recordings, with .txt files or a table", "folder, or the file of the table", "raw", "")
    commonvoice = "Common Voice: train, dev, test, and what else is validated"
    corpus("commonvoice", commonvoice, "folder of a language, with train.tsv and clips/", "words", "")
    corpus("librispeech", "LibriSpeech: every subset found", "folder with the subsets", "upper", ENGLISH)
    corpus("an4", "CMU AN4: train and test", "folder with etc/ and wav/ (wav, flac, sph or raw)", "upper", ENGLISH)
    lhotse = corpus("lhotse", "a corpus that lhotse knows", "folder of the corpus", "raw", "")
    lhotse.add_argument(
        "--set",
        metavar="ARGUMENT=VALUE",
        action="append",
        default=[],
        type=_setting,
        help="a further argument of lhotse's recipe, the value as JSON or a plain string; may be repeated",
    )


def _setting(argument: str) -> tuple[str, object]:
    name, equals, value = argument.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected ARGUMENT=VALUE, found {argument!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def run(args: argparse.Namespace) -> int:
    dev = read_dev(args.dev_speakers) if args.dev_speakers else None
    print(f"reading {args.source}", file=sys.stderr)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
        splits = _prepare(args, Rules(args.normaliser, args.alphabet, args.nonspeech))
    if dev:
        splits = hold_out(splits, dev)
        for warning in shared(*splits[:2]):
            print(f"warning: {warning}", file=sys.stderr)
    left_out = list(dict.fromkeys(item for split in splits for item in split.left_out))
    for split in splits:
        if split.utterances:  # an empty manifest could not be read
            write_manifest(_path(args, split), split.utterances)
    write_atomically(args.destination / "left_out.tsv", escaped(left_out_table(left_out)))
    print(escaped(report(splits, left_out)))
    empty = [str(_path(args, split)) for split in splits if not split.utterances]
    if left_out:
        print(f"the whole list: {args.destination / 'left_out.tsv'}", file=sys.stderr)
    if empty:
        print(f"speechrnn prepare: not written, as no utterance could be used: {', '.join(empty)}", file=sys.stderr)
    return 1 if empty else 0


def _path(args: argparse.Namespace, split: Split) -> Path:
    return args.destination / f"{split.name}.jsonl"


def _prepare(args: argparse.Namespace, rules: Rules) -> list[Split]:
    if args.corpus == "an4":
        from speechrnn.data.corpora.an4 import prepare_an4

        return prepare_an4(args.source, args.destination, rules)
    if args.corpus == "librispeech":
        from speechrnn.data.corpora.librispeech import prepare_librispeech

        return prepare_librispeech(args.source, rules)
    if args.corpus == "folder":
        from speechrnn.data.corpora.folder import prepare_folder

        return prepare_folder(args.source, rules)
    if args.corpus == "commonvoice":
        from speechrnn.data.corpora.commonvoice import prepare_commonvoice

        return prepare_commonvoice(args.source, rules, own_dev=bool(args.dev_speakers))
    from speechrnn.data.corpora.lhotse_recipes import prepare_lhotse

    return prepare_lhotse(args.name, args.source, args.destination, rules, dict(args.set))


def report(splits: Sequence[Split], left_out: Sequence[LeftOut]) -> str:
    """A table with a row a manifest, and below it each reason for leaving something out: how often, and the first names."""
    rows = [("manifest", "utterances", "hours", "speakers", "left out", "characters")]
    for split in splits:
        alphabet = characters(utterance.text for utterance in split.utterances)
        shown = "".join(map(visible, alphabet[:SHOWN_CHARACTERS])) + "..." * (len(alphabet) > SHOWN_CHARACTERS)
        hours = total_seconds(split.utterances) / 3600
        speakers = len({utterance.speaker for utterance in split.utterances} - {""})
        counts = (str(len(split.utterances)), f"{hours:.3f}", str(speakers or "-"), str(len(split.left_out)))
        rows.append((f"{split.name}.jsonl", *counts, f"{len(alphabet)}  {shown}"))
    lines = [table(rows, numbers=range(1, 5))]
    by_reason: dict[str, list[LeftOut]] = {}
    for item in left_out:
        by_reason.setdefault(item.reason, []).append(item)
    if by_reason:
        lines += ["", "left out"]
    for reason, items in by_reason.items():
        names = [item.id for item in items[:NAMED]] + ["..."] * (len(items) > NAMED)
        lines.append(f"{len(items):6}  {reason}: {', '.join(names)}")
        if reason == OUTSIDE:
            of_characters = Counter(character for item in items for character in item.detail.split())
            lines.append(f"{'':8}{', '.join(f'{visible(c)} in {n}' for c, n in sorted(of_characters.items()))}")
    return "\n".join(lines)


def left_out_table(left_out: Iterable[LeftOut]) -> str:
    """What was left out as a TSV file with the columns id and reason."""
    rows = [("id", "reason"), *((i.id, f"{i.reason}: {i.detail}" if i.detail else i.reason) for i in left_out)]
    return "".join("\t".join(" ".join(field.split()) for field in row) + "\n" for row in rows)


def escaped(text: str) -> str:
    """The text with the bytes of file names that are not UTF-8 as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def visible(character: str) -> str:
    """A character, or its code point if it would not be seen by itself."""
    hidden = not character.isprintable() or unicodedata.combining(character)
    return f"<U+{ord(character):04X}>" if hidden else character
