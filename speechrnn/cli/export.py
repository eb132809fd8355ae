"""Turn a training run into a model package that `transcribe` and `evaluate` read,
or into a model for sherpa-onnx.

  speechrnn export runs/an4 models/an4
  speechrnn export runs/an4/checkpoints/step-00002000.pt models/an4
  speechrnn export runs/an4 models/an4 --check data/an4/dev.jsonl
                                            compares it with torch on recordings
  speechrnn export models/an4 models/an4-int8 --dtype int8
                                            a package once more, half as large
  speechrnn export models/an4 sherpa/an4 --format sherpa-onnx
                                            model.onnx and tokens.txt for it

Of a run's folder the checkpoint with the lowest dev WER is taken, of equal
ones that with the lowest dev loss, or the last where there was no dev set. A
package that stands at DST is replaced, unless it holds a language model or
files of others. A package that is exported keeps its language model, its
decoder's settings and its card. Its weights cannot become more exact than they
are.
"""

import argparse
import sys
from pathlib import Path

from speechrnn.cli.models import size
from speechrnn.errors import InputError
from speechrnn.files import read_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SRC", help="folder of a training run, a checkpoint, or a model package")
    parser.add_argument("directory", metavar="DST", help="directory to write")
    parser.add_argument(
        "--format",
        choices=("package", "sherpa-onnx"),
        default="package",
        help="a model package (default), or the files that sherpa-onnx's from_zipformer_ctc takes",
    )
    parser.add_argument(
        "--card",
        metavar="FILE",
        help="Markdown to begin MODEL_CARD.md with (of a package, to replace it): purpose, data, licences, limits",
    )
    parser.add_argument(
        "--dtype",
        choices=("float16", "float32", "int8"),
        default="float16",
        help="how matrices are stored: float16 (default) costs no accuracy, int8 is half as large",
    )
    parser.add_argument(
        "--check", metavar="MANIFEST", help="compare package and torch on every recording of a manifest"
    )


def run(args: argparse.Namespace) -> int:
    """Export."""
    card = read_text(args.card, "a Markdown file").replace("\r\n", "\n") if args.card else ""
    if args.check and args.format != "package":
        raise InputError("--check compares packages: leave it out for sherpa-onnx")
    from speechrnn.export.export import TOLERANCE, compare, export

    difference = export(args.source, args.directory, args.dtype, card, args.format)
    megabytes = size(Path(args.directory)) / 1e6
    print(
        f"{args.directory}: {megabytes:.1f} MB; its log-probabilities are within {difference:.1g} of torch's",
        file=sys.stderr,
    )
    if not args.check:
        return 0
    found = compare(args.source, args.directory, args.check, args.dtype)
    print(
        f"{args.check}: {found.recordings} recordings, log-probabilities within {found.alone:.1g} of torch's alone and "
        f"{found.batched:.1g} in batches, {len(found.texts_differ)} texts differ {' '.join(found.texts_differ)}".rstrip()
    )
    return 0 if max(found.alone, found.batched) <= TOLERANCE and not found.texts_differ else 1
