"""Words and segments with times: NIST's ctm and stm, and which words of a ctm belong to a segment of an stm."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from speechrnn.errors import InputError

IGNORED = "IGNORE_TIME_SEGMENT_IN_SCORING"  # an stm segment of this text does not score, nor the words said in it
# Words that sclite does not take as they stand: `{ a / b }`, its null word `@`, `word;tag`, `mispronounced*`, `\`, `**comment`
SPECIAL = re.compile(r"\{|@$|.*[;\\]|.+\*$|\*\*|<alt", re.IGNORECASE)
SUSPECT = re.compile(r"[{@;\\*<]")  # without one of these, none of them is


class Line(NamedTuple):
    """A line that is not empty, and where it stands, for messages."""

    where: str
    text: str


class TimedWord(NamedTuple):
    """A word of a ctm file; `start` and `duration` in seconds."""

    file: str
    channel: str
    start: float
    duration: float
    text: str


class Segment(NamedTuple):
    """A segment of an stm file, `start` to `end` in seconds."""

    where: str
    file: str
    channel: str
    speaker: str
    start: float
    end: float
    text: str

    @property
    def id(self) -> str:
        return f"{self.file}-{self.channel}-{self.start:.3f}-{self.end:.3f}"

    @property
    def ignored(self) -> bool:
        return IGNORED in self.text.upper()


def words_by_segment(words: Iterable[TimedWord], segments: Iterable[Segment]) -> dict[str, str]:
    """The words that were recognised in each segment, by the segment's id, as sclite shares them out.

    Of a channel, in the order of time, each segment takes the words whose middle lies before its end and that no earlier
    segment took, and the last one all that are left: a word said outside every segment counts in the one after it. Words of
    an ignored segment are dropped. A channel without any recognised word gives nothing: its segments have no hypothesis.
    Channels that no segment names are joined, see `join_ctm`.
    """
    of_channel: dict[tuple[str, str], list[Segment]] = {}
    for segment in sorted(segments, key=lambda segment: segment.start):
        of_channel.setdefault((segment.file, segment.channel), []).append(segment)
    texts: dict[str, str] = {}
    unnamed: list[TimedWord] = []
    for channel, spoken in _channels(words).items():
        if channel not in of_channel:
            unnamed += spoken
            continue
        # sclite holds these ends, and only these, in single precision: a word whose middle is an end goes by that
        ends = np.array([segment.end for segment in of_channel[channel]], np.float32).tolist()
        shares: list[list[str]] = [[] for _ in ends]
        at = 0
        for word in spoken:
            while at < len(ends) - 1 and word.start + word.duration / 2 >= ends[at]:
                at += 1
            shares[at].append(word.text)
        for segment, share in zip(of_channel[channel], shares, strict=True):
            if not segment.ignored:
                texts[segment.id] = " ".join(share)
    return texts | join_ctm(unnamed)


def join_ctm(words: Iterable[TimedWord]) -> dict[str, str]:
    """The words of each recording in the order of time, by the file's id, or `file-channel` where it has several channels."""
    channels = _channels(words)
    count = Counter(file for file, _ in channels)
    return {
        (file if count[file] == 1 else f"{file}-{channel}"): " ".join(word.text for word in spoken)
        for (file, channel), spoken in channels.items()
    }


def _channels(words: Iterable[TimedWord]) -> dict[tuple[str, str], list[TimedWord]]:
    channels: dict[tuple[str, str], list[TimedWord]] = {}
    for word in sorted(words, key=lambda word: word.start):
        channels.setdefault((word.file, word.channel), []).append(word)
    return channels


def parse_word(line: Line) -> TimedWord:
    """A line of a ctm file.

    Raises:
        InputError: it is of another form, or the word is one of alternatives.
    """
    expected = "`file channel start duration word [confidence]`, times in seconds"
    file, channel, start, duration, text, *_ = _fields(line, expected, 5, 7)
    word = TimedWord(file, channel, _seconds(line, expected, start), _seconds(line, expected, duration), text)
    plain(line.where, text)
    return word


def parse_segment(line: Line) -> Segment:
    """A line of an stm file. A label is left out.

    Raises:
        InputError: it is of another form, or its text holds alternatives.
    """
    expected = "`file channel speaker start end [<label>] word word ...`, times in seconds"
    file, channel, speaker, start, end, *words = _fields(line, expected, 5)
    begins, ends = _seconds(line, expected, start), _seconds(line, expected, end)
    if ends < begins:
        raise InputError(f"{line.where}: expected an end that is not before the start, found {start} and {end}")
    if words and words[0].startswith("<"):  # the label, whatever it says, as for sclite
        del words[0]
    segment = Segment(line.where, file, channel, speaker, begins, ends, " ".join(words))
    if not segment.ignored:
        plain(line.where, segment.text)
    return segment


def _fields(line: Line, expected: str, least: int, most: int | None = None) -> list[str]:
    fields = line.text.split()
    if len(fields) < least or (most and len(fields) > most):
        raise InputError(f"{line.where}: expected {expected}, found {line.text[:60]!r}")
    return fields


def _seconds(line: Line, expected: str, field: str) -> float:
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(f"{line.where}: expected {expected}, found {field!r} for a time")
    return value


def plain(where: str, text: str) -> str:
    """The text with single spaces, once it is sure that sclite takes each of its words as it stands.

    Raises:
        InputError: it does not; `where` is what the message begins with.
    """
    words = text.split()
    for word in words if SUSPECT.search(text) else ():
        if SPECIAL.match(word):
            raise InputError(
                f"{where}: expected plain words, found {word!r}: alternatives, null words, tags and marks of sclite "
                "are not supported; write the word alone"
            )
    return " ".join(words)
