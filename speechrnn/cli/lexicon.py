"""Write a lexicon: the words of texts or of a language model with their phones, from a pronouncing dictionary.

  speechrnn lexicon cmudict.dict.xz train.jsonl dev.jsonl -o lexicon.txt
  speechrnn lexicon cmudict.dict.xz books.lm -o lexicon.txt --pronunciations 1

A line is a word and its phones, without stress marks; a word that the dictionary has is written with its
pronunciations there, any other with the one that a model, learned from the dictionary, finds likeliest.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from speechrnn.cli import positive
from speechrnn.errors import InputError
from speechrnn.text import NORMALISERS, Pronunciations, lexicon_lines, normaliser

PRONUNCIATIONS = 3  # of cmudict's 126,052 words, 125,906 have no more
NAMED = 10  # words in one line: enough to find the cause
SHOWN = 5  # guesses: enough to see whether they are sound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dictionary", metavar="DICTIONARY", help="words and their phones in the form of CMU's dictionary (.gz, .xz)"
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="WORDS",
        help="what has the words: a text (.gz, .xz), a manifest, or a language model",
    )
    parser.add_argument("-o", "--output", metavar="OUT", help="the lexicon (default: the standard output)")
    parser.add_argument(
        "--pronunciations",
        type=positive,
        default=PRONUNCIATIONS,
        metavar="N",
        help=f"take at most so many of a word from the dictionary (default: {PRONUNCIATIONS})",
    )
    parser.add_argument(
        "--normaliser",
        choices=NORMALISERS,
        default="upper",
        help="what words and dictionary go through: the acoustic model's (default: upper, the English models')",
    )


def run(args: argparse.Namespace) -> int:
    from speechrnn.files import write_atomically
    from speechrnn.pronunciation.pronunciations import Pronouncer, read_dictionary

    dictionary = read_dictionary(args.dictionary, args.normaliser)
    words = _words(args.words, normaliser(args.normaliser))
    others = [word for word in words if word not in dictionary]
    guesses: dict[str, str] = {}
    if others:
        pronouncer = Pronouncer.train(dictionary)
        found = zip(others, pronouncer.pronounce(others), strict=True)
        guesses = {word: best[0].phones for word, best in found if best}
    missing = [word for word in others if word not in guesses]
    lexicon = {
        word: dictionary[word][: args.pronunciations] if word in dictionary else [guesses[word]]
        for word in words
        if word in dictionary or word in guesses
    }
    if not lexicon:
        raise InputError(
            f"{' '.join(args.words)}: expected words in the letters of {args.dictionary}, found only {_some(words)}: "
            "--normaliser, if the case differs"
        )
    lines = lexicon_lines(lexicon)
    if args.output:
        write_atomically(args.output, lines)
    else:
        sys.stdout.write(lines)
    _report(lexicon, guesses, missing)
    return 1 if missing else 0


def _words(paths: Iterable[str], normalise: Callable[[str], str]) -> list[str]:
    """All words, sorted."""
    found: set[str] = set()
    for path in paths:
        for text in _texts(path):
            found.update(normalise(text).split())
    if not found:
        raise InputError(f"{' '.join(paths)}: expected texts or a language model, found no word in it")
    return sorted(found)


def _texts(path: str) -> Iterator[str]:
    """A line at a time, or a word at a time if it is a language model."""
    from speechrnn.lm.arpa import is_arpa_name
    from speechrnn.lm.backoff import SPECIAL
    from speechrnn.lm.ngram import MAGIC, NgramModel
    from speechrnn.lm.ngram_counts import read_sentences

    try:
        with open(path, "rb") as file:
            is_model = is_arpa_name(path) or file.peek(len(MAGIC)).startswith(MAGIC)
    except OSError:
        is_model = False  # `read_sentences` says what it is
    if is_model:
        yield from NgramModel.read(path).words[len(SPECIAL) :]
    else:
        yield from (text for _, text in read_sentences(path))


def _report(lexicon: Pronunciations, guesses: Mapping[str, str], missing: Sequence[str]) -> None:
    tell = f"{len(lexicon):,} words, {sum(map(len, lexicon.values())):,} pronunciations"
    tell += f": {len(lexicon) - len(guesses):,} words from the dictionary"
    if guesses:
        shown = ", ".join(f"{word} ({phones})" for word, phones in islice(guesses.items(), SHOWN))
        tell += f", {len(guesses):,} guessed: {shown}{' ...' if len(guesses) > SHOWN else ''}"
    print(f"speechrnn lexicon: {tell}", file=sys.stderr)
    if missing:
        print(
            f"speechrnn lexicon: {len(missing):,} words left out, which have letters that no word of the dictionary has: "
            f"{_some(missing)}: spell them out in the text, or add them to the dictionary",
            file=sys.stderr,
        )


def _some(words: Sequence[str]) -> str:
    return " ".join(words[:NAMED]) + (" ..." if len(words) > NAMED else "")
