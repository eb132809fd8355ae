"""What is said between two pauses: the unit in which text is laid out for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from speechrnn.transcript import Transcript, Word


PAUSE = 0.7  # seconds of silence that end a stretch, and a subtitle


class Stretch(NamedTuple):
    """A text, from `start` to `end` in seconds, and the channel that it comes from: 1 or more."""

    start: float
    end: float
    channel: int
    text: str


def stretches(channels: "Sequence[Transcript]") -> list[Stretch]:
    """Those of all channels, by their start. A channel without word times gives its segments, or else one."""
    found = [
        stretch for number, transcript in enumerate(channels, start=1) for stretch in _of_channel(number, transcript)
    ]
    return sorted(found, key=lambda stretch: (stretch.start, stretch.channel))


def turns(channels: "Sequence[Transcript]") -> list[Stretch]:
    """The stretches, with those joined that follow one another in the same channel: who speaks, and then who."""
    joined: list[Stretch] = []
    for stretch in stretches(channels):
        if joined and joined[-1].channel == stretch.channel:
            before = joined.pop()
            stretch = Stretch(before.start, stretch.end, stretch.channel, f"{before.text} {stretch.text}")
        joined.append(stretch)
    return joined


def phrases(words: "Sequence[Word]") -> "list[list[Word]]":
    """The words in groups that PAUSE seconds of silence or more lie between."""
    groups: list[list[Word]] = []
    for word in words:
        if groups and word.start - groups[-1][-1].end < PAUSE:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _of_channel(number: int, transcript: "Transcript") -> list[Stretch]:
    parts = [(part.start, part.end, part.text, part.words) for part in transcript.segments or ()]
    found = []
    for start, end, text, words in parts or [(0.0, transcript.duration, transcript.text, transcript.words)]:
        if words is None:
            found += [Stretch(start, end, number, text)] if text else []
        for group in phrases(words or ()):
            text = " ".join(word.text for word in group)
            found.append(Stretch(group[0].start, group[-1].end, number, text))
    return found


def milliseconds(word: "Word") -> tuple[int, int]:
    """Start and end, the end at least 1 ms after the start."""
    start = round(word.start * 1000)
    return start, max(round(word.end * 1000), start + 1)
