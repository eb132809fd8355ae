"""The arguments that steer a decoder, the same for every command that has one."""

import argparse
from typing import Any

from speechrnn.cli import positive
from speechrnn.errors import InputError
from speechrnn.files import read_text


def add_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Declare them. Returns their group."""
    group = parser.add_argument_group(
        "decoding",
        "without any of these as the model package says: with its language model, if it\nhas one, or greedy",
    )
    lm = group.add_mutually_exclusive_group()
    lm.add_argument("--lm", metavar="FILE", help="a language model, of `speechrnn lm build` or ARPA")
    lm.add_argument("--no-lm", action="store_true", help="leave out the package's language model and word list")
    group.add_argument(
        "--hotwords",
        metavar="WORDS|FILE",
        help="words and phrases to favour: 'smith,main street', or a .txt file, one a line",
    )
    group.add_argument(
        "--hotword-weight", type=float, metavar="X", help="what each letter of them is worth, in nats (default: 1)"
    )
    group.add_argument(
        "--beam", type=positive, metavar="N", help="search with so many prefixes (default: the package's, else 64)"
    )
    return group


def options(args: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of `speechrnn.recognizer.Recognizer` that they stand for."""
    return {
        "lm": False if args.no_lm else args.lm,
        "hotwords": _hotwords(args.hotwords, args.hotword_weight),
        "beam": args.beam,
        "nbest": getattr(args, "nbest", None),
    }


def _hotwords(text: str | None, weight: float | None) -> dict[str, float] | None:
    from speechrnn.search.decoder import HOTWORD_WEIGHT

    if text is None:
        if weight is not None:
            raise InputError("--hotword-weight: expected --hotwords beside it, found none")
        return None
    if text.lower().endswith(".txt"):
        found = read_text(text, "hotwords, one a line, in UTF-8").splitlines()
    else:
        found = text.split(",")
    hotwords = [word for word in map(str.strip, found) if word]
    if not hotwords:
        raise InputError(f"--hotwords {text}: expected words, found none")
    return dict.fromkeys(hotwords, HOTWORD_WEIGHT if weight is None else weight)
