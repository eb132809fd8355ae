"""How well a language model foresees a text: perplexity, unknown words, and how long the n-grams are that it finds.

  speechrnn lm perplexity books.lm dev.txt
  speechrnn lm perplexity books.arpa.gz dev.jsonl --model an4

Unknown words are counted and not scored; what follows them is scored without them.
"""

import argparse
from itertools import chain

from speechrnn.cli.lm import add_text_arguments, show, tell, text_normaliser
from speechrnn.errors import InputError

NAMED = 10  # unknown words, the most frequent ones


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lm", metavar="LM", help="a model of `speechrnn lm build`, or an ARPA file")
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="a sentence a line (.gz, .xz), or a manifest")
    add_text_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from speechrnn.lm.ngram import NgramModel
    from speechrnn.lm.ngram_counts import read_sentences
    from speechrnn.lm.perplexity import measure

    normalise, _ = text_normaliser(args)
    model = NgramModel.read(args.lm)
    fit = measure(model, chain.from_iterable(map(read_sentences, args.texts)), normalise)
    if not fit.sentences:
        raise InputError(f"{' '.join(args.texts)}: expected text, one sentence a line, found no word in it")
    unknown = sorted(fit.unknown_words, key=lambda word: (-fit.unknown_words[word], word))
    more = " ..." if len(unknown) > NAMED else ""
    total = sum(fit.hits)
    rows = [
        ("perplexity", f"{fit.perplexity:.2f}"),
        ("  without sentence ends", f"{fit.perplexity_without_ends:.2f}"),
        ("words", f"{fit.words:,} in {fit.sentences:,} sentences"),
        (
            "unknown words",
            f"{fit.unknown:,} ({fit.unknown / fit.words:.2%})  {' '.join(unknown[:NAMED])}{more}".strip(),
        ),
        *((f"from {length}-grams", f"{n:,} ({n / total:.1%})") for length, n in enumerate(fit.hits, start=1)),
    ]
    show(rows)
    if fit.unknown > fit.words / 2:
        example = next(word for word in model.words[3:] or model.words)
        tell(
            f"speechrnn lm: warning: the model does not know most of the words, such as {unknown[0]!r}; "
            f"its own are such as {example!r}: --normaliser, if the case differs"
        )
    return 0
