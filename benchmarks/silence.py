"""What silence, noise, level and clipping cost a model: word error rates of recordings as they are and as they were changed.

Each row is the same utterances with something done to them: digital silence or noise at -66 dBFS before and after them, the first
0.3 s cut off, 20 dB louder and softer, a DC offset, samples clipped 6 dB below their peak. With `--meeting` the utterances are
also joined into one recording with pauses of 1 to 40 s between them, of zeros, of noise at -66 dBFS, and of the quietest piece of
the utterance before; its text is compared with what the utterances have one by one.

  python benchmarks/silence.py english data/english/test/dev-clean.jsonl --utterances 150
  python benchmarks/silence.py english data/english/test/dev-clean.jsonl --meeting 30
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence

import numpy as np

import speechrnn
from speechrnn.audio import read_audio
from speechrnn.manifest import read_manifest
from speechrnn.recognizer import Recognizer
from speechrnn.scoring.errors import word_errors
from speechrnn.text import normaliser

NOISE = -66.0  # dBFS
TOGETHER = 50  # recordings that are recognised in one call
Change = Callable[[np.ndarray], np.ndarray]


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 10 ** (NOISE / 20), samples).astype(np.float32)


def quietest(speech: np.ndarray, samples: int, rate: int) -> np.ndarray:
    """So many samples of the quietest 0.2 s of a recording, forward and backward in turn."""
    piece = rate // 5
    pieces = speech[: len(speech) // piece * piece].reshape(-1, piece)
    tone = pieces[(pieces**2).sum(1).argmin()]
    return np.resize(np.concatenate([tone, tone[::-1]]), samples)


def changes(rate: int) -> dict[str, Change]:
    """What is done to a recording (samples,), by name."""

    def around(seconds: float, make: Callable[[int], np.ndarray]) -> Change:
        return lambda x: np.concatenate([make(round(seconds * rate)), x, make(round(seconds * rate))])

    def zeros(samples: int) -> np.ndarray:
        return np.zeros(samples, np.float32)

    def clipped(x: np.ndarray) -> np.ndarray:
        limit = np.abs(x).max() / 2
        return x.clip(-limit, limit)

    return {
        "as they are": lambda x: x,
        **{f"{seconds} s of zeros at both ends": around(seconds, zeros) for seconds in (2, 8, 20)},
        **{f"{seconds} s of noise at both ends": around(seconds, noise) for seconds in (8, 20)},
        "the first 0.3 s cut off": lambda x: x[round(0.3 * rate) :],
        "20 dB louder": lambda x: x * np.float32(10),
        "20 dB softer": lambda x: x * np.float32(0.1),
        "a DC offset of 0.1": lambda x: x + np.float32(0.1),
        "clipped at 6 dB": clipped,
    }


def error_rate(references: Sequence[str], texts: Sequence[str]) -> float:
    """Word error rate in percent."""
    found = word_errors(list(references), list(texts))
    return 100 * sum(each.errors for each in found) / sum(len(reference.split()) for reference in references)


def transcribed(recognizer: Recognizer, waves: Sequence[np.ndarray]) -> list[str]:
    normalise, rate = normaliser(recognizer.package.normaliser), recognizer.package.sample_rate
    groups = [list(waves[first : first + TOGETHER]) for first in range(0, len(waves), TOGETHER)]
    return [normalise(found.text) for group in groups for found in recognizer.transcribe(group, rate)]


def meeting(recognizer: Recognizer, references: Sequence[str], waves: Sequence[np.ndarray], minutes: float) -> None:
    """Print the error rates of utterances one by one, and joined with pauses into a recording of so many minutes."""
    rate, draw = recognizer.package.sample_rate, random.Random(1)
    pauses, seconds = [], 0.0
    while seconds < 60 * minutes and len(pauses) < len(waves):
        pauses.append(draw.uniform(1, 40))
        seconds += pauses[-1] + len(waves[len(pauses) - 1]) / rate
    waves, references = waves[: len(pauses)], [" ".join(references[: len(pauses)])]
    print(f"{len(waves)} utterances in {seconds / 60:.1f} minutes")
    print(f"  {'one by one':32} {error_rate(references, [' '.join(transcribed(recognizer, waves))]):6.2f} %")
    kinds = {
        "zeros": lambda speech, samples: np.zeros(samples, np.float32),
        "noise": lambda speech, samples: noise(samples),
        "room tone": lambda speech, samples: quietest(speech, samples, rate),
    }
    for name, make in kinds.items():
        parts = [part for x, pause in zip(waves, pauses, strict=True) for part in (x, make(x, round(pause * rate)))]
        text = transcribed(recognizer, [np.concatenate(parts)])
        print(f"  {'joined, pauses of ' + name:32} {error_rate(references, text):6.2f} %", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a package, or the name of a bundled one")
    parser.add_argument("manifest")
    parser.add_argument("--utterances", type=int, default=150, help="how many, drawn at random (default: 150)")
    parser.add_argument("--beam", type=int, help="default: the package's")
    parser.add_argument("--threads", type=int)
    parser.add_argument(
        "--meeting", type=float, metavar="MINUTES", help="join utterances into a recording of this length"
    )
    args = parser.parse_args()

    recognizer = speechrnn.load(args.model, threads=args.threads, beam=args.beam)
    rate, normalise = recognizer.package.sample_rate, normaliser(recognizer.package.normaliser)
    utterances = read_manifest(args.manifest)
    chosen = random.Random(0).sample(utterances, min(args.utterances, len(utterances)))
    references = [normalise(u.text) for u in chosen]
    waves = [read_audio(u.audio_filepath, rate, offset=u.offset, duration=u.duration) for u in chosen]
    if args.meeting:
        meeting(recognizer, references, waves, args.meeting)
        return
    for name, change in changes(rate).items():
        began = time.monotonic()
        rate_of_errors = error_rate(references, transcribed(recognizer, [change(x) for x in waves]))
        print(f"{name:32} {rate_of_errors:6.2f} %   {time.monotonic() - began:4.0f} s", flush=True)


if __name__ == "__main__":
    main()
