"""1,000 bootstrap resamples of 2,703 utterances (LibriSpeech dev-clean has as many): ours, and a loop that draws one by one.

Both give the interval of one system's error rate; the errors and lengths are made up. Prints the median of the rounds, which
go by turns, and the ratio.

  python benchmarks/bootstrap.py
"""

import argparse
import time

import numpy as np

from speechrnn.scoring.significance import bootstrap


def loop(errors: np.ndarray, words: np.ndarray, resamples: int) -> np.ndarray:
    random = np.random.default_rng(1)
    rates = []
    for _ in range(resamples):
        drawn = random.integers(len(errors), size=len(errors))
        rates.append(100 * errors[drawn].sum() / words[drawn].sum())
    return np.quantile(rates, [0.025, 0.975])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=2703)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    random = np.random.default_rng(0)
    words = random.integers(1, 40, args.utterances)
    errors = random.binomial(words, 0.05)
    ways = {
        "ours": lambda: bootstrap(errors, words, resamples=args.resamples),
        "a loop in numpy": lambda: loop(errors, words, args.resamples),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    print(f"{args.resamples} resamples of {args.utterances} utterances\n| way | s |\n|---|---|")
    for name, taken in seconds.items():
        print(f"| {name} | {np.median(taken):.4f} |")
    print(f"the loop takes {np.median(seconds['a loop in numpy']) / np.median(seconds['ours']):.1f} times as long")


if __name__ == "__main__":
    main()
