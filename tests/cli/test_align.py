"""`speechrnn align`, end to end, on tones whose times are known, and what cannot be aligned."""

import json
import math
import os
import subprocess
import sys
from itertools import pairwise

import pytest
import soundfile
from conftest import DESCRIPTION, RATE, TOKENS, tones

from speechrnn.alignment.confidence import CLOSEST
from speechrnn.alignment.viterbi import LEAD, TAIL
from speechrnn.cli import main
from speechrnn.package import write_package
from speechrnn.text import Tokenizer

CHARACTER, TONE = 0.2, 0.12  # seconds from one character to the next, and how long each sounds


@pytest.fixture
def align(package_dir, tmp_path, capsys):
    """Align a text with the sound of another (or of the same). Returns the exit status, stdout, and the lines of stderr."""

    def call(text, *options, sound=None, model=package_dir) -> tuple[int, str, list[str]]:
        path = tmp_path / "my talk.wav"
        soundfile.write(path, tones(text if sound is None else sound), RATE)
        arguments = ["align", str(path), text, "--model", str(model), "--threads", "1", *map(os.fspath, options)]
        status = main(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err.splitlines()

    return call


def expected_times(text):
    """(word, start, end) of the sound of a text, LEAD and TAIL included."""
    at = 0
    for word in text.split(" "):
        end = CHARACTER * (at + len(word) - 1) + TONE + TAIL
        yield word, max(CHARACTER * at - LEAD, 0), min(end, CHARACTER * len(text))
        at += len(word) + 1


def check(words, text):
    assert [word["text"] for word in words] == text.split(" ")
    for word, (_, start, end) in zip(words, expected_times(text), strict=True):
        assert (word["start"], word["end"]) == pytest.approx((start, end), abs=0.001)
        assert word["confidence"] > 0.9


def test_json_has_every_word_where_it_sounds(align):
    status, out, err = align("Hello all of you")
    assert (status, err) == (0, [])
    found = json.loads(out)
    assert (found["id"], found["text"], found["duration"]) == ("my talk", "Hello all of you", 16 * CHARACTER)
    check(found["words"], "Hello all of you")


def test_audio_of_several_windows(align):
    text = " ".join(["seven", "tones", "to", "a", "bar"] * 20)  # 78 s
    status, out, _ = align(text)
    assert status == 0
    check(json.loads(out)["words"], text)


def test_a_text_file_with_lines_and_a_mark_of_its_encoding(align, tmp_path):
    (tmp_path / "words.txt").write_text("Good\n\n morning\tall \n", encoding="utf-8-sig")
    status, out, _ = align(str(tmp_path / "words.txt"), sound="good morning all")
    assert status == 0
    check(json.loads(out)["words"], "Good morning all")


@pytest.mark.parametrize(
    ("name", "options", "beginning"),
    [
        ("a.ctm", [], "my_talk 1 0.000 0.420 ab 1.0000"),
        ("a.TextGrid", [], 'File type = "ooTextFile"'),
        ("a.srt", [], "1\n00:00:00,000 --> 00:00:01,"),
        ("a.txt", [], '{\n  "id": "my talk"'),
        ("a.srt", ["--format", "ctm"], "my_talk 1 "),
    ],
)
def test_the_format_is_named_or_follows_the_file(align, tmp_path, name, options, beginning):
    status, out, err = align("ab cd", "-o", tmp_path / name, *options)
    assert (status, out, err) == (0, "", [])
    assert (tmp_path / name).read_text().startswith(beginning)


def test_from_stdin(package_dir, tmp_path):
    soundfile.write(tmp_path / "a.wav", tones("ab"), RATE)
    command = [sys.executable, "-m", "speechrnn", "align", "-", "ab", "--model", package_dir, "--format", "ctm"]
    done = subprocess.run(command, input=(tmp_path / "a.wav").read_bytes(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"stdin 1 0.000 ")


def test_no_text_has_no_words(align):
    status, out, err = align("", sound="a")
    assert (status, err) == (0, [])
    assert json.loads(out)["words"] == []


def test_a_text_that_is_not_spoken_has_little_confidence(align):
    right, wrong = (json.loads(align(text, sound="abcdefgh")[1])["words"] for text in ("abcdefgh", "zyxwvuts"))
    assert right[0]["confidence"] > 0.9
    assert wrong[0]["confidence"] < 0.1


def test_the_packages_calibration_is_applied(align, tone_onnx, tmp_path):
    description = DESCRIPTION | {"decoder": {"method": "greedy", "confidence": [1.0, -9.0]}}
    write_package(tmp_path / "calibrated", tone_onnx, Tokenizer(TOKENS), description, "# tones\n")
    raw = json.loads(align("abc")[1])["words"][0]["confidence"]
    (found,) = json.loads(align("abc", "--model", tmp_path / "calibrated")[1])["words"]
    assert raw == 1.0  # as near to it as a calibration takes it: log-odds of log(1 / CLOSEST)
    assert found["confidence"] == pytest.approx(1 / (1 + CLOSEST * math.exp(9)), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ab naïve cd", "the word 'naïve': the model tones has no letter for 'Ï': write it in the model's letters"),
        ("ab x-1-x", "the word 'x-1-x': the model tones has no letter for '-' '1': write it in the model's letters"),
        ("abc " * 9, "my talk.wav: the text is longer than the audio can hold: its 35 tokens need 35 frames, found 10"),
        ("missing.txt", "missing.txt: expected a text in UTF-8"),
    ],
)
def test_what_cannot_be_aligned_is_named_on_one_line(align, text, message):
    status, out, err = align(text, sound="ab")
    assert (status, out, len(err)) == (1, "", 1)
    assert message in err[0]


def test_a_text_file_that_is_no_text(align, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    status, _, err = align(str(tmp_path / "a.txt"), sound="ab")
    assert (status, len(err)) == (1, 1)
    assert "a.txt: expected a text in UTF-8" in err[0]


def test_all_formats_agree(align):
    text = "one two three four"
    words = json.loads(align(text)[1])["words"]
    rows = [line.split() for line in align(text, "--format", "ctm")[1].splitlines()]
    assert [row[4] for row in rows] == text.split()
    assert [float(row[2]) for row in rows] == [word["start"] for word in words]
    assert [float(row[2]) + float(row[3]) for row in rows] == pytest.approx([word["end"] for word in words])
    grid = align(text, "--format", "textgrid")[1]
    srt = align(text, "--format", "srt")[1]
    assert all(f'text = "{word}"' in grid and word in srt for word in text.split())
    assert all(before["end"] <= after["start"] for before, after in pairwise(words))
