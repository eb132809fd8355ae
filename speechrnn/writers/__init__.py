"""Transcripts as the text of a file: plain text, JSON, subtitles, tables, and the formats of scoring tools and Praat.

Each writer takes the recording's id and its `Transcript`: `write(id, transcript)`. A telephone call whose channels were
transcribed apart has one for each, `write(id, left, right)`: what is said in it then comes in the order of time, with the number
of its channel, from 1. Words are in order and do not overlap within a channel. All but `txt` and `trn` need them; of a transcript
without words they write none. Times are written to the millisecond. An id is printable, on one line.
"""

from collections.abc import Callable
from typing import NamedTuple

from speechrnn.writers.stretches import PAUSE
from speechrnn.writers.subtitles import LINE, LINES, LONGEST, SHORTEST, to_srt, to_vtt
from speechrnn.writers.tables import to_ctm, to_json, to_jsonl, to_trn, to_tsv, to_txt
from speechrnn.writers.textgrid import to_textgrid

__all__ = [
    "FORMATS",
    "LINE",
    "LINES",
    "LONGEST",
    "PAUSE",
    "SHORTEST",
    "WRITERS",
    "Format",
    "to_ctm",
    "to_json",
    "to_jsonl",
    "to_srt",
    "to_textgrid",
    "to_trn",
    "to_tsv",
    "to_txt",
    "to_vtt",
]


class Format(NamedTuple):
    """`what` it is, for people; whether it needs the `times` of words; whether files of it can be `joined` end to end."""

    write: Callable[..., str]
    what: str
    times: bool
    joined: bool


# In the order in which the help names them. The name is also the suffix of a file.
FORMATS = {
    "txt": Format(to_txt, "the text", times=False, joined=True),
    "json": Format(to_json, "text, stretches between pauses, words with times and confidences", True, False),
    "jsonl": Format(to_jsonl, "the same on one line for each recording", times=True, joined=True),
    "srt": Format(to_srt, "subtitles (SubRip)", times=True, joined=False),
    "vtt": Format(to_vtt, "subtitles for the web (WebVTT), with the time of each word", times=True, joined=False),
    "tsv": Format(to_tsv, "start and end in milliseconds and text of each stretch", True, False),
    "ctm": Format(to_ctm, "NIST's table of words, times and confidences", times=True, joined=True),
    "trn": Format(to_trn, "NIST's text with the id behind it", times=False, joined=True),
    "textgrid": Format(to_textgrid, "a tier of words, for Praat", times=True, joined=False),
}

WRITERS: dict[str, Callable[..., str]] = {name: form.write for name, form in FORMATS.items()}
