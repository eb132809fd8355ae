"""What float16 and int8 weights save and cost: size, time to load, real-time factor and word error rate of one model.

A model is exported with each type. By turns each is loaded in a fresh process, which tells the time that takes, and transcribes
the manifest, greedily and in batches. |p - p32| is the largest change of a probability. The speakers of the manifest should not
be among those that the model was trained on.

    python benchmarks/weight_types.py runs/an4/dev data/an4/dev.jsonl
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from speechrnn.audio import read_audio
from speechrnn.export.export import export
from speechrnn.manifest import read_manifest
from speechrnn.recognizer import Recognizer
from speechrnn.scoring.errors import ErrorCounts, word_errors
from speechrnn.text import normaliser

DTYPES = ("float32", "float16", "int8")
LOAD = """
import sys, time, onnxruntime
from speechrnn.acoustic import AcousticModel
from speechrnn.package import read_package
package = read_package(sys.argv[1])
began = time.perf_counter()
AcousticModel(package, int(sys.argv[2]))
print(time.perf_counter() - began)
"""


def load(package: Path, threads: int) -> float:
    """Seconds to load a model in a fresh process that has imported ONNX Runtime."""
    command = [sys.executable, "-c", LOAD, str(package), str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a run's folder or a checkpoint")
    parser.add_argument("manifest", help="utterances with their texts")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument("--rounds", type=int, default=7, help="measured turns, after one that warms up (default: 7)")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        packages = {dtype: Path(folder, dtype) for dtype in DTYPES}
        for dtype, package in packages.items():
            export(args.source, package, dtype)
        recognizers = {dtype: Recognizer(package, args.threads, lm=False) for dtype, package in packages.items()}
        rate = recognizers["float32"].package.sample_rate
        normalise = normaliser(recognizers["float32"].package.normaliser)
        utterances = read_manifest(args.manifest)
        references = [normalise(utterance.text) for utterance in utterances]
        waves = [read_audio(u.audio_filepath, rate, offset=u.offset, duration=u.duration) for u in utterances]
        audio = sum(map(len, waves)) / rate

        loads: dict[str, list[float]] = {dtype: [] for dtype in DTYPES}
        times: dict[str, list[float]] = {dtype: [] for dtype in DTYPES}
        for turn in range(args.rounds + 1):
            for dtype, recognizer in recognizers.items():
                loaded = load(packages[dtype], args.threads)
                began = time.perf_counter()
                recognizer.acoustic.log_probs(waves)
                if turn:
                    times[dtype].append(time.perf_counter() - began)
                    loads[dtype].append(loaded)

        print(f"{len(waves)} utterances, {audio:.0f} s, {args.threads} threads; the fastest of {args.rounds} turns")
        print(f"{'weights':9}{'MB':>6}{'load ms':>9}{'RTF':>9}{'/ float16':>11}{'|p - p32|':>11}  WER")
        exact = recognizers["float32"].acoustic.log_probs(waves)
        for dtype, recognizer in recognizers.items():
            size = sum(file.stat().st_size for file in packages[dtype].iterdir()) / 1e6
            seconds = min(times[dtype])
            log_probs = recognizer.acoustic.log_probs(waves)
            moved = max(float(np.abs(np.exp(a) - np.exp(b)).max()) for a, b in zip(exact, log_probs, strict=True))
            found = [t.text for t in recognizer.decode_batch(log_probs, [len(wave) for wave in waves])]
            errors = sum(word_errors(references, [normalise(text) for text in found]), ErrorCounts())
            print(
                f"{dtype:9}{size:6.1f}{1e3 * min(loads[dtype]):9.0f}{seconds / audio:9.5f}"
                f"{seconds / min(times['float16']):11.2f}{moved:11.2g}  {errors.line()}"
            )


if __name__ == "__main__":
    main()
