"""Does sherpa-onnx say the same with our export, and how fast are both? Texts are compared with texts; nothing is scored.

A package is exported for sherpa-onnx, and a manifest is transcribed by both, greedily, one recording after the other, by turns.
This is done with samples in [-1, 1], and with samples that sherpa-onnx gets in the range of int16, for its filter bank has a
floor below which it does not see (docs/sherpa_onnx.md). Spaces at the ends of its texts and double ones are left out.

    pip install sherpa-onnx
    python benchmarks/sherpa_texts.py an4 data/an4/dev.jsonl
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from speechrnn.audio import read_audio
from speechrnn.export.export import export
from speechrnn.manifest import read_manifest
from speechrnn.recognizer import CASES, Recognizer
from speechrnn.search.greedy import greedy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a package's name or folder, a run or a checkpoint")
    parser.add_argument("manifest")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of each (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="turns, of which the median is told (default: 3)")
    args = parser.parse_args()
    import sherpa_onnx

    with tempfile.TemporaryDirectory() as folder:
        export(args.model, Path(folder, "ours"))
        export(args.model, Path(folder, "theirs"), form="sherpa-onnx")
        recognizer = Recognizer(Path(folder, "ours"), args.threads, lm=False)
        package, rate = recognizer.package, recognizer.package.sample_rate
        theirs = sherpa_onnx.OfflineRecognizer.from_zipformer_ctc(
            model=str(Path(folder, "theirs", "model.onnx")),
            tokens=str(Path(folder, "theirs", "tokens.txt")),
            num_threads=args.threads,
            sample_rate=rate,
            feature_dim=package.front_end["num_bins"],
        )

    def of_sherpa(wave: np.ndarray, scale: float) -> str:
        stream = theirs.create_stream()
        stream.accept_waveform(rate, wave * scale)
        theirs.decode_stream(stream)
        return " ".join(stream.result.text.split())

    def of_ours(wave: np.ndarray, _: float) -> str:
        text = package.tokenizer.decode(greedy(recognizer.acoustic.log_probs([wave])[0]))
        return CASES[package.output_case](text)

    utterances = read_manifest(args.manifest)
    waves = [read_audio(u.audio_filepath, rate, offset=u.offset, duration=u.duration) for u in utterances]
    audio = sum(map(len, waves)) / rate
    print(f"sherpa-onnx {sherpa_onnx.__version__}, {len(waves)} recordings, {audio:.0f} s, {args.threads} threads")
    for name, scale in (("samples in [-1, 1]", 1.0), ("in the range of int16", 32768.0)):
        timed: dict[Callable, list[float]] = {of_ours: [], of_sherpa: []}
        for _ in range(args.rounds):
            texts = {}
            for transcribe, seconds in timed.items():
                began = time.perf_counter()
                texts[transcribe] = [transcribe(wave, np.float32(scale)) for wave in waves]
                seconds.append(time.perf_counter() - began)
        pairs = list(zip(utterances, texts[of_ours], texts[of_sherpa], strict=True))
        differ = [pair for pair in pairs if pair[1] != pair[2]]
        ours, peer = (statistics.median(seconds) / audio for seconds in timed.values())
        print(
            f"{name}: {len(differ)} texts differ; RTF ours {ours:.5f}, sherpa-onnx {peer:.5f}, ratio {peer / ours:.2f}"
        )
        for utterance, here, there in differ:
            print(f"  {utterance.id}\n    ours        {here}\n    sherpa-onnx {there}")


if __name__ == "__main__":
    main()
