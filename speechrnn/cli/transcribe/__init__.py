"""Say what is spoken in recordings: text on stdout, or files of subtitles, word
times and more.

  speechrnn transcribe talk.wav                     the text
  speechrnn transcribe recordings/ more.flac        a line `FILE<tab>text` each
  speechrnn transcribe talk.wav --format srt > talk.srt
  speechrnn transcribe recordings/ -o texts --format txt,srt,json
  speechrnn transcribe recordings/ -o texts --resume      what is missing
  speechrnn transcribe call.wav --channels each     who says what on the phone
  speechrnn transcribe talk.wav --lm books.lm --hotwords "smith,main street"
  speechrnn transcribe film.mp4
  arecord -f S16_LE -r 16000 | speechrnn transcribe - --raw 16000

wav, flac, ogg, opus, mp3, sph, aiff and au are read, of any sample rate and
number of channels; m4a, mp4, mkv and others if the program ffmpeg is there. A
recording that cannot be used is named on stderr, the others are transcribed,
and the exit status is 1. Ctrl-C leaves what is done.
"""

import argparse
import errno
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from speechrnn.cli import PACKAGE, decoding, positive
from speechrnn.errors import InputError, reason
from speechrnn.writers import FORMATS

if TYPE_CHECKING:
    from speechrnn.batching.engine import Job
    from speechrnn.batching.recordings import Raw, Recording
    from speechrnn.cli.transcribe.outputs import Files, Lines
    from speechrnn.cli.transcribe.report import Report
    from speechrnn.transcript import Transcript


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        metavar="INPUT",
        help="an audio file, a folder (its audio files, at all levels), a manifest (.jsonl), or - for stdin",
    )
    parser.add_argument("--model", metavar="NAME|PATH|URL", help=f"{PACKAGE} (default: english)")
    parser.add_argument(
        "--raw",
        type=_raw,
        metavar="RATE[:KIND]",
        help="stdin is samples at RATE Hz without a header: s16 (default), f32, ulaw or alaw",
    )
    parser.add_argument(
        "--channels",
        choices=("mix", "each"),
        default="mix",
        help="transcribe the mixture of channels, or each by itself and put them in the order of time (default: mix)",
    )
    output = parser.add_argument_group("output")
    formats = output.add_argument(
        "-f",
        "--format",
        type=_formats,
        action="extend",
        metavar="FORMAT",
        help="one of those below, or several, with commas (default: txt)",
    )
    vars(formats)["proposed"] = list(FORMATS)  # to shells: a list with commas is no choice of argparse
    output.add_argument("-o", "--output", metavar="DIR", help="write a file for each, in folders as those of the input")
    again = output.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    again.add_argument("--resume", action="store_true", help="leave files that are there already, and do the rest")
    output.add_argument("--nbest", type=positive, metavar="N", help="up to N hypotheses, with scores: txt, json, jsonl")
    told = output.add_mutually_exclusive_group()
    told.add_argument("--quiet", action="store_true", help="only errors on stderr")
    told.add_argument("--verbose", action="store_true", help="also a line for each recording on stderr")
    decoding.add_arguments(parser)
    speed = parser.add_argument_group("speed")
    speed.add_argument("--threads", type=positive, metavar="N", help="CPU threads to use (default: one for each core)")
    speed.add_argument(
        "--batch",
        type=positive,
        metavar="SECONDS",
        help="audio that is read before it is sorted by length and run: less takes less memory and gives the first text "
        "sooner, more is quicker for many short recordings (default: 300)",
    )
    parser.epilog = "formats:\n" + "".join(f"  {name:10}{form.what}\n" for name, form in FORMATS.items())
    parser.set_defaults(wrong_usage=parser.error)


def _formats(text: str) -> list[str]:
    names = text.lower().split(",")
    for name in names:
        if name not in FORMATS:
            raise argparse.ArgumentTypeError(f"expected some of {','.join(FORMATS)}, found {name!r}")
    return names


def _raw(text: str) -> "Raw":
    from speechrnn.batching.recordings import RAW_KINDS, Raw

    rate, _, kind = text.partition(":")
    if kind not in ("", *RAW_KINDS):
        raise argparse.ArgumentTypeError(f"expected RATE or RATE:KIND with {', '.join(RAW_KINDS)}, found {text!r}")
    return Raw(positive(rate), kind or "s16")


def run(args: argparse.Namespace) -> int:
    formats = list(dict.fromkeys(args.format or ["txt"]))
    _check_usage(args, formats)
    from speechrnn.cli.transcribe.inputs import recordings

    passed_over: list[str] = []
    found = list(recordings(args.files, passed_over.append))
    wanted = [each for each in found if not isinstance(each, InputError)]
    one = len(found) == 1 and not os.path.isdir(args.files[0]) and not args.files[0].endswith(".jsonl")
    if not (args.output or one or FORMATS[formats[0]].joined):
        args.wrong_usage(f"--format {formats[0]}: is a file for each recording: give -o DIR, or --format jsonl")
    output, wanted, there = _output(args, formats, wanted, one)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        return _transcribe(args, found, wanted, output, one, there, passed_over)


def _check_usage(args: argparse.Namespace, formats: Sequence[str]) -> None:
    if args.output == "":
        args.wrong_usage("-o: expected the name of a folder, found an empty one (a variable that is not set?)")
    if not args.output:
        if len(formats) > 1:
            args.wrong_usage(f"--format {','.join(formats)}: several formats need -o DIR to be written into")
        for option in ("overwrite", "resume"):
            if getattr(args, option):
                args.wrong_usage(f"--{option}: is about the files that -o DIR is for")
    if args.raw and args.files != ["-"]:
        args.wrong_usage("--raw: is about stdin: `speechrnn transcribe - --raw 16000 < talk.pcm`")
    if args.files.count("-") > 1:
        args.wrong_usage("-: stdin can be read only once")
    if args.nbest:
        lists = {"json", "jsonl"} | (set() if args.output else {"txt"})
        if args.channels == "each" or not lists.issuperset(formats):
            args.wrong_usage(
                "--nbest: lists of hypotheses are txt on stdout, json or jsonl, of the mixture of channels"
            )


def _output(
    args: argparse.Namespace, formats: Sequence[str], wanted: "list[Recording]", one: bool
) -> "tuple[Lines | Files, list[Recording], int]":
    """Where results go, the recordings that are still to be transcribed, and how many are not."""
    from speechrnn.cli.transcribe.outputs import Files, Lines, check_files, check_names

    if args.output or formats != ["txt"]:
        check_names(wanted, formats)
    if not args.output:
        return Lines(formats[0], not one, args.channels == "each"), wanted, 0
    files = Files(args.output, formats, args.overwrite)
    check_files(files, wanted, args.files, args.overwrite or args.resume)
    left = [recording for recording in wanted if files.missing(recording)] if args.resume else wanted
    return files, left, len(wanted) - len(left)


def _transcribe(
    args: argparse.Namespace,
    found: "Sequence[Recording | InputError]",
    wanted: "Sequence[Recording]",
    output: "Lines | Files",
    one: bool,
    there: int,
    passed_over: Sequence[str],
) -> int:
    from speechrnn.batching.engine import transcribe
    from speechrnn.cli.transcribe.report import Report

    sizes = {recording: _size(recording) for recording in wanted}
    report = Report(sum(sizes.values()), len(wanted), args.quiet, args.verbose)
    warnings.showwarning = lambda message, *_: report.warning(str(message))
    for note in passed_over:
        report.warning(note)
    for error in found:
        if isinstance(error, InputError):
            report.error(str(error))
            report.finished("", 0.0, None)
    left = f"; {there} there already" if there else ""
    try:
        if wanted:
            job = _job(args, wanted, output, report, sizes)
            with closing(transcribe(wanted, job)) as results:  # on Ctrl-C, too, which else leaves work in the threads
                for recording, result in results:
                    problem = result if isinstance(result, InputError) else _write(output, recording, result, report)
                    if problem:
                        of = (
                            "" if str(problem).startswith(recording.name) else f"{recording.name}: "
                        )  # an utterance's id
                        report.error(f"{of}{problem}")
                    seconds = None if problem or isinstance(result, InputError) else result[0].duration
                    report.finished(recording, sizes[recording], seconds)
    except KeyboardInterrupt:
        report.close()
        more = len(found) - there - report.done - report.failures
        report.summary(f"{left}; interrupted before {more} more")
        raise
    finally:
        report.close()
    if (report.done or there) and (not one or sys.stderr.isatty()):
        report.summary(left)
    return 1 if report.failures else 0


def _job(
    args: argparse.Namespace,
    wanted: "Sequence[Recording]",
    output: "Lines | Files",
    report: "Report",
    sizes: "dict[Recording, float]",
) -> "Job":
    """The model, loaded, and how it is to be used: one recording takes all the cores, several share them out."""
    from speechrnn.batch_sizes import sorted_seconds
    from speechrnn.batching.engine import Job
    from speechrnn.cli.transcribe.outputs import Lines
    from speechrnn.recognizer import Recognizer

    cores = args.threads or len(
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    workers = min(cores, len(wanted))
    threads = args.threads if workers == 1 else cores // workers
    recognizer = Recognizer(args.model, threads, **decoding.options(args))
    report.detail(f"model {recognizer.package.name}, {recognizer.decoder.description}, batches at a time: {workers}")
    job = Job(
        recognizer,
        workers,
        times=args.channels == "each" or any(FORMATS[name].times for name in output.formats),
        each=args.channels == "each",
        window=args.batch or sorted_seconds(workers),
        raw=args.raw,
        heard=lambda recording, share, seconds: report.heard(recording, share * sizes[recording], seconds),
    )
    if len(wanted) == 1 and isinstance(output, Lines) and output.as_it_comes and not args.nbest:
        job.found = partial(_aside, report, output.segment)
    return job


def _write(
    output: "Lines | Files", recording: "Recording", channels: "list[Transcript]", report: "Report"
) -> InputError | None:
    """Why it could not be written, if that concerns only this recording: that its name is too long, for example."""
    try:
        _aside(report, output.write, recording, channels)
    except BrokenPipeError:
        raise
    except OSError as error:
        if not error.filename or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        return InputError(f"{recording.name}: its result cannot be written: {reason(error)}")
    duration = channels[0].duration
    words = sum(len(transcript.text.split()) for transcript in channels)
    report.detail(f"{recording.name}: {duration:.1f} s, {len(channels)} x, {words} words")
    return None


def _aside(report: "Report", write: Callable[..., None], *arguments: object) -> None:
    if sys.stdout.isatty():
        with report.aside():
            write(*arguments)
    else:
        write(*arguments)


def _size(recording: "Recording") -> float:
    """About how much work it is, in bytes of 16-bit sound at 16 kHz."""
    if recording.duration is not None:
        return 32_000 * recording.duration
    try:
        return os.stat(recording.path).st_size
    except (OSError, ValueError):
        return 0.0
