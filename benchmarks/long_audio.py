"""What a long recording loses against its utterances, each by itself: word error rates on a manifest.

The utterances are joined, as they follow each other, into recordings of up to an hour, which go through the acoustic model
in windows and are decoded between pauses (speechrnn/alignment/pauses.py), with pauses of several least lengths; 30 stands for
cuts only where a stretch would get longer than that. Words are aligned an hour at a time, those of the utterances as well.
Then: how many runs of quiet frames of each length there are a minute, and in how many a boundary shows that no word goes on.

  python benchmarks/long_audio.py MODEL data/librispeech/dev-clean.jsonl
  python benchmarks/long_audio.py MODEL data/librispeech/dev-clean.jsonl --gap 0.4 --no-lm
"""

import argparse
from collections.abc import Iterator, Sequence

import numpy as np

import speechrnn
from speechrnn.alignment import pauses
from speechrnn.audio import read_audio
from speechrnn.manifest import Utterance, read_manifest
from speechrnn.recognizer import Recognizer
from speechrnn.scoring.errors import word_errors
from speechrnn.text import normaliser

HOUR = 3600.0  # seconds
LENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 2.0, 30.0)  # seconds


def hours(utterances: Sequence[Utterance], gap: float) -> Iterator[list[Utterance]]:
    """The utterances in groups that last no longer than an hour."""
    group: list[Utterance] = []
    seconds = 0.0
    for utterance in utterances:
        if group and seconds + utterance.duration > HOUR:
            yield group
            group, seconds = [], 0.0
        group.append(utterance)
        seconds += utterance.duration + gap
    yield group


def read(recognizer: Recognizer, utterance: Utterance) -> np.ndarray:
    stretch = {"offset": utterance.offset, "duration": utterance.duration}
    return read_audio(utterance.audio_filepath, recognizer.package.sample_rate, **stretch)


def texts(recognizer: Recognizer, batch: Sequence[np.ndarray]) -> str:
    return " ".join(found[0].text for found in recognizer.decoder.decode(batch) if found[0].text)


def runs(log_probs: np.ndarray, boundary: int) -> tuple[np.ndarray, np.ndarray]:
    """The lengths in frames of runs of quiet frames, and whether a boundary is in each."""
    edges = np.diff(pauses.quiet(log_probs, boundary).astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return ends - starts, np.add.reduceat(log_probs.argmax(axis=1) == boundary, starts) > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a bundled package's name or a package's directory")
    parser.add_argument("manifest", help="utterances with their texts")
    parser.add_argument("--gap", type=float, default=0.0, help="seconds of silence after each utterance (default: 0)")
    parser.add_argument("--pauses", type=float, nargs="+", default=[0.4, 0.6, 0.8, 1.0, 30.0], help="seconds")
    parser.add_argument("--no-lm", action="store_true", help="without the package's language model")
    parser.add_argument("--beam", type=int, help="how wide the search is (default: as the package says)")
    parser.add_argument("--threads", type=int, default=1, help="processor threads (default: 1)")
    args = parser.parse_args()

    recognizer = speechrnn.load(args.model, args.threads, lm=False if args.no_lm else None, beam=args.beam)
    package = recognizer.package
    normalise, boundary = normaliser(package.normaliser), package.tokenizer.boundary
    silence = np.zeros(round(args.gap * package.sample_rate), np.float32)
    words = frames = 0
    ways = ["utterance by utterance", *args.pauses]
    errors, cuts = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0)
    quiet = []
    for group in hours(list(read_manifest(args.manifest)), args.gap):
        reference = " ".join(normalise(utterance.text) for utterance in group)
        words += len(reference.split())
        waveforms = [read(recognizer, utterance) for utterance in group]
        joined = (block for waveform in waveforms for block in (waveform, silence))
        whole = np.concatenate(list(recognizer.acoustic.stream(joined)))
        quiet.append(runs(whole, boundary))
        frames += len(whole)
        for way in ways:
            if way == ways[0]:
                batch = recognizer.acoustic.log_probs(waveforms)
            else:
                pauses.PAUSE = way
                batch = [
                    stretch
                    for found in pauses.stretches([whole], package.seconds_per_frame, boundary)
                    for _, stretch in found
                ]
            (counts,) = word_errors([reference], [normalise(texts(recognizer, batch))])
            errors[way] += counts.errors
            cuts[way] += len(batch)
    print(f"{words} words, gaps of {args.gap:g} s, {recognizer.decoder.description}")
    for way in ways:
        name = way if way == ways[0] else f"joined, pauses of {way:g} s"
        print(f"{name:28} WER {100 * errors[way] / words:6.2f} %  {cuts[way]:5} stretches")
    length, between = (np.concatenate(column) for column in zip(*quiet, strict=True))
    length, minutes = length * package.seconds_per_frame, frames * package.seconds_per_frame / 60
    for low, high in zip(LENGTHS, LENGTHS[1:], strict=False):
        own = (length >= low) & (length < high)
        share = 100 * between[own].mean() if own.any() else 0
        print(
            f"quiet for {low:.1f} to {high:4.1f} s: {own.sum() / minutes:5.1f} a minute, {share:5.1f} % with a boundary"
        )


if __name__ == "__main__":
    main()
