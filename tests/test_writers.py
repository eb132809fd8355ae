"""Files of words with times, read back."""

import html
import json
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechrnn.transcript import Hypothesis, Segment, Transcript, Word
from speechrnn.writers import (
    FORMATS,
    LINE,
    LINES,
    LONGEST,
    PAUSE,
    SHORTEST,
    WRITERS,
    to_ctm,
    to_json,
    to_jsonl,
    to_srt,
    to_textgrid,
    to_trn,
    to_tsv,
    to_txt,
    to_vtt,
)

LETTERS = st.characters(codec="utf-8", exclude_categories=("Z", "C"))


@st.composite
def transcripts(draw):
    """Words of 10 ms to 2 s, with and without pauses between them."""
    at = draw(st.floats(0, 5))
    words = []
    for written in draw(st.lists(st.text(LETTERS, min_size=1, max_size=15), max_size=60)):
        length, pause = draw(st.floats(0.01, 2)), draw(st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.35, 3.0]))
        words.append(Word(written, at, at + length, draw(st.floats(0, 1))))
        at += length + pause
    return Transcript(" ".join(word.text for word in words), at + 0.01, tuple(words))


def times(transcript):
    return [
        (word.text, pytest.approx(word.start, abs=6e-4), pytest.approx(word.end, abs=6e-4)) for word in transcript.words
    ]


@settings(deadline=None)
@given(transcripts())
def test_json(transcript):
    found = json.loads(to_json("an id", transcript))
    assert (found["id"], found["text"]) == ("an id", transcript.text)
    assert [(word["text"], word["start"], word["end"]) for word in found["words"]] == times(transcript)


@settings(deadline=None)
@given(transcripts())
def test_ctm_rows(transcript):
    rows = [line.split(" ") for line in to_ctm("an id", transcript).split("\n")]
    assert rows.pop() == [""]
    assert all(row[:2] == ["an_id", "1"] and 0 <= float(row[5]) <= 1 for row in rows)
    found = [(row[4], float(row[2]), float(row[2]) + float(row[3])) for row in rows]
    assert [(text, start, pytest.approx(end)) for text, start, end in found] == times(transcript)
    assert all(float(row[3]) > 0 for row in rows)
    assert all(before[2] <= after[1] + 1e-9 for before, after in pairwise(found))


def read_textgrid(contents):
    """The intervals of the only tier as Praat reads them: numbers and quoted strings in order, all else being comment."""
    values = re.findall(r'"((?:[^"]|"")*)"|<exists>|(?<![\w\[])(-?\d+(?:\.\d+)?)(?![\w\]])', contents)
    values = [number or text.replace('""', '"') for text, number in values]
    assert values[:2] == ["ooTextFile", "TextGrid"]
    xmin, xmax, _, tiers, kind, name, start, end, count, *rest = values[2:]
    assert (tiers, kind, name, start, end) == ("1", "IntervalTier", "words", xmin, xmax)
    intervals = [(rest[i + 2], float(rest[i]), float(rest[i + 1])) for i in range(0, len(rest), 3)]
    assert len(intervals) == int(count)
    return float(xmax), intervals


@settings(deadline=None)
@given(transcripts())
def test_textgrid_covers_the_recording_without_gap(transcript):
    length, intervals = read_textgrid(to_textgrid("an id", transcript))
    assert length == pytest.approx(transcript.duration, abs=6e-4)
    assert (intervals[0][1], intervals[-1][2]) == (0, length)
    assert all(before[2] == after[1] for before, after in pairwise(intervals))
    assert all(start < end for _, start, end in intervals)
    assert [interval for interval in intervals if interval[0]] == times(transcript)


def test_textgrid_by_hand():
    """As Praat 6 saves it, but for decimals."""
    transcript = Transcript('so "so"', 1.0, (Word("so", 0.25, 0.5, 1.0), Word('"so"', 0.5, 0.75, 1.0)))
    assert to_textgrid("x", transcript).splitlines() == [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0 ",
        "xmax = 1.0 ",
        "tiers? <exists> ",
        "size = 1 ",
        "item []: ",
        "    item [1]:",
        '        class = "IntervalTier" ',
        '        name = "words" ',
        "        xmin = 0 ",
        "        xmax = 1.0 ",
        "        intervals: size = 4 ",
        *interval(1, "0.0", "0.25", ""),
        *interval(2, "0.25", "0.5", "so"),
        *interval(3, "0.5", "0.75", '""so""'),
        *interval(4, "0.75", "1.0", ""),
    ]


def interval(number, start, end, text):
    inner = (f"xmin = {start} ", f"xmax = {end} ", f'text = "{text}" ')
    return [f"        intervals [{number}]:", *(f"            {line}" for line in inner)]


def read_srt(contents):
    """(start, end, lines) of each subtitle, in seconds."""
    cues = []
    for number, block in enumerate(contents.split("\n\n") if contents else [], start=1):
        first, clock, *lines = block.rstrip("\n").split("\n")
        assert first == str(number)
        match = re.fullmatch(r"(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})", clock)
        h, m, s, ms, h2, m2, s2, ms2 = map(int, match.groups())
        cues.append((3600 * h + 60 * m + s + ms / 1000, 3600 * h2 + 60 * m2 + s2 + ms2 / 1000, lines))
    return cues


@settings(deadline=None)
@given(transcripts())
def test_srt(transcript):
    cues = read_srt(to_srt("an id", transcript))
    words = list(transcript.words)
    for start, end, lines in cues:
        assert len(lines) <= LINES
        assert all(len(line) <= LINE for line in lines)
        own, words = words[: len(" ".join(lines).split(" "))], words[len(" ".join(lines).split(" ")) :]
        assert " ".join(lines) == " ".join(word.text for word in own)
        assert start == pytest.approx(own[0].start, abs=6e-4)
        assert end >= own[-1].end - 6e-4
        assert end - start <= max(LONGEST, SHORTEST) + 0.002
        assert all(after.start - before.end < PAUSE for before, after in pairwise(own))
    assert words == []
    assert all(before[1] <= after[0] for before, after in pairwise(cues))


def spoken(text, pauses=(), at=0.0):
    """A word every 0.3 s, and a pause of so many seconds after the words with these numbers."""
    words = []
    for number, word in enumerate(text.split()):
        words.append(Word(word, at, at + 0.3, 1.0))
        at += 0.3 + dict(pauses).get(number, 0.0)
    return Transcript(text, at + 10, tuple(words))


def test_a_pause_ends_a_subtitle_and_a_short_one_stays_to_be_read():
    cues = read_srt(to_srt("x", spoken("yes well then", [(0, 2.0)])))
    assert cues == [(0.0, SHORTEST, ["yes"]), (2.3, 2.3 + SHORTEST, ["well then"])]


def test_a_full_subtitle_ends_at_the_longest_pause_of_its_second_half():
    text = " ".join(["abcdefghi"] * 12)  # 4 to a line
    (_, _, first), (start, _, second) = read_srt(to_srt("x", spoken(text, [(1, 0.5), (5, 0.3), (6, 0.2)])))
    assert [len(line.split()) for line in first] == [3, 3]
    assert start == pytest.approx(6 * 0.3 + 0.8)
    assert [len(line.split()) for line in second] == [3, 3]


def test_a_word_longer_than_a_line_is_not_broken():
    (cue,) = read_srt(to_srt("x", spoken("a" * 60)))
    assert cue[2] == ["a" * 60]


def test_after_the_first_hour():
    assert to_srt("x", spoken("late", at=2 * 3600 + 61.0009)).splitlines()[1] == "02:01:01,001 --> 02:01:02,001"


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_said(name):
    contents = WRITERS[name]("x", Transcript("", 2.5, ()))
    if name == "textgrid":
        assert read_textgrid(contents) == (2.5, [("", 0.0, 2.5)])
    elif name in ("json", "jsonl"):
        assert json.loads(contents) == {"id": "x", "text": "", "duration": 2.5, "segments": [], "words": []}
    else:
        expected = {"txt": "\n", "tsv": "start\tend\ttext\n", "vtt": "WEBVTT\n", "trn": " (x)\n"}
        assert contents == expected.get(name, "")


@settings(deadline=None)
@given(transcripts())
def test_json_lines_hold_the_same_on_one_line(transcript):
    line = to_jsonl("an id", transcript)
    assert json.loads(line) == json.loads(to_json("an id", transcript))
    assert line.count("\n") == 1


def read_vtt(contents):
    """(start, end, [(word, start)], confidences, voice) of each cue, as the standard's cue text is read."""
    assert contents.startswith("WEBVTT\n")
    blocks = contents.split("\n\n")[1:]
    cues = []
    for note, cue in zip(blocks[::2], blocks[1::2], strict=True):
        confidences = [float(x) for x in note.removeprefix("NOTE confidence ").split()]
        clock, *lines = cue.rstrip("\n").split("\n")
        start, end = map(vtt_seconds, clock.split(" --> "))
        voice, text = re.fullmatch(r"(?:<v ([^>]*)>)?(.*)", "\n".join(lines), re.DOTALL).groups()
        words, at = [], start
        for piece in text.split():
            mark, word = re.fullmatch(r"(?:<([\d:.]+)>)?([^<>]*)", piece).groups()
            if mark:
                assert at < vtt_seconds(mark) < end
                at = vtt_seconds(mark)
            words.append((html.unescape(word), at))
        cues.append((start, end, words, confidences, voice))
    return cues


def vtt_seconds(clock):
    hours, minutes, seconds = re.fullmatch(r"(\d\d+):(\d\d):(\d\d\.\d{3})", clock).groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


@settings(deadline=None)
@given(transcripts())
def test_vtt_has_the_subtitles_of_srt_with_times_and_confidences(transcript):
    cues = read_vtt(to_vtt("x", transcript))
    expected = read_srt(to_srt("x", transcript))
    assert [(start, end) for start, end, *_ in cues] == [
        (pytest.approx(start), pytest.approx(end)) for start, end, _ in expected
    ]
    words = [word for *_, words, _, _ in cues for word in words]
    assert words == [(word.text, pytest.approx(word.start, abs=6e-4)) for word in transcript.words]
    confidences = [confidence for *_, own, _ in cues for confidence in own]
    assert confidences == pytest.approx([word.confidence for word in transcript.words], abs=0.0051)


@settings(deadline=None)
@given(transcripts())
def test_tsv_has_the_stretches_between_pauses(transcript):
    header, *rows = [line.split("\t") for line in to_tsv("x", transcript).splitlines()]
    assert header == ["start", "end", "text"]
    assert " ".join(text for *_, text in rows) == transcript.text
    ends = [int(end) / 1000 for _, end, _ in rows]
    starts = [int(start) / 1000 for start, *_ in rows]
    assert all(start - end >= PAUSE - 0.0011 for end, start in zip(ends, starts[1:], strict=False))
    pauses = [after.start - before.end for before, after in pairwise(transcript.words)]
    assert len(rows) == (1 + sum(pause >= PAUSE for pause in pauses) if transcript.words else 0)


def call():
    """Two who take turns, one of whom is interrupted."""
    left = [(0.0, "hello"), (0.5, "there"), (5.0, "good"), (5.5, "bye")]
    right = [(2.0, "yes"), (5.2, "bye")]
    return [
        Transcript(" ".join(text for _, text in said), 7.0, tuple(Word(text, at, at + 0.4, 0.9) for at, text in said))
        for said in (left, right)
    ]


def test_a_call_in_each_format():
    assert to_txt("x", *call()) == "1: hello there\n2: yes\n1: good bye\n2: bye\n"
    assert to_trn("x", *call()) == "hello there good bye (x-1)\nyes bye (x-2)\n"
    assert to_tsv("x", *call()).splitlines()[:3] == [
        "start\tend\tchannel\ttext",
        "0\t900\t1\thello there",
        "2000\t2400\t2\tyes",
    ]
    assert [line.split()[1] for line in to_ctm("x", *call()).splitlines()] == list("111122")
    assert [lines for *_, lines in read_srt(to_srt("x", *call()))] == [
        ["1: hello there"],
        ["2: yes"],
        ["1: good bye"],
        ["2: bye"],
    ]
    assert [voice for *_, voice in read_vtt(to_vtt("x", *call()))] == [f"Channel {n}" for n in (1, 2, 1, 2)]
    found = json.loads(to_json("x", *call()))
    assert found["text"] == "hello there yes good bye bye"
    assert found["channels"] == [{"channel": 1, "text": "hello there good bye"}, {"channel": 2, "text": "yes bye"}]
    assert [(word["text"], word["channel"]) for word in found["words"]] == [
        ("hello", 1),
        ("there", 1),
        ("yes", 2),
        ("good", 1),
        ("bye", 2),
        ("bye", 1),
    ]
    grid = to_textgrid("x", *call())
    assert re.findall(r'name = "(.*)"', grid) == ["channel 1", "channel 2"] and "size = 2 \n" in grid


@settings(deadline=None)
@given(transcripts(), transcripts())
def test_a_label_takes_its_place_in_the_line(left, right):
    cues = read_srt(to_srt("x", left, right))
    assert all(lines[0][:3] in ("1: ", "2: ") for *_, lines in cues)
    assert all(len(line) <= LINE for *_, lines in cues for line in lines)
    assert [start for start, *_ in cues] == sorted(start for start, *_ in cues)


def test_the_segments_of_a_long_recording_are_lines():
    segments = (Segment("one two", 0.5, 1.5), Segment("three", 40.0, 41.0))
    transcript = Transcript("one two three", 50.0, segments=segments)
    assert to_txt("x", transcript) == "one two\nthree\n"
    assert to_trn("x", transcript) == "one two three (x)\n"
    assert to_tsv("x", transcript).splitlines()[1:] == ["500\t1500\tone two", "40000\t41000\tthree"]


def test_the_n_best_are_in_json():
    best = (Hypothesis("a b", (1, 2), -1.5, -1.25, -0.25), Hypothesis("a", (1,), -2.0, -2.0, 0.0))
    found = json.loads(to_json("x", Transcript("a b", 1.0, (), best)))
    assert found["hypotheses"] == [
        {"text": "a b", "score": -1.5, "acoustic": -1.25, "language": -0.25},
        {"text": "a", "score": -2.0, "acoustic": -2.0, "language": 0.0},
    ]


def test_ids_that_a_format_cannot_hold():
    transcript = Transcript("hi", 1.0, (Word("hi", 0.0, 0.5, 1.0),))
    assert to_trn("a (b) c", transcript) == "hi (a_b_c)\n"
    assert to_ctm("a (b) c", transcript).startswith("a_(b)_c 1 ")
