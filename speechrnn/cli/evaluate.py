"""Transcribe the utterances of a manifest with a model and score the result.

Prints the word, character, sentence and match error rates in Kaldi's lines. References and hypotheses are compared after the
model's own normaliser, or another. An utterance whose audio cannot be read counts as all words deleted and makes the exit
status 1.

A manifest in whose name a word begins with "test" (test.jsonl, an4-test.jsonl) is a test set: each evaluation on it is logged
in `<name>.evaluations.jsonl` beside it.

  speechrnn evaluate MODEL dev.jsonl --details details.jsonl
  speechrnn evaluate MODEL dev.jsonl --no-lm --tables
  speechrnn evaluate MODEL dev.jsonl --latency --threads 1
  speechrnn evaluate MODEL test.jsonl --record recipes/an4/results.jsonl

--record adds a row to a results.jsonl, in place of an older one of the same system, manifest, seed and way to decode and
compare, and writes RESULTS.md beside it from all its rows.
"""

import argparse
import hashlib
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from speechrnn.batch_sizes import CHUNK_SECONDS
from speechrnn.cli import PACKAGE, decoding, positive
from speechrnn.cli.score import add_how, add_output, check_output, write
from speechrnn.cli.utterances import chunks
from speechrnn.manifest import Utterance, read_manifest
from speechrnn.recognizer import Recognizer
from speechrnn.scoring.results import append_row, git_commit, is_test_set, log_evaluation, read_rows
from speechrnn.scoring.score import Score, score
from speechrnn.scoring.texts import Reference
from speechrnn.scoring.timing import Timing
from speechrnn.text import normaliser_label
from speechrnn.transcript import Transcript


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=PACKAGE)
    parser.add_argument("manifest", metavar="MANIFEST", help="the utterances, as JSON lines")
    add_output(parser)
    parser.add_argument("--record", metavar="FILE", help="add the result to this .jsonl file and render RESULTS.md")
    parser.add_argument(
        "--system", metavar="NAME", help="the system's name in the record (default: model and decoding)"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="processor threads (default: one a core)")
    parser.add_argument(
        "--latency", action="store_true", help="transcribe one utterance at a time and say how long each took"
    )
    add_how(parser, "the model's own", "kaldi")
    decoding.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.record:
        read_rows(args.record)  # a record that cannot be added to is known before the work, not after it
    check_output(args, args.manifest)
    utterances = read_manifest(args.manifest)
    recognizer = Recognizer(args.model, args.threads, **decoding.options(args))
    package = recognizer.package
    transcripts, timing = _transcribe(
        recognizer, utterances, times=bool(args.details or args.export), alone=args.latency
    )
    result = score(
        {utterance.id: _reference(utterance, transcripts.get(utterance.id)) for utterance in utterances},
        {id: transcript.text for id, transcript in transcripts.items()},
        args.normaliser or package.normaliser,
        args.alignment or "kaldi",
        {id: transcript.words for id, transcript in transcripts.items() if transcript.words is not None},
    )
    if is_test_set(args.manifest):
        _log(args, recognizer, result)  # before anybody can have seen the figures
    write(args, result)
    sys.stdout.write(f"utterances: {len(utterances)}\nseconds of audio: {sum(timing.audio):.2f}\n")
    for line in timing.lines():
        _say(line)
    if result.missing:
        _say(
            f"{len(result.missing)} of {len(utterances)} utterances could not be read, all their words count as deleted"
            + ("; nothing is recorded" if args.record else "")
        )
        return 1
    if args.record:
        append_row(args.record, _row(args, recognizer, result, timing))
    return 0


def _reference(utterance: Utterance, transcript: Transcript | None) -> Reference:
    return Reference(utterance.text, utterance.speaker, transcript.duration if transcript else utterance.duration)


def _transcribe(
    recognizer: Recognizer, utterances: Sequence[Utterance], *, times: bool, alone: bool
) -> tuple[dict[str, Transcript], Timing]:
    """The transcripts by utterance id, without those whose audio cannot be read, and how long they took.

    The first utterance is transcribed twice: a first time is slower than all later ones, and does not count.
    """
    transcripts: dict[str, Transcript] = {}
    timing = Timing(alone)
    with _progress(len(utterances)) as advance:
        parts = chunks(utterances, recognizer.package.sample_rate, _say, seconds=0 if alone else CHUNK_SECONDS)
        for part in timing.read(parts):
            names = [f"utterance {utterance.id}" for utterance, _ in part]
            waveforms = [waveform for _, waveform in part]
            if not transcripts:
                recognizer.transcribe_waveforms(waveforms[:1], names[:1], times=times)
                timing.start()
            found = recognizer.transcribe_waveforms(waveforms, names, times=times)
            timing.done(sum(transcript.duration for transcript in found))
            transcripts.update((utterance.id, t) for (utterance, _), t in zip(part, found, strict=True))
            advance(len(part))
    return transcripts, timing


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr if that is a terminal; yields what advances it."""
    if not sys.stderr.isatty():
        yield lambda utterances: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("utterances", total=total)
        yield lambda utterances: progress.advance(task, utterances)


def _say(message: str) -> None:
    print(f"speechrnn evaluate: {message}", file=sys.stderr)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _log(args: argparse.Namespace, recognizer: Recognizer, result: Score) -> None:
    package = recognizer.package
    with open(package.model_path, "rb") as file:
        model_hash = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    entry = {
        "date": _now(),
        "model": package.name,
        "directory": str(package.directory.resolve()),
        "model_sha256": model_hash,
        "decoding": recognizer.decoder.description,
        "words": asdict(result.words),
        "unreadable": len(result.missing),
        "command": args.command_line,
    }
    try:
        count = log_evaluation(args.manifest, entry)
    except OSError as error:
        _say(f"warning: this evaluation of the test set {args.manifest} is not logged: {error}")
    else:
        _say(f"evaluation {count} of this test set")


def _row(args: argparse.Namespace, recognizer: Recognizer, result: Score, timing: Timing) -> dict:
    package, how = recognizer.package, recognizer.decoder.description
    return {
        "date": _now(),
        "commit": git_commit([args.record, Path(args.record).with_name("RESULTS.md")]),
        "system": args.system or _system(recognizer, result),
        "manifest": "/".join(Path(args.manifest).parts[-2:]),  # an4/test.jsonl: there is more than one test.jsonl
        "seed": package.training.get("seed"),
        "data": package.training.get("data"),
        "parameters": package.training.get("parameters"),
        "minutes": package.training.get("minutes"),
        "normaliser": normaliser_label(result.normaliser),
        "alignment": result.alignment,
        "decoding": how,
        "utterances": len(result.utterances),
        "words": asdict(result.words),
        "errors": result.words.errors,
        "intervals": {unit: [round(i.low, 2), round(i.high, 2)] for unit, i in result.intervals.items()},
        "characters": asdict(result.characters),
        "wrong_sentences": result.wrong_sentences,
        "seconds": round(sum(timing.audio), 2),
        "rtf": None if timing.rtf is None else round(timing.rtf, 5),
        "command": args.command_line,
        "speechrnn": version("speechrnn"),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "processors": os.cpu_count(),
    }


def _system(recognizer: Recognizer, result: Score) -> str:
    """The package's name, and in what it is decoded or compared otherwise than usual."""
    package, label = recognizer.package, normaliser_label(result.normaliser)
    ways = [(recognizer.decoder.description, "greedy"), (label, package.normaliser), (result.alignment, "kaldi")]
    return ", ".join([package.name, *(way for way, usual in ways if way != usual)])
