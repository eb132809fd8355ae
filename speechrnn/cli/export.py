"""Turn a training run into a model package that `transcribe` and `evaluate` read.

  speechrnn export runs/an4 runs/an4/package
  speechrnn export runs/an4/last.pt models/an4 --card CARD.md
  speechrnn export runs/an4 runs/an4/package --check data/an4/dev.jsonl     compares it with torch on recordings

Of a run's folder the checkpoint with the lowest dev WER is taken, or the last one where there was no dev set.
"""

import argparse
import sys
from pathlib import Path

from speechrnn.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", metavar="RUN", help="folder of a training run, or a checkpoint")
    parser.add_argument("package", metavar="DST", help="directory to write")
    parser.add_argument(
        "--card", metavar="FILE", help="Markdown to begin MODEL_CARD.md with: purpose, data, licences, limits"
    )
    parser.add_argument(
        "--dtype", choices=("float16", "float32"), default="float16", help="how matrices are stored (default: float16)"
    )
    parser.add_argument(
        "--check", metavar="MANIFEST", help="compare package and torch on every recording of a manifest"
    )


def run(args: argparse.Namespace) -> int:
    """Export."""
    card = ""
    if args.card:
        try:
            card = Path(args.card).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{args.card}: expected a Markdown file: {error}") from None
    from speechrnn.training.export import TOLERANCE, compare, export

    half = args.dtype == "float16"
    difference = export(args.run, args.package, half, card)
    size = sum(file.stat().st_size for file in Path(args.package).rglob("*") if file.is_file())
    print(
        f"{args.package}: {size / 1e6:.1f} MB; its log-probabilities are within {difference:.1g} of torch's",
        file=sys.stderr,
    )
    if not args.check:
        return 0
    found = compare(args.run, args.package, args.check, half)
    print(
        f"{args.check}: {found.recordings} recordings, log-probabilities within {found.alone:.1g} of torch's alone and "
        f"{found.batched:.1g} in batches, {len(found.texts_differ)} texts differ {' '.join(found.texts_differ)}".rstrip()
    )
    return 0 if max(found.alone, found.batched) <= TOLERANCE and not found.texts_differ else 1
