"""A transcript with word times as the text of a file: JSON, CTM, Praat TextGrid, SRT.

Each writer takes the recording's id and its `Transcript`, whose `words` are in order and do not overlap. Times are
written to the millisecond.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from speechrnn.transcript import Transcript, Word

# What subtitlers keep to (the BBC's and Netflix's guides agree within a little)
LINE = 42  # characters
LINES = 2  # in a subtitle
LONGEST = 7.0  # seconds
SHORTEST = 1.0  # seconds: time to read it, where the next one does not follow sooner
PAUSE = 0.7  # seconds of silence that end a subtitle


def to_json(id: str, transcript: Transcript) -> str:
    """One line: an object with `id`, `text`, `duration` and `words`, a list of `text`, `start`, `end`, `confidence`."""
    words = [
        {
            "text": word.text,
            "start": round(word.start, 3),
            "end": round(word.end, 3),
            "confidence": round(word.confidence, 4),
        }
        for word in transcript.words or ()
    ]
    fields = {"id": id, "text": transcript.text, "duration": round(transcript.duration, 3), "words": words}
    return json.dumps(fields, ensure_ascii=False) + "\n"


def to_ctm(id: str, transcript: Transcript) -> str:
    """NIST's CTM: `id channel start duration word confidence` a line. White space in the id becomes `_`."""
    name = "_".join(id.split()) or "audio"
    rows = []
    for word in transcript.words or ():
        start, end = _milliseconds(word)
        # A word that was written with a space inside is one field all the same
        text = "_".join(word.text.split())
        rows.append(f"{name} 1 {start / 1000:.3f} {(end - start) / 1000:.3f} {text} {word.confidence:.4f}\n")
    return "".join(rows)


def to_textgrid(id: str, transcript: Transcript) -> str:
    """Praat's TextGrid in the long form: an interval tier `words`, what lies between words as empty intervals."""
    intervals: list[tuple[int, int, str]] = []
    at = 0
    length = max([round(transcript.duration * 1000), *(_milliseconds(word)[1] for word in transcript.words or ())])
    for word in transcript.words or ():
        start, end = _milliseconds(word)
        if start > at:
            intervals.append((at, start, ""))
        intervals.append((start, end, word.text))
        at = end
    if at < length or not intervals:
        intervals.append((at, length, ""))
    # Praat's own lines, with its space before each line's end
    span = f"xmin = 0 \nxmax = {length / 1000!r} \n"
    lines = [
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n',
        span,
        "tiers? <exists> \nsize = 1 \nitem []: \n    item [1]:\n",
        '        class = "IntervalTier" \n        name = "words" \n',
        *(f"        {line}\n" for line in span.splitlines()),
        f"        intervals: size = {len(intervals)} \n",
    ]
    for number, (start, end, text) in enumerate(intervals, start=1):
        quoted = text.replace('"', '""')
        lines.append(
            f"        intervals [{number}]:\n"
            f'            xmin = {start / 1000!r} \n            xmax = {end / 1000!r} \n            text = "{quoted}" \n'
        )
    return "".join(lines)


def to_srt(id: str, transcript: Transcript) -> str:
    """SubRip subtitles of at most LINES lines of LINE characters, ended by pauses where there are some; see `subtitles`."""
    return "\n".join(
        f"{number}\n{_clock(cue.start)} --> {_clock(cue.end)}\n" + "".join(f"{line}\n" for line in cue.lines)
        for number, cue in enumerate(subtitles(transcript), start=1)
    )


class Subtitle(NamedTuple):
    """`lines` of text, shown from `start` to `end`, in seconds."""

    start: float
    end: float
    lines: list[str]


def subtitles(transcript: Transcript) -> Iterator[Subtitle]:
    """The words as subtitles, in order, none over another.

    A subtitle ends at a pause of PAUSE seconds, or else, when the next word does not fit into its lines or its LONGEST
    seconds, at the longest pause of its second half. Only a word that is longer than a line makes a longer line.
    """
    groups = list(_groups(transcript.words or ()))
    limits = [following[0].start for following in groups[1:]] + [transcript.duration]
    for group, latest in zip(groups, limits, strict=False):
        end = min(max(group[-1].end, group[0].start + SHORTEST), latest)
        yield Subtitle(group[0].start, end, _lines(group))


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and word.start - group[-1].end >= PAUSE:
            yield group
            group = []
        elif group and (word.end - group[0].start > LONGEST or len(_lines([*group, word])) > LINES):
            middle = (len(group) + 1) // 2
            pauses = [b.start - a.end for a, b in zip(group, [*group[1:], word], strict=True)]
            cut = max(range(middle, len(group) + 1), key=lambda n: (round(pauses[n - 1], 3), n))
            yield group[:cut]
            group = group[cut:]
        group.append(word)
    if group:
        yield group


def _lines(words: Sequence[Word]) -> list[str]:
    """The words in one line, or in two of like length if both fit, or else in as many as it takes."""
    texts = [word.text for word in words]
    if len(whole := " ".join(texts)) <= LINE:
        return [whole]
    pairs = [(" ".join(texts[:n]), " ".join(texts[n:])) for n in range(1, len(texts))]
    if pairs:
        pair = min(pairs, key=lambda pair: max(map(len, pair)))
        if max(map(len, pair)) <= LINE:
            return list(pair)
    lines = [texts[0]]
    for text in texts[1:]:
        if len(lines[-1]) + 1 + len(text) <= LINE:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    return lines


def _milliseconds(word: Word) -> tuple[int, int]:
    """Start and end, the end at least 1 ms after the start."""
    start = round(word.start * 1000)
    return start, max(round(word.end * 1000), start + 1)


def _clock(seconds: float) -> str:
    """SubRip's `00:01:02,345`."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"


WRITERS: dict[str, Callable[[str, Transcript], str]] = {
    "json": to_json,
    "ctm": to_ctm,
    "textgrid": to_textgrid,
    "srt": to_srt,
}
