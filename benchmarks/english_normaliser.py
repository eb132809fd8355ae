"""Our `english` normaliser against whisper's (the package whisper-normalizer): agreement of lines, speed, what differs.

python benchmarks/english_normaliser.py data/librispeech/dev-clean.jsonl --show 20
python benchmarks/english_normaliser.py texts.txt.xz --every 20

Texts are the lines of a file (.xz or not) or the texts of a manifest (.jsonl). Leading, trailing and double spaces,
which whisper's normaliser leaves, do not count.
"""

import argparse
import json
import lzma
import time
from collections import Counter
from difflib import SequenceMatcher

from whisper_normalizer.english import EnglishTextNormalizer

from speechrnn.text import scoring_normaliser


def read(path: str) -> list[str]:
    with lzma.open(path, "rt", encoding="utf-8") if path.endswith(".xz") else open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    return [json.loads(line)["text"] for line in lines] if path.endswith(".jsonl") else lines


def timed(normalise, texts: list[str]) -> tuple[list[str], float]:
    """The normalised texts with single spaces, and the seconds of this process."""
    start = time.process_time()
    normalised = [normalise(text) for text in texts]
    return [" ".join(text.split()) for text in normalised], time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--every", type=int, default=1, help="take each n-th line (default: all)")
    parser.add_argument(
        "--show", type=int, default=0, help="print this many of the commonest differences (default: none)"
    )
    args = parser.parse_args()
    for path in args.texts:
        texts = read(path)[:: args.every]
        ours, seconds = timed(scoring_normaliser("english"), texts)
        theirs, their_seconds = timed(EnglishTextNormalizer(), texts)
        same = sum(a == b for a, b in zip(ours, theirs, strict=True))
        words = sum(len(text.split()) for text in texts)
        print(f"{path}: {len(texts):,} lines, {words:,} words; equal: {same:,}, {100 * same / len(texts):.2f} %")
        print(
            f"  {seconds:.2f} s, whisper-normalizer {their_seconds:.2f} s: {their_seconds / seconds:.1f} times faster"
        )
        differences: Counter[tuple[str, str]] = Counter()
        for a, b in zip(ours, theirs, strict=True):
            if a != b:
                a, b = a.split(), b.split()
                for kind, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
                    if kind != "equal":
                        differences[" ".join(a[i:j]), " ".join(b[k:m])] += 1
        for (a, b), times in differences.most_common(args.show):
            print(f"  {times:6} {a or '(nothing)'}  where whisper has  {b or '(nothing)'}")


if __name__ == "__main__":
    main()
