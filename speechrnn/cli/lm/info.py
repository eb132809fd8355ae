"""What is in a language model: its order, n-grams and size, and what it expects.

speechrnn lm info books.lm
"""

import argparse
import os

from speechrnn.cli.lm import show

FIRST = 8  # words that are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lm", metavar="LM", help="a model of `speechrnn lm build`, or an ARPA file")


def run(args: argparse.Namespace) -> int:
    from speechrnn.lm.backoff import START
    from speechrnn.lm.ngram import MAGIC, NgramModel

    model = NgramModel.read(args.lm)
    with open(args.lm, "rb") as file:
        ours = file.read(len(MAGIC)) == MAGIC
    form = "binary, 8 bits a value" if model.quantised else "binary, 32 bits a value" if ours else "ARPA"
    rows = [
        ("form", form),
        ("size", f"{os.path.getsize(args.lm) / 1e6:.1f} MB"),
        ("order", str(model.order)),
        *((f"{length}-grams", f"{n:,}") for length, n in enumerate(model.counts, start=1)),
        ("words", f"{' '.join(model.words[:FIRST])}{' ...' if len(model.words) > FIRST else ''}"),
        ("begins with", _likeliest(model, model.start)),
    ]
    likeliest = _best(model, model.start)[0][0]
    if likeliest != START and model.order > 1:
        rows.append((f"after {model.words[likeliest]}", _likeliest(model, _best(model, model.start)[0][2])))
    show(rows)
    return 0


def _best(model, state: int) -> list[tuple[int, float, int]]:
    """The likeliest words after a state: (id, probability, the state after it)."""
    import numpy as np

    ids = np.arange(len(model.words), dtype=np.int32)
    scores, states = model.score(np.full(len(ids), state), ids)
    best = np.argsort(-scores, kind="stable")[:FIRST]
    return [(int(id), float(np.exp(scores[id])), int(states[id])) for id in best]


def _likeliest(model, state: int) -> str:
    return ", ".join(f"{model.words[id]} {probability:.1%}" for id, probability, _ in _best(model, state))
