"""Make and look at n-gram language models.

  speechrnn lm build books.txt.xz -o books.lm --model an4
  speechrnn lm perplexity books.lm dev.txt
  speechrnn lm info books.lm
  speechrnn lm convert 3-gram.arpa.gz -o 3-gram.lm --quantise

TEXT is one sentence a line, plain or compressed (gzip, xz), or a manifest. `speechrnn lm COMMAND --help` shows more.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from speechrnn.text import NORMALISERS, normaliser

COMMANDS = {
    "build": "estimate a model of text",
    "perplexity": "how well a model foresees a text",
    "info": "what is in a model",
    "convert": "write a model in another form",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of all four."""
    commands = parser.add_subparsers(dest="lm_command", required=True, metavar="COMMAND")
    for name, what in COMMANDS.items():
        module = import_module(f"speechrnn.cli.lm.{name}")
        module.add_arguments(
            commands.add_parser(
                name,
                help=what,
                description=module.__doc__,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )


def run(args: argparse.Namespace) -> int:
    """Run one of them."""
    return import_module(f"speechrnn.cli.lm.{args.lm_command}").run(args)


def add_text_arguments(parser: argparse.ArgumentParser) -> None:
    """What the text goes through."""
    parser.add_argument(
        "--model",
        metavar="NAME|PATH|URL",
        help="the acoustic model (package) that the words are for: its normaliser is used, its alphabet compared",
    )
    parser.add_argument(
        "--normaliser", choices=NORMALISERS, help="what the text goes through (default: the model's, else raw)"
    )


def text_normaliser(args: argparse.Namespace):
    """The normaliser that the arguments name, and the package, None if none is named."""
    from speechrnn.package import read_package
    from speechrnn.package_cache import find_package

    package = read_package(find_package(args.model)) if args.model else None
    return normaliser(args.normaliser or (package.normaliser if package else "raw")), package


def show(rows: Sequence[tuple[str, str]]) -> None:
    """Names and values on stdout, aligned."""
    width = max(len(name) for name, _ in rows)
    print("".join(f"{name:{width}}  {value}\n" for name, value in rows), end="")


def tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
