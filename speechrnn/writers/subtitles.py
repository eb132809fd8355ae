"""Subtitles, broken as subtitlers break them: SubRip and WebVTT."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from speechrnn.writers.stretches import milliseconds, phrases

if TYPE_CHECKING:
    from speechrnn.transcript import Transcript, Word

# What subtitlers keep to (the BBC's and Netflix's guides agree within a little)
LINE = 42  # characters
LINES = 2  # in a subtitle
LONGEST = 7.0  # seconds
SHORTEST = 1.0  # seconds: time to read it, where the next one does not follow sooner


class Subtitle(NamedTuple):
    """Words in lines, shown from `start` to `end`, in seconds, and the channel they are said in."""

    start: float
    end: float
    lines: "list[list[Word]]"
    channel: int


def to_srt(id: str, *channels: "Transcript") -> str:
    """SubRip subtitles, ended by pauses where there are some; see `subtitles`. Of several channels, each begins `1: `."""
    cues = []
    for number, cue in enumerate(_merged(channels, len("1: ")), start=1):
        label = f"{cue.channel}: " if len(channels) > 1 else ""
        lines = "".join(" ".join(word.text for word in line) + "\n" for line in cue.lines)
        clock = f"{_clock(cue.start)} --> {_clock(cue.end)}".replace(".", ",")
        cues.append(f"{number}\n{clock}\n{label}{lines}")
    return "\n".join(cues)


def to_vtt(id: str, *channels: "Transcript") -> str:
    """WebVTT: the same subtitles, a time before each word but the first, and the confidences in a note before each.

    Of several channels each is a voice, `<v Channel 1>`.
    """
    blocks = ["WEBVTT\n"]
    for cue in _merged(channels, indent=0):
        voice = f"<v Channel {cue.channel}>" if len(channels) > 1 else ""
        words = [word for line in cue.lines for word in line]
        first, last = round(cue.start * 1000), round(cue.end * 1000)
        lines = []
        for line in cue.lines:
            timed = []
            for word in line:
                at = milliseconds(word)[0]
                mark = f"<{_clock(at / 1000)}>" if first < at < last else ""  # the standard wants them inside, rising
                first = max(first, at)
                timed.append(mark + word.text.translate(ESCAPED))
            lines.append(" ".join(timed) + "\n")
        confidences = " ".join(f"{word.confidence:.2f}" for word in words)
        clock = f"{_clock(cue.start)} --> {_clock(cue.end)}"
        blocks.append(f"NOTE confidence {confidences}\n\n{clock}\n{voice}{''.join(lines)}")
    return "\n".join(blocks)


ESCAPED = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


def subtitles(transcript: "Transcript", channel: int = 1, indent: int = 0) -> Iterator[Subtitle]:
    """The words as subtitles of at most LINES lines of LINE characters, in order, none over another.

    A subtitle ends at a pause of PAUSE seconds, or else, when the next word does not fit into its lines or its LONGEST
    seconds, at the longest pause of its second half. Only a word that is longer than a line makes a longer line. Each
    first line has `indent` characters less, for a label.
    """
    groups = [part for phrase in phrases(transcript.words or ()) for part in _parts(phrase, indent)]
    limits = [following[0].start for following in groups[1:]] + [transcript.duration]
    for group, latest in zip(groups, limits, strict=False):
        end = min(max(group[-1].end, group[0].start + SHORTEST), latest)
        yield Subtitle(group[0].start, end, _lines(group, indent), channel)


def _merged(channels: "Sequence[Transcript]", indent: int) -> list[Subtitle]:
    """The subtitles of all channels by their start."""
    if len(channels) == 1:
        return list(subtitles(channels[0]))
    found = [cue for n, transcript in enumerate(channels, start=1) for cue in subtitles(transcript, n, indent)]
    return sorted(found, key=lambda cue: cue.start)


def _parts(phrase: "Sequence[Word]", indent: int) -> "Iterator[list[Word]]":
    """What is said between two pauses, cut to what a subtitle can hold."""
    group: list[Word] = []
    for word in phrase:
        if group and (word.end - group[0].start > LONGEST or len(_lines([*group, word], indent)) > LINES):
            middle = (len(group) + 1) // 2
            pauses = [b.start - a.end for a, b in zip(group, [*group[1:], word], strict=True)]
            cut = max(range(middle, len(group) + 1), key=lambda n: (round(pauses[n - 1], 3), n))
            yield group[:cut]
            group = group[cut:]
        group.append(word)
    if group:
        yield group


def _lines(words: "Sequence[Word]", indent: int) -> "list[list[Word]]":
    """The words in one line, or in two of like length if both fit, or else in as many as it takes.

    The first line has `indent` characters less.
    """
    if indent + _width(words) <= LINE:
        return [list(words)]
    pairs = [(words[:n], words[n:]) for n in range(1, len(words))]
    if pairs:
        longest = [max(indent + _width(first), _width(second)) for first, second in pairs]
        if min(longest) <= LINE:
            return [list(line) for line in pairs[longest.index(min(longest))]]
    lines, width = [[words[0]]], indent + len(words[0].text)
    for word in words[1:]:
        if width + 1 + len(word.text) <= LINE:
            lines[-1].append(word)
            width += 1 + len(word.text)
        else:
            lines.append([word])
            width = len(word.text)
    return lines


def _width(words: "Sequence[Word]") -> int:
    """Characters, with a space between words."""
    return sum(len(word.text) for word in words) + len(words) - 1


def _clock(seconds: float) -> str:
    """`00:01:02.345`, as WebVTT has it; SubRip has a comma."""
    minutes, left = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{left // 1000:02}.{left % 1000:03}"
