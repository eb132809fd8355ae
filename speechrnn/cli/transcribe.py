"""Say what is spoken in audio files: the text of one file, or a line `FILE<tab>text` for each of several.

wav, flac, ogg, opus, mp3 and sph files of any sample rate and number of channels are read. A file that cannot be used is
named on stderr, the others are transcribed, and the exit status is 1.

  speechrnn transcribe talk.wav
  speechrnn transcribe recordings/ more.flac > texts.tsv
  sox talk.wav -t wav - trim 60 30 | speechrnn transcribe -
  speechrnn transcribe talk.wav --lm books.lm --hotwords "smith,main street"

--nbest prints a line for each hypothesis, best first, with tabs: the file, the rank from 1, the total, the acoustic and the
language model's score (natural logarithms; the last one is unweighted, 0 without a language model), and the text.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from speechrnn.cli import decoding, positive
from speechrnn.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from speechrnn.recognizer import Recognizer
    from speechrnn.transcript import Transcript

GROUP_SECONDS = 60.0  # of audio read before it is run: a batch's worth, so that short files share one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="an audio file, a directory (its audio files, all levels), - for stdin"
    )
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="a bundled model package or the directory of one (default: the bundled one)",
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="CPU threads to use (default: one for each physical core)"
    )
    group = decoding.add_arguments(parser)
    group.add_argument("--nbest", type=positive, metavar="N", help="print up to N hypotheses a file, with their scores")


def run(args: argparse.Namespace) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_: _tell(f"warning: {message}")
        return _transcribe(args)


def _transcribe(args: argparse.Namespace) -> int:
    began = time.perf_counter()
    from speechrnn.recognizer import Recognizer

    recognizer = Recognizer(args.model, args.threads, **decoding.options(args))
    one = len(args.files) == 1 and not os.path.isdir(args.files[0])
    done = failures = 0
    seconds = 0.0
    for name, result in _transcripts(recognizer, args.files):
        if isinstance(result, InputError):
            failures += 1
            _tell(str(result))
            continue
        done += 1
        seconds += result.duration
        for rank, found in enumerate(result.hypotheses or (), start=1):
            scores = f"{found.score:.3f}\t{found.acoustic:.3f}\t{found.language:.3f}"
            print(f"{name}\t{rank}\t{scores}\t{found.text}", flush=True)
        if result.hypotheses is None:
            print(result.text if one else f"{name}\t{result.text}", flush=True)
    if done and (not one or sys.stderr.isatty()):
        took = time.perf_counter() - began
        print(
            f"{done} {'file' if done == 1 else 'files'}, {seconds:.1f} s of audio in {took:.1f} s "
            f"(RTF {took / seconds:.3f})" + (f"; {failures} could not be used" if failures else ""),
            file=sys.stderr,
        )
    return 1 if failures else 0


def _transcripts(recognizer: "Recognizer", inputs: Sequence[str]) -> Iterator[tuple[str, "Transcript | InputError"]]:
    """What each file says, or why it cannot be used, with its printable name, in order."""
    from speechrnn.audio import source_name

    group: list[tuple[str, np.ndarray | InputError]] = []
    waiting = 0.0
    for path in _expand(inputs):
        if isinstance(path, InputError):
            group.append(("", path))
            continue
        try:
            waveform = recognizer.read(path)
            waiting += len(waveform) / recognizer.package.sample_rate
            group.append((source_name(path), waveform))
        except InputError as error:
            group.append((source_name(path), error))
        if waiting >= GROUP_SECONDS:
            yield from _run_group(recognizer, group)
            group, waiting = [], 0.0
    yield from _run_group(recognizer, group)


def _run_group(
    recognizer: "Recognizer", group: Sequence[tuple[str, "np.ndarray | InputError"]]
) -> Iterator[tuple[str, "Transcript | InputError"]]:
    """They are run and decoded together. A model that gives NaN for one of them does not spoil the others."""
    from speechrnn.decoding.frames import check

    heard = [(name, sound) for name, sound in group if not isinstance(sound, InputError)]
    results: list[Transcript | InputError | None] = [None] * len(heard)
    all_log_probs = recognizer.acoustic.log_probs([sound for _, sound in heard])
    for i, ((name, _), log_probs) in enumerate(zip(heard, all_log_probs, strict=True)):
        try:
            check(log_probs, len(recognizer.package.tokenizer), f"{name}: log-probabilities")
        except InputError as error:
            results[i] = error
    good = [i for i, result in enumerate(results) if result is None]
    decoded = recognizer.decode_batch([all_log_probs[i] for i in good], [len(heard[i][1]) for i in good])
    for i, transcript in zip(good, decoded, strict=True):
        results[i] = transcript
    following = iter(results)
    for name, sound in group:
        yield name, sound if isinstance(sound, InputError) else next(following)


def _expand(inputs: Sequence[str]) -> Iterator["str | Path | InputError"]:
    """The files that the arguments stand for; a directory stands for the audio files in it, at all levels, sorted."""
    from speechrnn.audio import FOREIGN_SUFFIXES, SUFFIXES, source_name

    for path in inputs:
        if not os.path.isdir(path):
            yield path
            continue
        found = sorted(
            p
            for p in Path(path).rglob("*")
            if p.suffix.lower() in SUFFIXES + FOREIGN_SUFFIXES and p.name[0] != "." and p.is_file()
        )
        if not found:
            yield InputError(f"{source_name(path)}: expected audio files in it ({' '.join(SUFFIXES)}), found none")
        yield from found


def _tell(message: str) -> None:
    print(f"speechrnn transcribe: {message}", file=sys.stderr, flush=True)
