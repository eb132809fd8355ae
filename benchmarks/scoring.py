"""`speechrnn score` on 100,000 made utterances, beside jiwer on the same texts: seconds and memory of whole processes.

python benchmarks/scoring.py
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

JIWER = """
import sys
from jiwer import process_characters, process_words
references, hypotheses = ([line.split(maxsplit=1)[1] for line in open(path)] for path in sys.argv[1:])
for process, name in ((process_words, "WER"), (process_characters, "CER")):
    out = process(references, hypotheses)
    errors = out.substitutions + out.deletions + out.insertions
    print(f"%{name} {100 * errors / (out.hits + out.substitutions + out.deletions):.2f} [ {errors} /")
"""


def made(utterances: int) -> tuple[list[str], list[str]]:
    """References of 5 to 35 words of a vocabulary of 20,000, and hypotheses with about 17 % of errors."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 9))) for _ in range(20_000)]
    references = [rng.choices(words, k=rng.randint(5, 35)) for _ in range(utterances)]
    hypotheses = []
    for reference in references:
        found = []
        for word in reference:
            chance = rng.random()
            if chance >= 0.03:  # else deleted
                found.append(rng.choice(words) if chance < 0.15 else word)
            if rng.random() < 0.02:
                found.append(rng.choice(words))
        hypotheses.append(found or [words[0]])
    return [" ".join(text) for text in references], [" ".join(text) for text in hypotheses]


def measured(command: list[str]) -> tuple[float, float, str]:
    """Seconds of a process, its largest memory in MiB, and what it printed."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command[:4])}: exit status {process.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024, printed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, texts in zip(("ref", "hyp"), made(args.utterances), strict=True):
            paths.append(str(Path(folder) / name))
            Path(paths[-1]).write_text("".join(f"spk-{i} {text}\n" for i, text in enumerate(texts)))
        score = [sys.executable, "-m", "speechrnn", "score", *paths]
        first = None
        print(f"{'':32}{'seconds':>9}{'MiB':>7}{'this / first':>14}")
        for name, command in (
            ("speechrnn score", score),
            ("  --alignment sclite", [*score, "--alignment", "sclite"]),
            ("  --details", [*score, "--details", str(Path(folder) / "details.jsonl")]),
            ("jiwer, words and characters", [sys.executable, "-c", JIWER, *paths]),
        ):
            seconds, memory, printed = measured(command)
            first = first or seconds
            rates = "; ".join(
                line.partition(",")[0] for line in printed.splitlines() if line.startswith(("%WER", "%CER"))
            )
            print(f"{name:32}{seconds:9.1f}{memory:7.0f}{seconds / first:14.2f}   {rates}", flush=True)


if __name__ == "__main__":
    main()
