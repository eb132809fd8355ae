"""Estimate an n-gram language model of text: interpolated modified Kneser-Ney (Chen and Goodman 1998).

speechrnn lm build books.txt.xz -o books.lm                         3-grams, for --lm
speechrnn lm build train.jsonl -o an4.arpa --model an4              of a manifest's texts, as an ARPA file
speechrnn lm build books.txt.xz -o small.lm --most-frequent 60000 --prune 0 0 1 --entropy 2e-7 --quantise
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from speechrnn.cli import positive
from speechrnn.cli.lm import add_text_arguments, tell, text_normaliser
from speechrnn.errors import InputError

if TYPE_CHECKING:
    from speechrnn.lm.ngram_counts import Text
    from speechrnn.package import Package

NAMED = 10  # words in one line: enough to find the cause
SPELLED = 0.5  # less of the text than this can be spelled: its case is wrong, or it is another language


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="a sentence a line (.gz, .xz), or a manifest")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="the model; .arpa and .arpa.gz names make an ARPA file"
    )
    add_text_arguments(parser)
    parser.add_argument(
        "--order", type=int, choices=(1, 2, 3, 4), default=3, help="the most words in an n-gram (default: 3)"
    )
    parser.add_argument(
        "--prune",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="for n-grams of 1, 2, ... words: leave out those that stand so often or less (such as 0 0 1; default: 0)",
    )
    parser.add_argument(
        "--entropy",
        type=float,
        metavar="X",
        help="leave out n-grams whose loss raises the perplexity by less than this share (such as 1e-8)",
    )
    words = parser.add_mutually_exclusive_group()
    words.add_argument("--vocabulary", metavar="FILE", help="the words to know: the first of each line of a text file")
    words.add_argument("--most-frequent", type=positive, metavar="N", help="know only so many words of the text")
    parser.add_argument("--quantise", action="store_true", help="8 bits a probability: half the size, nearly as good")


def run(args: argparse.Namespace) -> int:
    began = time.perf_counter()
    from speechrnn.lm.arpa import is_arpa_name
    from speechrnn.lm.entropy_pruning import prune
    from speechrnn.lm.kneser_ney import estimate
    from speechrnn.lm.ngram_counts import count, encode, limit, read_sentences

    _check(args, is_arpa_name(args.output))
    normalise, package = text_normaliser(args)
    vocabulary = _vocabulary(args.vocabulary, normalise) if args.vocabulary else None

    def lap(message: str) -> None:
        tell(f"{time.perf_counter() - began:6.1f} s  {message}")

    sentences = chain.from_iterable(map(read_sentences, args.texts))
    text = encode(sentences, normalise, lambda words: lap(f"{words:,} words read"))
    if not text.tokens:
        raise InputError(f"{' '.join(args.texts)}: expected text, one sentence a line, found no word in it")
    lap(f"{text.tokens:,} words in {text.sentences:,} sentences, {len(text.words) - 3:,} different words")
    if vocabulary is not None or args.most_frequent:
        text = limit(text, vocabulary, args.most_frequent)
        unknown = int((text.ids == 0).sum())
        lap(f"{len(text.words) - 3:,} words kept; {unknown:,} running words ({unknown / text.tokens:.2%}) are unknown")
    else:
        text = limit(text)
    if package:
        lap(compare_alphabet(text, package, args.texts))
    counts = count(text, args.order, lambda length: lap(f"counting {length}-grams"))
    lap("estimating")
    model, frequencies, fallen_back = estimate(text.words, counts, args.prune)
    for length in fallen_back:
        tell(f"speechrnn lm: note: too little text to estimate the discounts of {length}-grams: default ones are used")
    if args.entropy:
        lap("pruning")
        model = prune(model, frequencies, args.entropy)
    lap(f"writing {' + '.join(f'{len(table):,}' for table in model.tables)} n-grams")
    write(model, args.output, args.quantise)
    lap(f"{args.output}: {os.path.getsize(args.output) / 1e6:.1f} MB")
    return 0


def _check(args: argparse.Namespace, arpa: bool) -> None:
    if len(args.prune) > args.order or any(n < 0 for n in args.prune):
        raise InputError(f"--prune: expected up to {args.order} counts of 0 or more, found {_joined(args.prune)}")
    if args.prune != sorted(args.prune) or args.prune[:1] not in ([], [0]):
        raise InputError(
            f"--prune: expected 0 and then counts that never fall, found {_joined(args.prune)}; "
            "--most-frequent leaves out single words"
        )
    if args.entropy is not None and not 0 < args.entropy < 1:
        raise InputError(f"--entropy: expected a share between 0 and 1 such as 1e-8, found {args.entropy:g}")
    if args.quantise and arpa:
        raise InputError(f"{args.output}: an ARPA file holds no quantised values: leave out --quantise")


def _joined(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def write(model, path: str, quantise: bool) -> None:
    """Write sorted tables in the form that the file's name asks for."""
    from speechrnn.lm.arpa import is_arpa_name, write_arpa
    from speechrnn.lm.ngram import NgramModel

    if is_arpa_name(path):
        write_arpa(path, model)
    else:
        NgramModel.from_tables(model, quantise).write(path)


def _vocabulary(path: str, normalise: Callable[[str], str]) -> list[str]:
    """The first word of each line, normalised."""
    from speechrnn.lm.ngram_counts import read_sentences

    words = [fields[0] for _, line in read_sentences(path) if (fields := normalise(line).split())]
    if not words:
        raise InputError(f"{path}: expected words, one a line, found none")
    return words


def compare_alphabet(text: "Text", package: "Package", names: Sequence[str]) -> str:
    """What of a text's words the model can spell, in a sentence.

    Raises:
        InputError: less than half of the text; if the other case would do, it says so.
    """
    import numpy as np

    counts = np.bincount(text.ids, minlength=len(text.words))[3:]
    words = text.words[3:]
    total = max(int(counts.sum()), 1)

    def share(change: Callable[[str], str]) -> float:
        return sum(int(n) for n, word in zip(counts, words, strict=True) if not outside(change(word))) / total

    outside = package.tokenizer.outside
    missing = [word for word in words if outside(word)]
    spelled = share(str)
    if spelled < SPELLED:
        where = f"{' '.join(names)}: expected text in the alphabet of the model {package.name}"
        found = f"{where}, found that it can spell {spelled:.1%} of the words"
        remedies = {"upper": "use --normaliser upper", "lower": "turn the text into lower case"}
        for case, remedy in remedies.items():
            if (other := share(getattr(str, case))) >= SPELLED:
                raise InputError(f"{found}, in {case} case {other:.1%}: {remedy}")
        raise InputError(f"{found}, and such as {' '.join(missing[:NAMED])} it cannot: is it the right language?")
    if not missing:
        return f"the model {package.name} can spell all {len(words):,} words"
    more = " ..." if len(missing) > NAMED else ""
    return (
        f"the model {package.name} can spell {len(words) - len(missing):,} of {len(words):,} words, {spelled:.2%} of the "
        f"text, and not {' '.join(missing[:NAMED])}{more}"
    )
