"""Say what is spoken in audio files: the text of one file, or a line `FILE<tab>text` for each of several.

wav, flac, ogg, opus, mp3 and sph files of any sample rate and number of channels are read. A file that cannot be used is
named on stderr, the others are transcribed, and the exit status is 1.

  speechrnn transcribe talk.wav
  speechrnn transcribe recordings/ more.flac > texts.tsv
  sox talk.wav -t wav - trim 60 30 | speechrnn transcribe -
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from speechrnn.cli import positive
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


def run(args: argparse.Namespace) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_: _tell(f"warning: {message}")
        return _transcribe(args)


def _transcribe(args: argparse.Namespace) -> int:
    began = time.perf_counter()
    from speechrnn.recognizer import Recognizer

    recognizer = Recognizer(args.model, args.threads)
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
    waveforms = [sound for _, sound in group if not isinstance(sound, InputError)]
    log_probs = iter(recognizer.acoustic.log_probs(waveforms))
    for name, sound in group:
        if isinstance(sound, InputError):
            yield name, sound
            continue
        try:
            yield name, recognizer.decode(next(log_probs), len(sound))
        except InputError as error:
            yield name, InputError(f"{name}: {error}")


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
