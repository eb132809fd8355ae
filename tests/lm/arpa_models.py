"""Made language models: random ARPA files, and what a file says by the format's definition, word by word."""

import math
import random
from pathlib import Path

LETTERS = ["a", "b", "c", "d", "e", "é", "'s"]


def random_arpa(path: Path, order: int, seed: int, density: float = 0.4) -> Path:
    """Random logarithms, not a distribution. Contexts are there, n-grams without their first word may be missing."""
    rng = random.Random(seed)
    words = ["<unk>", "<s>", "</s>", *LETTERS]
    levels = [[(word,) for word in words]]
    for _ in range(1, order):
        contexts = [gram for gram in levels[-1] if gram[-1] != "</s>"]
        levels.append([(*h, w) for h in contexts for w in words if w != "<s>" and rng.random() < density])
    lines = ["\\data\\", *(f"ngram {k}={len(level)}" for k, level in enumerate(levels, start=1))]
    for k, level in enumerate(levels, start=1):
        lines += ["", f"\\{k}-grams:"]
        for gram in rng.sample(level, len(level)):
            backoff = f"\t{rng.uniform(-1, 0.2):.4f}" if k < order and rng.random() < 0.7 else ""
            lines.append(f"{-rng.uniform(0.01, 3):.4f}\t{' '.join(gram)}{backoff}")
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return path


class Definition:
    """An ARPA file as dictionaries, and its probabilities as the format defines them."""

    def __init__(self, path: Path):
        self.log_probs: dict[tuple[str, ...], float] = {}
        self.backoffs: dict[tuple[str, ...], float] = {}
        length = 0
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line.startswith("\\"):
                length = int(line[1]) if line[1].isdigit() else 0
            elif length and line:
                fields = line.split()
                gram = tuple(fields[1 : length + 1])
                self.log_probs[gram] = float(fields[0]) * math.log(10)
                self.backoffs[gram] = float(fields[length + 1]) * math.log(10) if len(fields) > length + 1 else 0.0
        self.order = max(map(len, self.log_probs))

    def score(self, history: list[str], word: str) -> float:
        context = tuple(history[-(self.order - 1) :]) if self.order > 1 else ()
        total = 0.0
        while (*context, word) not in self.log_probs:
            total += self.backoffs.get(context, 0.0)
            context = context[1:]
        return total + self.log_probs[(*context, word)]
