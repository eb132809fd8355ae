"""Corpora to manifests: what every preparer shares.

A preparer (`prepare_an4`, `prepare_folder` ...) reads a corpus as its publisher ships it and yields what it finds: utterances
with the text as published, and what it could not make an utterance of. `check` then opens every audio file, normalises every
text, and sorts the two piles: nothing is dropped without a name and a reason. `dev_speakers` divides what came of it.
"""

import functools
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from speechrnn.audio import seconds_of
from speechrnn.errors import InputError
from speechrnn.files import read_text
from speechrnn.manifest import Utterance
from speechrnn.text import BOUNDARY, normaliser, raw

ENGLISH = "ABCDEFGHIJKLMNOPQRSTUVWXYZ'"  # the alphabet of AN4 and LibriSpeech
OUTSIDE = "characters outside the alphabet"  # the one reason whose details are counted by themselves
# Tables and recipes give times rounded to hundredths of a second: the end of an utterance may lie this far after the audio's.
ROUNDING_SECONDS = 0.02


@dataclass(frozen=True)
class LeftOut:
    """Something found in a corpus that is in no manifest, and why.

    `reason` is one of a few fixed phrases, so that it can be counted; `detail` is what was seen in this case. For the
    reason `OUTSIDE` it is the characters, separated by spaces.
    """

    id: str
    reason: str
    detail: str = ""
    speaker: str = ""


@dataclass(frozen=True)
class Rules:
    """What a transcript may be.

    `alphabet` holds the characters that a normalised text may have besides the space; empty allows all. The token
    boundary ``|`` is never allowed. With `nonspeech`, a recording with an empty transcript is kept as one without speech.

    Raises:
        InputError: there is no such normaliser, or the alphabet holds the token boundary.
    """

    normaliser: str
    alphabet: str = ""
    nonspeech: bool = False

    def __post_init__(self):
        normaliser(self.normaliser)
        if BOUNDARY in self.alphabet:
            raise InputError(f"alphabet: {BOUNDARY!r} stands for the space between words and cannot be a letter")

    def outside(self, text: str) -> list[str]:
        """The distinct characters of a normalised text that are not allowed, in order of appearance."""
        return [c for c in dict.fromkeys(text) if c == BOUNDARY or (self.alphabet and c not in self._allowed)]

    @functools.cached_property
    def _allowed(self) -> frozenset[str]:
        return frozenset(raw(self.alphabet)) | {" "}


@dataclass(frozen=True)
class Split:
    """One manifest to be written: its name without the suffix, its utterances, and what was left out of it."""

    name: str
    utterances: list[Utterance]
    left_out: list[LeftOut]


class _Unusable(Exception):
    """The reason and the detail of a `LeftOut`."""

    def __init__(self, reason: str, detail: str):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def total_seconds(utterances: Iterable[Utterance]) -> float:
    """How much audio the utterances of a split are: each has its duration."""
    durations = [utterance.duration for utterance in utterances]
    return sum(duration for duration in durations if duration is not None)


def check(name: str, found: Iterable[Utterance | LeftOut], rules: Rules) -> Split:
    """Normalise the texts, open the audio files, and divide what was found into utterances and what is left out.

    Every utterance of the result has a duration in seconds and an id of its own; the order is that of `found`.
    """
    taken: dict[str, Utterance] = {}
    left_out = []
    length = functools.cache(_seconds)  # a recording may hold thousands of utterances
    for item in found:
        if isinstance(item, LeftOut):
            left_out.append(item)
            continue
        try:
            if item.id in taken:
                raise _Unusable("same id as another utterance", taken[item.id].audio_filepath)
            _check_names(item)
            spoken = _check_text(item, rules)
            taken[item.id] = _check_times(spoken, length(item.audio_filepath))
        except _Unusable as problem:
            left_out.append(LeftOut(item.id, problem.reason, problem.detail, item.speaker))
    return Split(name, list(taken.values()), left_out)


def _check_names(utterance: Utterance) -> None:
    try:
        f"{utterance.id}{utterance.audio_filepath}{utterance.speaker}".encode()
    except UnicodeEncodeError:  # a file name in another encoding: it cannot stand in a manifest
        raise _Unusable("name that is not UTF-8", utterance.audio_filepath) from None


def _check_text(utterance: Utterance, rules: Rules) -> Utterance:
    text = normaliser(rules.normaliser)(utterance.text)
    unfit = [c for c in text if unicodedata.category(c) in ("Cc", "Cs")]
    if unfit:
        raise _Unusable("control character or half a surrogate pair in the text", f"U+{ord(unfit[0]):04X}")
    if not text and not utterance.nonspeech and not rules.nonspeech:
        raise _Unusable("empty transcript", "")
    if text and utterance.nonspeech:
        raise _Unusable("marked as nonspeech, and yet it has a text", text)
    outside = rules.outside(text)
    if outside:
        raise _Unusable(OUTSIDE, " ".join(outside))
    return replace(utterance, text=text, nonspeech=not text)


def _check_times(utterance: Utterance, seconds: float) -> Utterance:
    rest = seconds - utterance.offset
    duration = rest if utterance.duration is None else utterance.duration
    if rest <= 0 or duration > rest + ROUNDING_SECONDS:
        end = utterance.offset + (utterance.duration or 0.0)
        raise _Unusable("beyond the end of the audio", f"{utterance.offset:g} to {end:g} s of {seconds:g} s")
    if duration <= 0:
        raise _Unusable("duration is zero", "")
    return replace(utterance, duration=min(duration, rest))


def _seconds(path: str) -> float:
    if not os.path.isfile(path):
        raise _Unusable("missing audio", path)
    try:
        seconds = seconds_of(path)
    except InputError as error:
        raise _Unusable("unreadable audio", str(error)) from None
    if not seconds:
        raise _Unusable("audio of zero length", path)
    return seconds


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, stripped, each with its number from 1.

    Raises:
        InputError: it cannot be read or is not UTF-8.
    """
    lines = enumerate(read_text(path, "UTF-8 text").split("\n"), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def require_folder(path: Path) -> None:
    """Raises InputError if there is no such folder."""
    if not path.is_dir():
        raise InputError(f"{path}: expected the folder of a corpus, found {'a file' if path.exists() else 'nothing'}")
