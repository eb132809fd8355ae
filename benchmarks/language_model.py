"""N-gram models: the time of a query beside KenLM's and a binary search's, the time to build one beside IRSTLM's, and what
pruning costs: n-grams, size and perplexity of an English 3-gram for each vocabulary and threshold.

    python benchmarks/language_model.py build --text books.txt.xz --test dev-clean.txt --irstlm /usr/lib/irstlm/bin/tlm
    python benchmarks/language_model.py query --text books.txt.xz --test dev-clean.txt --kenlm PYTHON
    python benchmarks/language_model.py prune --text books.txt.xz --test dev-clean.txt

`--kenlm` is the interpreter of an environment with KenLM's Python module. Times are medians. `query` asks for probabilities of n
words at once, after states that the test text leads to: the word that follows, or in half of the cases another word of the text.
"""

import argparse
import json
import lzma
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from speechrnn.lm.arpa import read_arpa, write_arpa
from speechrnn.lm.backoff import START, BackoffTables
from speechrnn.lm.entropy_pruning import prune
from speechrnn.lm.kneser_ney import estimate
from speechrnn.lm.ngram import NgramModel
from speechrnn.lm.ngram_counts import Text, count, encode, limit, read_sentences
from speechrnn.lm.perplexity import Fit, measure
from speechrnn.text import raw

ORDER, N_GRAMS = 3, 1_000_000
SIZES = (16, 64, 300, 1000)
ROUNDS = 200
VOCABULARIES = (None, 60_000, 40_000, 20_000)
THRESHOLDS = (None, 1e-8, 3e-8, 1e-7, 1.2e-7, 1.5e-7, 2e-7, 3e-7)

KENLM = """
import json, sys, time, kenlm
arpa, queries = sys.argv[1], json.load(open(sys.argv[2]))
model = kenlm.Model(arpa)
out = kenlm.State()
asked = []
for batch in queries:
    asked.append([])
    for history, word in batch:
        state = kenlm.State()
        model.BeginSentenceWrite(state)
        for each in history:
            following = kenlm.State()
            model.BaseScore(state, each, following)
            state = following
        asked[-1].append((state, word))
times = []
for _ in range(3):
    for batch in asked:
        began = time.perf_counter()
        scores = [model.BaseScore(state, word, out) for state, word in batch]
        times.append(time.perf_counter() - began)
scores = [[model.BaseScore(state, word, out) for state, word in batch] for batch in asked]
print(json.dumps([sorted(times)[len(times) // 2] * 1e6, scores]))
"""


def fit(model: NgramModel, test: str) -> Fit:
    return measure(model, read_sentences(test), raw)


def built(text: Text, order: int = ORDER, **pruning) -> tuple[BackoffTables, list[np.ndarray]]:
    tables, frequencies, _ = estimate(text.words, count(text, order), **pruning)
    return tables, frequencies


def bench_build(args: argparse.Namespace) -> None:
    began = time.perf_counter()
    tables, _ = built(limit(encode(read_sentences(args.text), raw)))
    model = NgramModel.from_tables(tables)
    with tempfile.TemporaryDirectory() as folder:
        model.write(Path(folder, "ours.lm"))
        ours = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        result = fit(model, args.test)
        print("| | s | memory, GB | perplexity | without sentence ends |\n|---|---|---|---|---|")
        print(f"| ours | {ours:.1f} | {memory:.1f} | {result.perplexity:.2f} | {result.perplexity_without_ends:.2f} |")
        if not args.irstlm:
            return
        with open(Path(folder, "marked"), "w") as file:
            file.writelines(f"<s> {raw(line)} </s>\n" for _, line in read_sentences(args.text) if line.strip())
        began = time.perf_counter()
        command = [args.irstlm, "-tr=marked", f"-n={ORDER}", "-lm=msb", "-ps=no", "-oarpa=irstlm.arpa"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        theirs = time.perf_counter() - began
        tables = read_arpa(Path(folder, "irstlm.arpa"))
    for name in ("IRSTLM", "IRSTLM, its share for unknown words given to the known"):
        result = fit(NgramModel.from_tables(tables), args.test)
        print(f"| {name} | {theirs:.1f} | | {result.perplexity:.2f} | {result.perplexity_without_ends:.2f} |")
        tables.tables[0].log_probs[1:] -= np.log1p(-np.exp(tables.tables[0].log_probs[0]))
    print(f"\nours / IRSTLM: time {ours / theirs:.2f}")


def median_microseconds(run: Callable, batches: list) -> float:
    times = []
    for batch in batches:
        began = time.perf_counter()
        run(*batch)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def bench_query(args: argparse.Namespace) -> None:
    text = limit(encode(read_sentences(args.text), raw), most_frequent=60_000)
    tables, frequencies = built(text)
    low, high = 1e-9, 1e-5  # the threshold that leaves a million n-grams
    for _ in range(12):
        middle = (low * high) ** 0.5
        smaller = prune(tables, frequencies, middle)
        low, high = (middle, high) if sum(map(len, smaller.tables[1:])) > N_GRAMS else (low, middle)
    tables = smaller
    rng = np.random.default_rng(0)
    sentences = [raw(line).split() for _, line in read_sentences(args.test)]
    positions = [(words[:n], words[n]) for words in sentences for n in range(len(words))]
    unigrams = [word for _, word in positions]
    folder = tempfile.TemporaryDirectory()
    arpa = os.path.join(folder.name, "model.arpa")
    write_arpa(arpa, tables)
    models = {}
    for name, quantised in (("ours", False), ("ours, 8 bits", True)):
        path = Path(folder.name, f"{name}.lm")
        NgramModel.from_tables(tables, quantised).write(path)
        times = []
        for _ in range(20):
            began = time.perf_counter()
            models[name] = NgramModel.read(path)
            times.append(time.perf_counter() - began)
        print(f"{name}: {path.stat().st_size / 1e6:.1f} MB, opened in {statistics.median(times) * 1000:.2f} ms")
    model = models["ours"]
    began = time.perf_counter()
    model.indices(lines := [f"{word}{n}" for n in range(4) for word in model.words[:50_000]])
    print(f"{len(lines):,} indices, the first of them: {(time.perf_counter() - began) * 1000:.0f} ms\n")
    keys_of, search = sorted_search(tables)
    print(f"{' + '.join(f'{len(table):,}' for table in tables.tables)} n-grams; microseconds a call\n")
    print(
        "| n | ours | ours, 8 bits | searchsorted alone | KenLM, a word a call | KenLM / ours |\n|---|---|---|---|---|---|"
    )
    for size in SIZES:
        asked = []
        for _ in range(ROUNDS):
            chosen = rng.integers(len(positions), size=size)
            other = rng.integers(len(unigrams), size=size)
            asked.append([
                (positions[c][0], positions[c][1] if n % 2 else unigrams[o])
                for n, (c, o) in enumerate(zip(chosen, other, strict=True))
            ])  # fmt: skip
        batches = [(states_after(model, batch), model.indices([word for _, word in batch])) for batch in asked]
        rows = [median_microseconds(each.score, batches * 3) for each in models.values()]
        rows.append(median_microseconds(search, [keys_of(size) for _ in asked] * 3))
        if args.kenlm:
            theirs, scores = kenlm(args.kenlm, arpa, asked)
            ours = [model.score(*batch)[0] for batch in batches]
            difference = np.abs(np.concatenate(ours) - np.concatenate(scores) * np.log(10)).max()
            assert difference < 1e-4, difference
            rows += [theirs, theirs / rows[0]]
        print(f"| {size} | " + " | ".join(f"{value:.1f}" for value in rows) + " |")
    folder.cleanup()


def states_after(model: NgramModel, batch: list) -> np.ndarray:
    states = []
    for history, _ in batch:
        state = np.array([model.start])
        for word in history:
            _, state = model.score(state, model.indices([word]))
        states.append(state[0])
    return np.array(states)


def sorted_search(tables: BackoffTables) -> tuple[Callable, Callable]:
    """The same number of look-ups in one sorted array of 64-bit keys, and nothing else of what a query does: keys, search."""
    size = len(tables.words)
    keys = np.concatenate([table.contexts * size + table.words + (n << 56) for n, table in enumerate(tables.tables)])
    rng = np.random.default_rng(1)

    def wanted(number: int) -> tuple[np.ndarray]:
        return (
            keys[rng.integers(size, len(keys), 2 * number)] + (np.arange(2 * number) & 1),
        )  # half of them are there

    def search(wanted: np.ndarray) -> np.ndarray:
        return keys.take(keys.searchsorted(wanted), mode="clip") == wanted

    return wanted, search


def kenlm(python: str, arpa: str, asked: list) -> tuple[float, list[np.ndarray]]:
    """The median microseconds of a batch, and the logarithms to base 10."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(asked, file)
        file.flush()
        done = subprocess.run([python, "-c", KENLM, arpa, file.name], check=True, capture_output=True, text=True)
    microseconds, scores = json.loads(done.stdout)
    return microseconds, [np.array(each) for each in scores]


def bench_prune(args: argparse.Namespace) -> None:
    whole = encode(read_sentences(args.text), raw)
    print("| vocabulary | --entropy | 2-grams | 3-grams | MB, 8 bits | compressed | perplexity | unknown words |")
    print("|---|---|---|---|---|---|---|---|")
    for most_frequent in VOCABULARIES:
        text = limit(whole, most_frequent=most_frequent)
        tables, frequencies = built(text)
        for threshold in THRESHOLDS:
            pruned = prune(tables, frequencies, threshold) if threshold else tables
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "pruned.lm")
                NgramModel.from_tables(pruned, quantise=True).write(path)
                model = NgramModel.read(path)
                packed = len(lzma.compress(path.read_bytes(), preset=1)) if threshold and threshold > 5e-8 else 0
                result = fit(model, args.test)
                cells = [
                    f"{len(text.words) - START - 2:,}",
                    f"{threshold:g}" if threshold else "-",
                    *(f"{n:,}" for n in model.counts[1:]),
                    f"{path.stat().st_size / 1e6:.1f}",
                    f"{packed / 1e6:.1f}" if packed else "",
                    f"{result.perplexity:.1f}",
                    f"{result.unknown / result.words:.2%}",
                ]
            print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("build", "query", "prune"))
    parser.add_argument("--text", required=True, help="a sentence a line")
    parser.add_argument("--test", required=True, help="a sentence a line")
    parser.add_argument("--irstlm", metavar="TLM", help="IRSTLM's tlm")
    parser.add_argument("--kenlm", metavar="PYTHON", help="the interpreter of an environment with kenlm")
    args = parser.parse_args()
    {"build": bench_build, "query": bench_query, "prune": bench_prune}[args.what](args)


if __name__ == "__main__":
    main()
