"""Folders and tables of anybody's recordings."""

import json
import shutil
import subprocess
import unicodedata

import numpy as np
import pytest
import soundfile

from speechrnn.data.corpora import Rules
from speechrnn.data.corpora.folder import prepare_folder
from speechrnn.errors import InputError

RAW = Rules("raw")


def tone(path, seconds=1.0, rate=8000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.1 * np.sin(np.arange(round(seconds * rate)) * 0.3)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)


def only(source, rules=RAW):
    (split,) = prepare_folder(source, rules)
    assert split.name == "all"
    return split


def reasons(split):
    return {(item.id, item.reason) for item in split.left_out}


def test_side_by_side_in_any_depth(tmp_path):
    tone(tmp_path / "b" / "c" / "one two.wav", 0.5)
    (tmp_path / "b" / "c" / "one two.txt").write_text("\ufeffzwei  Wörter\nüber Zeilen\n", encoding="utf-8")
    tone(tmp_path / "a.FLAC", 0.25, rate=48000, channels=2)
    (tmp_path / "a.txt").write_text("Stereo")
    split = only(tmp_path)
    assert [(u.id, u.text, u.duration) for u in split.utterances] == [
        ("a", "Stereo", 0.25),
        ("b/c/one_two", "zwei Wörter über Zeilen", 0.5),
    ]
    assert not split.left_out


def test_folders_are_speakers_where_there_are_several(tmp_path):
    for name in ("ann lee/1/a", "ann lee/2/b", "bob/c", "d"):
        tone(tmp_path / "wav" / f"{name}.wav", 0.1)
        (tmp_path / "wav" / f"{name}.txt").write_text("hm")
    assert {u.id: u.speaker for u in only(tmp_path).utterances} == {
        "wav/ann_lee/1/a": "ann_lee",
        "wav/ann_lee/2/b": "ann_lee",
        "wav/bob/c": "bob",
        "wav/d": "",
    }
    assert [u.speaker for u in only(tmp_path / "wav" / "bob").utterances] == [""]


def test_what_has_no_pair_and_what_cannot_be_read_is_named(tmp_path):
    for name in ("good", "silent", "latin", "alone", "empty"):
        tone(tmp_path / f"{name}.wav", 0.0 if name == "empty" else 0.1)
        (tmp_path / f"{name}.txt").write_text("hm")
    (tmp_path / "silent.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes("Käse".encode("latin-1"))
    (tmp_path / "alone.txt").rename(tmp_path / "README.txt")
    (tmp_path / "broken.wav").write_bytes(b"not a wave")
    (tmp_path / "broken.txt").write_text("hm")
    tone(tmp_path / "good.flac", 0.1)
    split = only(tmp_path)
    assert [u.audio_filepath for u in split.utterances] == [str(tmp_path / "good.flac")]
    assert reasons(split) == {
        ("alone", "audio without a .txt beside it"),
        ("broken", "unreadable audio"),
        ("empty", "audio of zero length"),
        ("good", "same id as another utterance"),
        ("latin", "unreadable transcript"),
        ("README", ".txt without audio beside it"),
        ("silent", "empty transcript"),
    }


def test_nonspeech_only_with_the_flag(tmp_path):
    tone(tmp_path / "noise.wav")
    (tmp_path / "noise.txt").write_text("")
    tone(tmp_path / "word.wav")
    (tmp_path / "word.txt").write_text("word")
    assert reasons(only(tmp_path)) == {("noise", "empty transcript")}
    split = only(tmp_path, Rules("raw", nonspeech=True))
    assert [(u.id, u.text, u.nonspeech) for u in split.utterances] == [("noise", "", True), ("word", "word", False)]


def test_alphabet_after_normalising_and_never_the_boundary(tmp_path):
    texts = {"plain": "abc", "accent": "cafe\u0301", "bar": "a|b", "digit": "a1 b2 1"}
    for name, text in texts.items():
        tone(tmp_path / f"{name}.wav", 0.1)
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    assert reasons(only(tmp_path)) == {("bar", "characters outside the alphabet")}
    split = only(tmp_path, Rules("upper", "ABCDEF" + unicodedata.normalize("NFD", "É")))
    assert {u.text for u in split.utterances} == {"ABC", "CAFÉ"}
    assert {(item.id, item.detail) for item in split.left_out} == {("bar", "|"), ("digit", "1 2")}
    with pytest.raises(InputError, match="alphabet"):
        Rules("raw", "ab|")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_the_same_table_in_three_formats(tmp_path, suffix):
    tone(tmp_path / "audio" / "talk.wav", 10.0)
    tone(tmp_path / "audio" / "x" / "short.wav", 1.5)
    rows = [
        {"path": "audio/talk.wav", "sentence": "the first", "client_id": "ann", "offset": 0, "duration": 2.5},
        {"path": "audio/talk.wav", "sentence": "the rest", "client_id": "bob", "offset": 2.5, "duration": ""},
        {"path": "audio/x/short.wav", "sentence": "he said hm", "client_id": "", "offset": "", "duration": 1.507},
    ]
    table = tmp_path / f"table.{suffix}"
    if suffix == "jsonl":
        table.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    else:
        separator = {"csv": ",", "tsv": "\t"}[suffix]
        lines = [separator.join(map(str, line)) for line in [rows[0].keys(), *(row.values() for row in rows)]]
        table.write_text("\r\n".join(lines) + "\r\n")
    split = only(table)
    assert not split.left_out
    assert [(u.id, u.speaker, u.offset, u.duration, u.text) for u in split.utterances] == [
        ("audio/talk", "ann", 0.0, 2.5, "the first"),
        ("audio/talk-2.50", "bob", 2.5, 7.5, "the rest"),
        ("audio/x/short", "", 0.0, 1.5, "he said hm"),
    ]


def test_quotation_marks_in_csv_and_in_tsv(tmp_path):
    tone(tmp_path / "a.wav", 0.1)
    (tmp_path / "t.csv").write_text('file,text\na.wav,"well, ""no"""\n')
    (tmp_path / "t.tsv").write_text('file\ttext\na.wav\t"no" he said\n')
    assert only(tmp_path / "t.csv").utterances[0].text == 'well, "no"'
    assert only(tmp_path / "t.tsv").utterances[0].text == '"no" he said'


def test_bad_rows_are_named_by_line(tmp_path):
    tone(tmp_path / "a.wav", 1.0)
    (tmp_path / "t.csv").write_text(
        "audio,text,offset,duration,id,nonspeech\n"
        "a.wav,fine,,,one,\n"
        "a.wav,short row\n"
        ",no audio,,,,\n"
        "a.wav,soon,-1,,,\n"
        "a.wav,long,,soon,,\n"
        "a.wav,later,0.5,0.6,late,\n"
        "a.wav,never,1.0,,never,\n"
        "a.wav,again,,,one,\n"
        "b.wav,gone,,,gone,\n"
        "a.wav,,,,noise,True\n"
        "a.wav,talk,,,both,true\n"
        "a.wav,talk,,,what,perhaps\n"
        "a.wav,talk,,0,nothing,\n"
    )
    split = only(tmp_path / "t.csv")
    assert [(u.id, u.nonspeech) for u in split.utterances] == [("one", False), ("noise", True)]
    assert reasons(split) == {
        ("t.csv:3", "bad row"),
        ("t.csv:4", "bad row"),
        ("t.csv:5", "bad row"),
        ("t.csv:6", "bad row"),
        ("late", "beyond the end of the audio"),
        ("never", "beyond the end of the audio"),
        ("one", "same id as another utterance"),
        ("gone", "missing audio"),
        ("both", "marked as nonspeech, and yet it has a text"),
        ("t.csv:13", "bad row"),
        ("nothing", "duration is zero"),
    }


def test_bad_json_rows_are_named_by_line(tmp_path):
    tone(tmp_path / "a.wav", 0.1)
    lines = [{"audio": "a.wav", "text": "a"}, ["a.wav"], {"audio": ["a.wav"]}, {"audio": "a.wav", "duration": True}]
    (tmp_path / "t.jsonl").write_text("\n".join([*map(json.dumps, lines), "{"]))
    assert reasons(only(tmp_path / "t.jsonl")) == {(f"t.jsonl:{n}", "bad row") for n in (2, 3, 4, 5)}


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("t.csv", "sound;words\n1;2\n", "audio_filepath.*found sound, words"),
        ("t.csv", "audio,words\n", "column for the text.*found audio, words"),
        ("t.csv", "", "found nothing"),
        ("t.csv", "audio,text\n", "no row"),
        ("t.csv", 'audio,text\na,"b\n', "t.csv, line 2"),
        ("t.xlsx", "PK", r"expected a folder or a table.*\.xlsx; save the spreadsheet as CSV UTF-8"),
        ("t.jsonl", "\n", "no row"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, name, contents, message):
    (tmp_path / name).write_text(contents)
    with pytest.raises(InputError, match=message):
        prepare_folder(tmp_path / name, RAW)


def test_a_folder_without_pairs_says_so_and_points_at_a_table(tmp_path):
    tone(tmp_path / "a.wav", 0.1)
    (tmp_path / "metadata.csv").write_text("file,text\na.wav,hm\n")
    with pytest.raises(InputError, match=r"found 1 audio and 0 \.txt files and no pair; .*metadata\.csv"):
        prepare_folder(tmp_path, RAW)
    with pytest.raises(InputError, match="found nothing"):
        prepare_folder(tmp_path / "nowhere", RAW)


def test_a_table_of_a_spreadsheet_that_writes_semicolons(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16000)
    (tmp_path / "t.csv").write_text("audio;text\na.wav;one, two\n")
    [split] = prepare_folder(tmp_path / "t.csv", Rules("raw", "", False))
    assert [u.text for u in split.utterances] == ["one, two"]


def test_a_duration_is_that_of_the_data_and_not_of_the_header(tmp_path):
    for name in ("open", "twice", "cut"):
        (tmp_path / f"{name}.txt").write_text("words")
    tone(tmp_path / "open.wav", 2.0)
    whole = (tmp_path / "open.wav").read_bytes()
    (tmp_path / "open.wav").write_bytes(whole[:40] + bytes(4) + whole[44:])
    random = np.random.default_rng(0).normal(0, 0.1, 16000)
    soundfile.write(tmp_path / "twice.flac", random, 8000)
    coded = (tmp_path / "twice.flac").read_bytes()
    (tmp_path / "twice.flac").write_bytes(coded * 2)
    (tmp_path / "cut.flac").write_bytes(coded[: len(coded) // 2])
    with pytest.warns(UserWarning, match="cut.flac: its header states 2.00 s, it ends at"):
        durations = {utterance.id: utterance.duration for utterance in only(tmp_path).utterances}
    assert durations["open"] == 2.0 and durations["twice"] == 4.0 and 0.5 < durations["cut"] < 1.1


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg")
def test_recordings_of_phones_are_not_passed_over(tmp_path, monkeypatch):
    tone(tmp_path / "a.wav", 1.0, rate=16000)
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", tmp_path / "b.m4a"], check=True)
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("words")
    assert [u.duration for u in only(tmp_path).utterances] == [1.0, pytest.approx(1.0, abs=0.1)]
    monkeypatch.setenv("PATH", "")
    (item,) = only(tmp_path).left_out
    assert (item.id, item.reason) == ("b", "unreadable audio") and "install it" in item.detail
