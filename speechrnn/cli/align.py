"""Say when each word of a known text is spoken in an audio file, and how sure the
model is of it.

TEXT is the words, or a .txt file of them (UTF-8). They are written as they
stand in it; what the model looks for is their form after its own normaliser.
Long audio is read in windows: an hour takes a few seconds more than
transcribing it.

  speechrnn align talk.wav "hello and welcome"
  speechrnn align chapter.flac chapter.txt -o chapter.TextGrid
  speechrnn align talk.wav talk.txt --format ctm | sort -k6 -n   # worst first
"""

import argparse
import sys
from pathlib import Path

from speechrnn.cli import PACKAGE, positive
from speechrnn.files import read_text
from speechrnn.writers import FORMATS

TIMED = [name for name, form in FORMATS.items() if form.times]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", metavar="AUDIO", help="an audio file, or - for stdin")
    parser.add_argument("text", metavar="TEXT", help="what is said in it: the words, or a .txt file")
    parser.add_argument("--model", metavar="NAME|PATH|URL", help=f"{PACKAGE} (default: english)")
    parser.add_argument(
        "--format", choices=TIMED, help="what is written (default: what the name after -o ends in, else json)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to (default: stdout)")
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="CPU threads to use (default: one for each physical core)"
    )


def run(args: argparse.Namespace) -> int:
    from speechrnn.audio import source_name
    from speechrnn.files import write_atomically
    from speechrnn.recognizer import Recognizer

    suffix = Path(args.output or "").suffix.lower().removeprefix(".")
    write = FORMATS[args.format or (suffix if suffix in TIMED else "json")].write
    transcript = Recognizer(args.model, args.threads, lm=False).align(args.audio, _text(args.text))
    name = source_name(args.audio)
    contents = write(name if name == "stdin" else Path(name).stem, transcript)
    if args.output:
        write_atomically(args.output, contents)
    else:
        sys.stdout.write(contents)
    return 0


def _text(text: str) -> str:
    if not text.lower().endswith(".txt"):
        return text
    return read_text(text, "a text in UTF-8")
