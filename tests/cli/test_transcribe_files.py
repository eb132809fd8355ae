"""Where `speechrnn transcribe` puts its results, what it will not write over, and what it takes as input beside audio files."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile
from conftest import RATE, tones

from speechrnn.batching.engine import Job
from speechrnn.batching.engine import transcribe as results_of
from speechrnn.batching.recordings import Recording
from speechrnn.cli import main
from speechrnn.manifest import Utterance, write_manifest
from speechrnn.recognizer import Recognizer
from speechrnn.writers import FORMATS


@pytest.fixture
def transcribe(package_dir, capsys):
    """Run the command in this process. Returns the exit status, stdout, and the lines of stderr."""

    def call(*arguments, threads=2) -> tuple[int, str, list[str]]:
        options = ["--model", str(package_dir), "--threads", str(threads)]
        try:
            status = main(["transcribe", *options, *map(os.fspath, arguments)])
        except SystemExit as stop:
            status = stop.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err.splitlines()

    return call


def command(package_dir, *arguments):
    return [sys.executable, "-m", "speechrnn", "transcribe", "--model", package_dir, "--threads", "1", *arguments]


def write(path, text, rate=RATE, **form):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tones(text, rate), rate, **form)
    return path


def tree(folder):
    """The files below a folder and what is in them."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_each_format_on_stdout_and_as_a_file_is_the_same(transcribe, tmp_path):
    path = write(tmp_path / "a b.wav", "good day")
    for name in FORMATS:
        status, out, err = transcribe(path, "--format", name)
        assert (status, err) == (0, [])
        assert transcribe(path, "--format", name, "-o", tmp_path / "out") == (0, "", [])
        suffix = "TextGrid" if name == "textgrid" else name
        assert (tmp_path / "out" / f"a b.{suffix}").read_text() == out
        assert "good" in out


def test_word_times_are_those_of_the_tones(transcribe, tmp_path):
    found = json.loads(transcribe(write(tmp_path / "a.wav", "ab cd"), "--format", "json")[1])
    assert (found["id"], found["text"], found["duration"]) == ("a", "ab cd", 1.0)
    first, second = found["words"]
    assert (first["start"], second["start"]) == (pytest.approx(0.0, abs=0.1), pytest.approx(0.6, abs=0.1))
    assert first["confidence"] > 0.9


def test_a_folder_keeps_its_structure(transcribe, tmp_path):
    for name in ("one.wav", "deep/two.flac", "deep/er/three.wav"):
        write(tmp_path / "in" / name, "abc")
    status, out, err = transcribe(tmp_path / "in", "-o", tmp_path / "in" / "out", "--format", "txt,trn", "-f", "ctm")
    assert (status, out, len(err)) == (0, "", 1)
    found = tree(tmp_path / "in" / "out")
    assert sorted(found) == sorted(
        f"{stem}.{form}" for stem in ("one", "deep/two", "deep/er/three") for form in ("txt", "trn", "ctm")
    )
    assert found["deep/er/three.trn"] == "abc (deep/er/three)\n"
    assert re.fullmatch(r"deep/two 1 0\.\d{3} 0\.\d{3} abc \d\.\d{4}\n", found["deep/two.ctm"])
    status, out, _ = transcribe(tmp_path / "in", "--format", "trn")
    assert out == "abc (deep/er/three)\nabc (deep/two)\nabc (one)\n"


def test_what_is_there_is_kept_replaced_or_left(transcribe, tmp_path):
    for text in ("one", "two", "three"):
        write(tmp_path / "in" / f"{text}.wav", text)
    out = tmp_path / "out"
    out.mkdir()
    (out / "two.txt").write_text("mine")
    status, _, err = transcribe(tmp_path / "in", "-o", out, "--format", "txt,trn")
    assert (status, tree(out)) == (1, {"two.txt": "mine"})
    assert len(err) == 1 and str(out / "two.txt") in err[0] and "--resume" in err[0] and "--overwrite" in err[0]
    status, _, err = transcribe(tmp_path / "in", "-o", out, "--format", "txt,trn", "--resume")
    assert status == 0 and err[-1].startswith("3 files")
    whole = {f"{text}.{form}": f"{text}\n" for text in ("one", "two", "three") for form in ("txt",)}
    whole |= {f"{text}.trn": f"{text} ({text})\n" for text in ("one", "two", "three")}
    assert tree(out) == whole | {"two.txt": "mine"}
    (out / "one.txt").unlink()
    status, _, err = transcribe(tmp_path / "in", "-o", out, "--format", "txt,trn", "--resume")
    assert status == 0 and err == [err[0]] and err[0].startswith("1 file, ") and err[0].endswith("2 there already")
    status, _, err = transcribe(tmp_path / "in", "-o", out, "--format", "txt,trn", "--resume")
    assert (status, err) == (0, ["0 files; 3 there already"])
    assert transcribe(tmp_path / "in", "-o", out, "--format", "txt,trn", "--overwrite")[0] == 0
    assert tree(out) == whole


def test_a_result_with_a_name_of_255_bytes(transcribe, tmp_path):
    path = write(tmp_path / f"{'n' * 251}.wav", "abc")
    assert transcribe(path, "-o", tmp_path / "out", "--format", "txt,ctm")[0] == 0
    assert tree(tmp_path / "out")["n" * 251 + ".txt"] == "abc\n"
    status, _, err = transcribe(path, "-o", tmp_path / "more", "--format", "json")
    assert status == 1 and err[0].endswith("its result cannot be written: File name too long")


def test_two_that_would_become_one_file_are_refused_before_any_work(transcribe, tmp_path):
    first, second = write(tmp_path / "a.wav", "one"), write(tmp_path / "a.flac", "two")
    for arguments in ([first, second, "-o", tmp_path / "out"], [tmp_path, "--format", "ctm"]):
        status, out, err = transcribe(*arguments)
        assert (status, out, len(err)) == (1, "", 1)
        assert str(first) in err[0] and str(second) in err[0]
    assert not (tmp_path / "out").exists()
    assert transcribe(tmp_path)[0] == 0  # each has its name before it on stdout


def test_an_input_is_never_written_over(transcribe, tmp_path):
    write(tmp_path / "sound.wav", "abc")
    manifest = tmp_path / "words.jsonl"
    write_manifest(manifest, [Utterance("words", str(tmp_path / "sound.wav"), "abc")])
    before = manifest.read_bytes()
    status, _, err = transcribe(manifest, "-o", tmp_path, "--format", "jsonl", "--overwrite")
    assert status == 1 and str(manifest) in err[0] and "input" in err[0]
    assert manifest.read_bytes() == before


def test_a_manifest_is_its_utterances_with_their_offsets(transcribe, tmp_path):
    write(tmp_path / "all.wav", "one two")  # a character every 0.2 s
    manifest = tmp_path / "all.jsonl"
    utterances = [
        Utterance("first", str(tmp_path / "all.wav"), "x", duration=0.6),
        Utterance("speaker/second", str(tmp_path / "all.wav"), "x", offset=0.8),
        Utterance("absent", str(tmp_path / "absent.wav"), "x"),
        Utterance("../up", str(tmp_path / "all.wav"), "x"),
    ]
    write_manifest(manifest, utterances)
    status, out, err = transcribe(manifest)
    assert (status, out) == (1, "first\tone\nspeaker/second\ttwo\n")
    assert any("absent.wav" in line for line in err) and any("../up" in line for line in err)
    status, out, _ = transcribe(manifest, "-o", tmp_path / "out", "--format", "trn")
    assert tree(tmp_path / "out") == {"first.trn": "one (first)\n", "speaker/second.trn": "two (speaker/second)\n"}


def test_a_manifest_needs_no_texts(transcribe, tmp_path):
    write(tmp_path / "a.wav", "one")
    (tmp_path / "a.jsonl").write_text('{"audio_filepath": "a.wav"}\n')
    assert transcribe(tmp_path / "a.jsonl")[:2] == (0, "a\tone\n")


def test_an_utterance_that_cannot_be_used_is_named_by_its_id(transcribe, tmp_path):
    path = write(tmp_path / "a.wav", "one")
    write_manifest(
        tmp_path / "a.jsonl", [Utterance(name, str(path), "one", start) for name, start in (("x", 0), ("y", 9))]
    )
    status, out, err = transcribe(tmp_path / "a.jsonl")
    assert (status, out) == (1, "x\tone\n")
    assert err[0].startswith(f"speechrnn transcribe: y: {path}: expected a stretch within")


def test_a_long_stretch_of_a_manifest(transcribe, tmp_path):
    text = "on and on it goes " * 10  # 36 s
    write(tmp_path / "all.wav", "before " + text + "after")
    stretch = Utterance("long", str(tmp_path / "all.wav"), "x", offset=1.4, duration=36.0)
    write_manifest(tmp_path / "all.jsonl", [stretch])
    assert transcribe(tmp_path / "all.jsonl")[1] == f"long\t{text.strip()}\n"


def test_the_channels_of_a_call(transcribe, tmp_path):
    left, right = tones("hello there"), tones("yes")
    sound = np.zeros((6 * RATE, 2), np.float32)
    sound[: len(left), 0] = left
    sound[4 * RATE : 4 * RATE + len(right), 1] = right
    path = tmp_path / "call.wav"
    soundfile.write(path, sound, RATE)
    assert transcribe(path, "--channels", "each") == (0, "1: hello there\n2: yes\n", [])
    mono = write(tmp_path / "mono.wav", "one")
    assert transcribe(path, mono, "--channels", "each")[1].splitlines() == [
        f"{path}\t1\thello there",
        f"{path}\t2\tyes",
        f"{mono}\t1\tone",
    ]
    rows = [row.split() for row in transcribe(path, "--channels", "each", "--format", "ctm")[1].splitlines()]
    assert [(row[1], row[4]) for row in rows] == [("1", "hello"), ("1", "there"), ("2", "yes")]
    assert float(rows[2][2]) == pytest.approx(4.0, abs=0.1)
    assert transcribe(path, "--channels", "each", "--format", "srt")[1].splitlines()[2::4] == [
        "1: hello there",
        "2: yes",
    ]


def test_the_channels_of_a_long_call(transcribe, tmp_path):
    text = "on and on it goes " * 10  # 36 s
    sound = np.stack([tones(text), np.zeros(36 * RATE)], axis=1)
    sound[30 * RATE : 34 * RATE, 1] = tones("stop it now please  ")
    soundfile.write(tmp_path / "call.wav", sound, RATE)
    found = json.loads(transcribe(tmp_path / "call.wav", "--channels", "each", "--format", "json")[1])
    assert [each["text"] for each in found["channels"]] == [text.strip(), "stop it now please"]
    assert found["duration"] == 36.0
    assert [word["start"] for word in found["words"] if word["text"] == "stop"] == [pytest.approx(30.0, abs=0.1)]


def test_samples_without_header_on_stdin(package_dir, tmp_path):
    for rate in (8000, RATE, 44100):
        samples = (tones("raw sound", rate) * 32767).astype("<i2").tobytes()
        done = subprocess.run(command(package_dir, "-", "--raw", str(rate)), input=samples, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"raw sound\n", b"")
    for kind in ("ulaw", "alaw"):
        coded = tmp_path / f"{kind}.wav"
        soundfile.write(coded, tones("raw sound", 8000), 8000, subtype=kind.upper())
        samples = coded.read_bytes()[-len(tones("raw sound", 8000)) :]
        done = subprocess.run(command(package_dir, "-", "--raw", f"8000:{kind}"), input=samples, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"raw sound\n", b"")
    done = subprocess.run(command(package_dir, "-", "--raw", "8000:mp3"), input=samples, capture_output=True)
    assert (
        done.returncode == 2
        and b"expected RATE or RATE:KIND with s16, f32, ulaw, alaw, found '8000:mp3'" in done.stderr
    )
    done = subprocess.run(command(package_dir, "-", "--raw", "16000"), input=b"", capture_output=True)
    assert (done.returncode, done.stderr) == (1, b"speechrnn transcribe: stdin: no samples\n")


def test_a_named_pipe(transcribe, package_dir, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    source = write(tmp_path / "a.wav", "on and on it goes " * 10)  # long: it is read a second time
    with subprocess.Popen(["cp", source, tmp_path / "pipe"]):
        status, out, _ = transcribe(tmp_path / "pipe", "--format", "trn")
    assert (status, out) == (0, "on and on it goes " * 10 + "(pipe)\n")


def test_ctrl_c_while_a_pipe_says_nothing(package_dir, tmp_path):
    """Once is enough, however many threads there are: none of them waits for the pipe."""
    os.mkfifo(tmp_path / "pipe")
    path = write(tmp_path / "a.wav", "abc")
    process = subprocess.Popen(command(package_dir, path, tmp_path / "pipe", "--threads", "3"), stderr=subprocess.PIPE)
    silent, began = None, time.monotonic()
    while silent is None and time.monotonic() < began + 60:
        try:
            silent = os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads it yet
            time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(timeout=20) == 130
        assert process.stderr.read().endswith(b"speechrnn transcribe: interrupted\n")
    finally:
        process.kill()
        os.close(silent)


def test_the_text_of_a_long_recording_comes_in_lines_as_it_is_found(transcribe, tmp_path):
    sound = np.concatenate([tones("one two"), np.zeros(RATE), tones("three" * 20), np.zeros(RATE), tones("four" * 10)])
    soundfile.write(tmp_path / "a.wav", sound, RATE)
    assert transcribe(tmp_path / "a.wav") == (0, f"one two\n{'three' * 20}\n{'four' * 10}\n", [])
    assert transcribe(tmp_path / "a.wav", "-o", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "a.txt").read_text() == f"one two\n{'three' * 20}\n{'four' * 10}\n"


def test_threads_and_windows_change_nothing(transcribe, tmp_path):
    texts = ["ab" * (1 + n * 7 % 11) for n in range(40)] + ["on and on it goes " * 10]
    paths = [write(tmp_path / f"{n:02}.wav", text) for n, text in enumerate(texts)]
    paths.insert(3, tmp_path / "absent.wav")
    expected = "".join(f"{path}\t{text.strip()}\n" for path, text in zip(paths[:3] + paths[4:], texts, strict=True))
    for options in ({"threads": 1}, {"threads": 4}):
        for batch in ([], ["--batch", "1"], ["--batch", "20"]):
            status, out, err = transcribe(*paths, *batch, **options)
            assert (status, out) == (1, expected)
            assert len(err) == 2 and "absent.wav" in err[0] and err[1].endswith("; 1 could not be used")


@pytest.mark.parametrize("workers", [1, 2])
def test_what_comes_before_a_long_recording_does_not_wait_for_it(package_dir, tmp_path, workers):
    paths = [write(tmp_path / "short.wav", "abc"), write(tmp_path / "long.wav", "on and on it goes " * 10)]
    arrived = threading.Event()

    def heard(*_):
        assert arrived.wait(20), "the short one's result waits"

    job = Job(Recognizer(str(package_dir)), workers, heard=heard)
    results = results_of([Recording(str(path), path.name, path.stem) for path in paths], job)
    recording, [transcript] = next(results)
    assert (recording.id, transcript.text) == ("short", "abc")
    arrived.set()
    assert next(results)[0].id == "long"


def test_hypotheses(transcribe, tmp_path):
    path = write(tmp_path / "a.wav", "cab")
    found = json.loads(transcribe(path, "--format", "jsonl", "--nbest", "2")[1])
    assert found["hypotheses"][0]["text"] == found["text"] == "cab"
    line = transcribe(path, "--nbest", "1")[1].split("\t")
    assert line[:2] == [str(path), "1"] and line[-1] == "cab\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "-o", ""], "found an empty one"),
        (["a.wav", "--format", "txt,srt"], "need -o DIR"),
        (["a.wav", "b.wav", "--format", "srt"], "give -o DIR"),
        (["a.wav", "--format", "mp4"], "found 'mp4'"),
        (["a.wav", "--resume"], "-o DIR"),
        (["a.wav", "-o", "out", "--resume", "--overwrite"], "not allowed with"),
        (["a.wav", "--raw", "16000"], "stdin"),
        (["-", "-"], "only once"),
        (["a.wav", "--quiet", "--verbose"], "not allowed with"),
        (["a.wav", "--nbest", "2", "--format", "srt"], "--nbest"),
        (["a.wav", "--nbest", "2", "--channels", "each"], "--nbest"),
        (["a.wav", "--batch", "0"], "1 or more"),
    ],
)
def test_wrong_usage(transcribe, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = transcribe(*arguments)
    assert (status, out) == (2, "")
    assert message in err[-1] and not os.listdir(tmp_path)


def test_a_folder_that_cannot_be_written_to(transcribe, tmp_path):
    path = write(tmp_path / "a.wav", "abc")
    for folder, message in (
        (path, "found a file"),
        ("/proc/nowhere", "cannot be made"),
        (path / "x", "cannot be made"),
    ):
        status, out, err = transcribe(path, "-o", folder)
        assert (status, out, len(err)) == (1, "", 1) and message in err[0]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has this device")
def test_a_full_disk(package_dir, tmp_path):
    path = write(tmp_path / "a.wav", "abc")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command(package_dir, path), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"speechrnn transcribe: writing the output: No space left on device\n"


def test_a_reader_that_goes_away(package_dir, tmp_path):
    paths = [write(tmp_path / f"{n}.wav", "abc") for n in range(3)]
    process = subprocess.Popen(command(package_dir, *paths * 50), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 1


def test_ctrl_c_leaves_what_is_finished(package_dir, tmp_path):
    """It comes when the first results are there and most are not."""
    folder, out = tmp_path / "in", tmp_path / "out"
    path = write(folder / "0000.wav", "abc " * 30)
    for n in range(1, 1500):
        os.link(path, folder / f"{n:04}.wav")
    arguments = command(package_dir, folder, "-o", out, "--format", "txt,json", "--batch", "30")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    began = time.monotonic()
    while not (out.is_dir() and len(os.listdir(out)) > 10) and time.monotonic() < began + 60:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    summary, last = err.decode().splitlines()
    assert last == "speechrnn transcribe: interrupted"
    done, left = map(int, re.fullmatch(r"(\d+) files, .*; interrupted before (\d+) more", summary).groups())
    assert done + left == 1500 and left > 0
    texts, tables = ([name for name in os.listdir(out) if name.endswith(suffix)] for suffix in (".txt", ".json"))
    assert len(texts) + len(tables) == len(os.listdir(out))  # and no temporary files
    assert done <= len(tables) <= len(texts) <= done + 1
    assert all((out / name).read_text() == ("abc " * 30).strip() + "\n" for name in texts)
    assert all(json.loads((out / name).read_text())["text"] for name in tables)


@pytest.mark.parametrize("form", ["ctm", "trn"])
def test_ids_that_a_format_cannot_tell_apart(transcribe, tmp_path, form):
    for name in ("a b.wav", "a_b.wav"):
        write(tmp_path / name, "cab")
    status, out, err = transcribe(tmp_path, "--format", form)
    assert (status, out) == (1, "") and f"would both be called a_b in {form}:" in err[-1]
    assert transcribe(tmp_path, "--format", "jsonl")[0] == 0
