"""Files of words with times, read back."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechrnn.transcript import Transcript, Word
from speechrnn.writers import LINE, LINES, LONGEST, PAUSE, SHORTEST, WRITERS, to_ctm, to_json, to_srt, to_textgrid

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
    line = to_json("an id", transcript)
    found = json.loads(line)
    assert line.count("\n") == 1
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


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_no_words(write):
    contents = write("x", Transcript("", 2.5, ()))
    if write is to_textgrid:
        assert read_textgrid(contents) == (2.5, [("", 0.0, 2.5)])
    elif write is to_json:
        assert json.loads(contents)["words"] == []
    else:
        assert contents == ""
