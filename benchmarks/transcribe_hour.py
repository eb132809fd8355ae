"""Real-time factors on an hour of audio in one file, beside pocketsphinx and beside torch with the same network.

    taskset -c 0,1 python benchmarks/transcribe_hour.py data/an4/dev.jsonl --lm an4.lm --pocketsphinx PYTHON

The manifest's recordings are joined, over and over, to an hour. `speechrnn transcribe` is measured as a whole process, from its
start to the last word, with the package's decoder and with a language model. PYTHON is the interpreter of an environment with
the `pocketsphinx` and `soundfile` packages; it decodes, with its own model and language model, the first minutes only, in one
process. torch runs the acoustic model alone, on the batches that ONNX Runtime gets, with the same weights; its row compares with
the one above it.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
POCKETSPHINX = """
import sys, soundfile
from pocketsphinx import Decoder
sound, _ = soundfile.read(sys.argv[1], dtype="int16")
decoder = Decoder(samprate=16000, loglevel="FATAL")
for start in range(0, len(sound), 30 * 16000):
    decoder.start_utt()
    decoder.process_raw(sound[start : start + 30 * 16000].tobytes(), full_utt=True)
    decoder.end_utt()
"""


def joined(manifest: str, seconds: int) -> np.ndarray:
    """The manifest's recordings one after the other, again from the first when they end: (seconds * RATE) int16."""
    from speechrnn.audio import read_audio
    from speechrnn.manifest import read_manifest

    utterances = read_manifest(manifest)
    parts, length = [], 0
    for utterance in itertools.cycle(utterances):
        if length >= seconds * RATE:
            break
        parts.append(read_audio(utterance.audio_filepath, RATE, offset=utterance.offset, duration=utterance.duration))
        length += len(parts[-1])
    return (np.concatenate(parts)[: seconds * RATE] * 32767).astype(np.int16)


def process(command: list[str]) -> float:
    """Seconds that a process takes."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:5])}: exit status {done.returncode}: {done.stderr[-500:]}")
    return time.perf_counter() - began


def acoustic_models(model: str | None, config: str, sound: np.ndarray, threads: int):
    """Functions that run the acoustic model over the sound, in windows of 30 s, two a batch: ours, and torch's."""
    import torch

    import speechrnn
    from speechrnn.nn.model import CTCModel
    from speechrnn.runs.config import read_config
    from speechrnn.training.initialise import initialise_from

    recognizer = speechrnn.load(model, threads, lm=False)
    windows = sound.astype(np.float32).reshape(-1, 30 * RATE) / 32768
    torch.set_num_threads(threads)
    network = CTCModel(read_config(config).model, len(recognizer.package.tokenizer)).eval()
    found = initialise_from(network, recognizer.package.tokenizer, recognizer.package.directory)
    if found.parameters != found.of:
        sys.exit(f"{config}: its network is not that of the package: {found.not_loaded}")

    def ours():
        return [each for pair in zip(*[iter(windows)] * 2, strict=True) for each in recognizer.acoustic.log_probs(pair)]

    def torchs():
        results = []
        with torch.inference_mode():
            for pair in torch.from_numpy(windows).split(2):
                log_probs, _ = network(pair, torch.full((2,), pair.shape[1]))
                results += list(log_probs.numpy())
        return results

    return ours, torchs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest")
    parser.add_argument("--model", help="a bundled package's name or a package's directory (default: the bundled one)")
    parser.add_argument("--config", default="conf/an4.yaml", help="the YAML of its training: the network for torch")
    parser.add_argument("--lm", help="a language model's file")
    parser.add_argument("--pocketsphinx", metavar="PYTHON")
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--pocketsphinx-seconds", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    sound = joined(args.manifest, args.seconds)
    rows: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        hour, part = Path(folder) / "hour.wav", Path(folder) / "part.wav"
        soundfile.write(hour, sound, RATE)
        soundfile.write(part, sound[: args.pocketsphinx_seconds * RATE], RATE)
        command = [sys.executable, "-m", "speechrnn", "transcribe", "--threads", str(args.threads), str(hour)]
        command += ["--model", args.model] if args.model else []
        rows.append(("speechrnn transcribe, greedy", process([*command, "--no-lm"]), args.seconds))
        if args.lm:
            rows.append(("speechrnn transcribe, language model", process([*command, "--lm", args.lm]), args.seconds))
        if args.pocketsphinx:
            took = process([args.pocketsphinx, "-c", POCKETSPHINX, str(part)])
            rows.append(("pocketsphinx, its own models", took, args.pocketsphinx_seconds))
    print(f"{'':40}{'RTF':>9}{'this / first':>14}")
    for name, took, seconds in rows:
        print(f"{name:40}{took / seconds:9.4f}{took / seconds / (rows[0][1] / args.seconds):14.1f}")

    ours, torchs = acoustic_models(args.model, args.config, sound, args.threads)
    largest = max(np.abs(a - b).max() for a, b in zip(ours(), torchs(), strict=True))  # and both are warm
    took = {name: [] for name in ("acoustic model, ONNX Runtime", "acoustic model, torch")}
    for _ in range(3):
        for name, run in zip(took, (ours, torchs), strict=True):
            began = time.perf_counter()
            run()
            took[name].append(time.perf_counter() - began)
    first = min(took["acoustic model, ONNX Runtime"])
    for name, values in took.items():
        print(f"{name:40}{min(values) / args.seconds:9.4f}{min(values) / first:14.1f}")
    print(f"largest difference of their log-probabilities: {largest:.1e}")


if __name__ == "__main__":
    main()
