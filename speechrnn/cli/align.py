"""Say when each word of a known text is spoken in an audio file, and how sure the model is of it.

TEXT is the words, or a .txt file of them (UTF-8). They are written as they stand in it; what the model looks for is their
form after its own normaliser. Long audio is read in windows: an hour takes a few seconds more than transcribing it.

  speechrnn align talk.wav "hello and welcome"
  speechrnn align chapter.flac chapter.txt -o chapter.TextGrid
  speechrnn align talk.wav talk.txt --format ctm | sort -k6 -n    # the least certain words first
"""

import argparse
import sys
from pathlib import Path

from speechrnn.cli import positive
from speechrnn.errors import InputError
from speechrnn.writers import WRITERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", metavar="AUDIO", help="an audio file, or - for stdin")
    parser.add_argument("text", metavar="TEXT", help="what is said in it: the words, or a .txt file")
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="a bundled model package or the directory of one (default: the bundled one)",
    )
    parser.add_argument(
        "--format", choices=WRITERS, help="what is written (default: what the name after -o ends in, else json)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to (default: stdout)")
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="CPU threads to use (default: one for each physical core)"
    )


def run(args: argparse.Namespace) -> int:
    from speechrnn.audio import source_name
    from speechrnn.manifest import write_atomically
    from speechrnn.recognizer import Recognizer

    suffix = Path(args.output or "").suffix.lower().removeprefix(".")
    write = WRITERS[args.format or (suffix if suffix in WRITERS else "json")]
    recognizer = Recognizer(args.model, args.threads)
    transcript = _aligned(recognizer, args.audio, _read_text(args.text))
    name = source_name(args.audio)
    contents = write(name if name == "stdin" else Path(name).stem, transcript)
    if args.output:
        write_atomically(args.output, contents)
    else:
        sys.stdout.write(contents)
    return 0


def _read_text(text: str) -> str:
    if not text.lower().endswith(".txt"):
        return text
    try:
        return Path(text).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{text}: expected a text in UTF-8: {error}") from None


def _aligned(recognizer, audio: str, text: str):
    """The `Transcript` of an audio file whose words are known, with their times."""
    from dataclasses import replace

    from speechrnn.audio import source_name
    from speechrnn.decoding.alignment import align_words
    from speechrnn.decoding.confidence import RAW
    from speechrnn.text import normaliser
    from speechrnn.transcript import Transcript

    package = recognizer.package
    normalise = normaliser(package.normaliser)
    # Of a word that is only punctuation a normaliser may leave nothing: it has no time
    words = [(written, spoken) for written in text.split() if (spoken := normalise(written))]
    for written, spoken in words:
        if missing := package.tokenizer.outside(spoken):
            letters = " ".join(map(repr, dict.fromkeys(missing)))
            raise InputError(
                f"the word {written!r}: the model {package.name} has no letter for {letters}: write it in the model's letters"
            )
    waveform = recognizer.read(audio)
    duration = len(waveform) / package.sample_rate
    log_probs = recognizer.acoustic.log_probs([waveform])[0]
    del waveform
    try:
        found = align_words(
            log_probs,
            [spoken for _, spoken in words],
            package.tokenizer,
            package.seconds_per_frame,
            duration,
            tuple(package.decoder.get("confidence", RAW)),
        )
    except InputError as error:
        raise InputError(f"{source_name(audio)}: {error}") from None
    timed = tuple(replace(word, text=written) for word, (written, _) in zip(found, words, strict=True))
    return Transcript(" ".join(word.text for word in timed), duration, timed)
