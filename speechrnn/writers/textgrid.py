"""Praat's TextGrid."""

from typing import TYPE_CHECKING

from speechrnn.writers.stretches import milliseconds

if TYPE_CHECKING:
    from speechrnn.transcript import Transcript


def to_textgrid(id: str, *channels: "Transcript") -> str:
    """The long form: an interval tier `words`, or `channel 1`, `channel 2`..., with empty intervals between words."""
    names = ["words"] if len(channels) == 1 else [f"channel {n}" for n in range(1, len(channels) + 1)]
    length = max(_length(transcript) for transcript in channels)
    # Praat's own lines, with its space before each line's end
    lines = [
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n',
        f"xmin = 0 \nxmax = {length / 1000!r} \n",
        f"tiers? <exists> \nsize = {len(channels)} \nitem []: \n",
    ]
    for number, (name, transcript) in enumerate(zip(names, channels, strict=True), start=1):
        intervals = _intervals(transcript, length)
        lines += [
            f'    item [{number}]:\n        class = "IntervalTier" \n        name = "{name}" \n',
            f"        xmin = 0 \n        xmax = {length / 1000!r} \n        intervals: size = {len(intervals)} \n",
        ]
        for n, (start, end, text) in enumerate(intervals, start=1):
            quoted = text.replace('"', '""')
            lines.append(
                f"        intervals [{n}]:\n            xmin = {start / 1000!r} \n"
                f'            xmax = {end / 1000!r} \n            text = "{quoted}" \n'
            )
    return "".join(lines)


def _length(transcript: "Transcript") -> int:
    """Milliseconds up to the end of the recording and of its last word."""
    return max([round(transcript.duration * 1000), *(milliseconds(word)[1] for word in transcript.words or ())])


def _intervals(transcript: "Transcript", length: int) -> list[tuple[int, int, str]]:
    """(start, end, text) of words and of what lies between them, in milliseconds, from 0 to the length without a gap."""
    intervals: list[tuple[int, int, str]] = []
    at = 0
    for word in transcript.words or ():
        start, end = milliseconds(word)
        if start > at:
            intervals.append((at, start, ""))
        intervals.append((start, end, word.text))
        at = end
    if at < length or not intervals:
        intervals.append((at, length, ""))
    return intervals
