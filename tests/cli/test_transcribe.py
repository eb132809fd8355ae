"""`speechrnn transcribe`, end to end, and everything unpleasant that can be handed to it."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import RATE, tones

from speechrnn.cli import main


@pytest.fixture
def transcribe(package_dir, capsys):
    """Run the command in this process. Returns the exit status, the lines of stdout, and of stderr."""

    def call(*arguments) -> tuple[int, list[str], list[str]]:
        status = main(["transcribe", "--model", str(package_dir), "--threads", "1", *map(os.fspath, arguments)])
        printed = capsys.readouterr()
        return status, printed.out.splitlines(), printed.err.splitlines()

    return call


def process(package_dir, *arguments, **keywords) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "speechrnn", "transcribe", "--model", package_dir, "--threads", "1", *arguments]
    return subprocess.run(command, capture_output=True, check=False, **keywords)


def write(path, text: str, rate: int = RATE, **form):
    soundfile.write(path, tones(text, rate), rate, **form)
    return path


def test_one_file_gives_its_text_and_nothing_else(package_dir, tmp_path):
    done = process(package_dir, write(tmp_path / "one.wav", "hello world"))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello world\n", b"")


def test_several_files_give_a_line_each_in_order(transcribe, tmp_path):
    names = ["b.flac", "a.ogg", "c d.mp3", "e:f.wav"]
    paths = [
        write(tmp_path / name, f"number {text}")
        for name, text in zip(names, ("one", "two", "three", "four"), strict=True)
    ]
    status, out, err = transcribe(*paths)
    assert status == 0
    assert out == [f"{path}\tnumber {text}" for path, text in zip(paths, ("one", "two", "three", "four"), strict=True)]
    assert len(err) == 1 and err[0].startswith("4 files, ") and "RTF" in err[0]


def test_a_directory_is_its_audio_at_all_levels_sorted(transcribe, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "notes.txt").write_text("no audio")
    (tmp_path / "in" / "._b.wav").write_bytes(b"what a Mac leaves")
    paths = [tmp_path / "in" / name for name in ("a.wav", "deep/c.WAV", "z.flac")]
    for path in paths:
        write(path, path.stem)
    status, out, _ = transcribe(tmp_path / "in")
    assert (status, out) == (0, [f"{path}\t{path.stem}" for path in paths])


def test_a_directory_with_one_file_still_names_it(transcribe, tmp_path):
    path = write(tmp_path / "a.wav", "a")
    assert transcribe(tmp_path)[:2] == (0, [f"{path}\ta"])


def test_what_cannot_be_used_is_named_and_the_rest_is_transcribed(transcribe, tmp_path):
    text, truncated, nan = tmp_path / "text.wav", tmp_path / "truncated.wav", tmp_path / "nan.wav"
    text.write_bytes(b"just words\n" * 100)
    truncated.write_bytes(write(tmp_path / "whole.wav", "half").read_bytes()[:13000])
    soundfile.write(nan, np.full(1000, np.nan, np.float32), RATE, subtype="FLOAT")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "folder").mkdir()
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), RATE)
    flac = write(tmp_path / "cut.flac", "cut")
    flac.write_bytes(flac.read_bytes()[:-400])
    first, last = write(tmp_path / "first.wav", "first"), write(tmp_path / "last.wav", "last")
    names = ["text.wav", "absent.wav", "truncated.wav", "nan.wav", "empty.wav", "folder", "nothing.wav", "cut.flac"]
    status, out, err = transcribe(first, *(tmp_path / name for name in names), last)
    assert status == 1
    assert [line.split("\t") for line in out if "cut.flac" not in line] == [
        [str(first), "first"],
        [str(truncated), "ha"],
        [str(last), "last"],
    ]
    assert err[-1].endswith("could not be used")
    about = {name: [line for line in err if str(tmp_path / name) in line] for name in names}
    assert all(len(lines) == 1 for lines in about.values()), about
    for name, message in (
        ("text.wav", "expected audio"),
        ("absent.wav", "No such file"),
        ("truncated.wav", "warning: "),
        ("nan.wav", "found NaN or infinity in 1000 of 1000"),
        ("empty.wav", "the file is empty"),
        ("folder", "expected audio files in it"),
        ("nothing.wav", "no samples"),
        ("cut.flac", "damaged"),
    ):
        assert message in about[name][0]
    assert all(line.startswith("speechrnn transcribe: ") for line in err[:-1])
    assert "Traceback" not in "".join(err)


@pytest.mark.parametrize("contents", [b"", b"text", b"RIFF\xff\xff\xff\xffWAVE"])
def test_a_bad_file_alone(transcribe, tmp_path, contents):
    (tmp_path / "bad.wav").write_bytes(contents)
    status, out, err = transcribe(tmp_path / "bad.wav")
    assert (status, out, len(err)) == (1, [], 1)
    assert err[0].startswith(f"speechrnn transcribe: {tmp_path / 'bad.wav'}: ")


@pytest.mark.parametrize(
    "form",
    [
        {"samplerate": 8000},
        {"samplerate": 44100},
        {"samplerate": 48000, "subtype": "PCM_24"},
        {"samplerate": 16000, "subtype": "FLOAT"},
        {"samplerate": 22050, "subtype": "PCM_U8"},
    ],
)
def test_any_rate_width_and_number_of_channels(transcribe, tmp_path, form):
    sound = tones("any form", form["samplerate"])
    for channels in (1, 2, 8):
        soundfile.write(tmp_path / "sound.wav", np.stack([sound] * channels, axis=1), **form)
        assert transcribe(tmp_path / "sound.wav") == (0, ["any form"], [])


@pytest.mark.parametrize("samples", [1, 100, 16000])
def test_silence_is_an_empty_line(transcribe, tmp_path, samples):
    soundfile.write(tmp_path / "silence.wav", np.zeros(samples), RATE)
    assert transcribe(tmp_path / "silence.wav") == (0, [""], [])


def test_stdin(package_dir, tmp_path):
    contents = write(tmp_path / "sound.flac", "from a pipe").read_bytes()
    done = process(package_dir, "-", input=contents)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"from a pipe\n", b"")
    done = process(package_dir, "-", input=b"")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"speechrnn transcribe: stdin: the file is empty\n"


def test_a_closed_stdin(transcribe, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)  # what Python makes of `<&-`
    assert transcribe("-") == (1, [], ["speechrnn transcribe: stdin: expected audio, found it closed"])


@pytest.mark.skipif(
    not os.path.exists("/proc/self/mem"), reason="Linux has this file, which cannot be read from its start"
)
def test_a_stdin_that_fails(package_dir, tmp_path):
    with open("/proc/self/mem", "rb") as broken:
        done = process(package_dir, "-", write(tmp_path / "a.wav", "abc"), stdin=broken)
    assert (done.returncode, done.stdout) == (1, os.fsencode(tmp_path) + b"/a.wav\tabc\n")
    assert done.stderr.startswith(b"speechrnn transcribe: stdin: cannot be read: ")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not take such names")
def test_names_that_are_not_utf_8_or_hold_newlines(package_dir, tmp_path):
    folder = os.fsencode(tmp_path)
    for name in (b"a\xff.wav", b"b\nc\t.wav"):
        shutil.copy(write(tmp_path / "plain.wav", "odd"), folder + b"/" + name)
    done = process(package_dir, folder + b"/a\xff.wav", folder + b"/b\nc\t.wav", folder + b"/none\xfe\n.wav")
    prefix = folder + b"/"
    assert done.stdout == prefix + b"a\\udcff.wav\todd\n" + prefix + b"b\\nc\\t.wav\todd\n"
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == b"speechrnn transcribe: " + prefix + (
        b"none\\udcfe\\n.wav: cannot be read: No such file or directory"
    )
    assert process(package_dir, folder).stdout.count(b"\n") == 3
    shutil.copy(write(tmp_path / "plain.wav", "odd " * 50), folder + b"/a\xff.wav")  # of more than 30 s
    done = process(package_dir, folder + b"/a\xff.wav", folder + b"/b\nc\t.wav")
    assert (done.returncode, done.stdout.count(b"odd")) == (0, 51)


def test_a_stdout_that_lacks_letters(package_dir, tmp_path):
    path = write(tmp_path / "\u00e9.wav", "x")
    done = process(package_dir, path, path, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stdout.splitlines() == [os.fsencode(tmp_path) + b"/\\xe9.wav\tx"] * 2


def test_long_audio_and_many_files(transcribe, tmp_path):
    text = "on and on it goes " * 20  # 72 s: windows, whose edges cut through characters
    long = write(tmp_path / "long.wav", text)
    short = [write(tmp_path / f"{n}.wav", "ab" * n) for n in range(1, 6)]
    status, out, err = transcribe(*short[:3], long, tmp_path / "absent.wav", *short[3:])
    assert status == 1
    assert [line.partition("\t")[2] for line in out] == ["ab", "abab", "ababab", text.strip(), "ab" * 4, "ab" * 5]
    assert err[-1].startswith("6 files, ") and err[-1].endswith("; 1 could not be used")


@pytest.mark.parametrize(
    "arguments", [[], ["--threads", "0", "a.wav"], ["--threads", "x", "a.wav"], ["--nope", "a.wav"]]
)
def test_wrong_usage(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(["transcribe", *arguments])
    assert caught.value.code == 2
    assert "usage: speechrnn transcribe" in capsys.readouterr().err


def test_a_model_that_is_not_there(capsys, tmp_path):
    for model in ("nope", str(tmp_path)):
        assert main(["transcribe", "--model", model, "a.wav"]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("speechrnn transcribe: ") and printed.err.count("\n") == 1


def test_version_and_help(capsys):
    from importlib.metadata import version

    for arguments, expected in (
        (["--version"], f"speechrnn {version('speechrnn')}\n"),
        (["transcribe", "--help"], "usage: speechrnn transcribe"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith(expected)


def test_what_is_not_read_in_a_directory_is_named(transcribe, tmp_path):
    folder = tmp_path / "memos"
    folder.mkdir()
    write(folder / "a.wav", "one")
    (folder / "b.m4a").write_bytes(b"\0\0\0 ftypM4A " + bytes(100))
    (folder / "notes.txt").write_text("not audio")
    status, out, err = transcribe(folder)
    assert status == 1 and out == [f"{folder / 'a.wav'}\tone"]
    assert [line for line in err if "b.m4a: MP4 or QuickTime" in line and "ffmpeg" in line]
    assert f"speechrnn transcribe: warning: {folder}: not audio by name, passed over: 1 (notes.txt)" in err
