"""`speechrnn prepare` from the command line: the files that it writes, its table, its exit status."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from speechrnn.cli import main
from speechrnn.manifest import read_manifest


def recording(folder, name, text, seconds=0.5):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", np.full(int(seconds * 8000), 0.1), 8000)
    (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def test_the_report_and_the_list_of_what_was_left_out(tmp_path, capsys):
    for number in range(7):
        recording(tmp_path / "src", f"empty{number}", "")
    recording(tmp_path / "src", "e1", "été")
    recording(tmp_path / "src", "e2", "é\u200b")
    recording(tmp_path / "src", "ok1", "ab ba", seconds=9.0)
    recording(tmp_path / "src", "ok2", "abc", seconds=9.0)
    command = ["prepare", "folder", str(tmp_path / "src"), str(tmp_path / "dst"), "--alphabet", "abcte"]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == [
        "manifest   utterances  hours  speakers  left out  characters",
        "all.jsonl           2  0.005         -         9  3  abc",
        "",
        "left out",
        "     2  characters outside the alphabet: e1, e2",
        "        é in 2, <U+200B> in 1",
        "     7  empty transcript: empty0, empty1, empty2, empty3, empty4, ...",
    ]
    listed = (tmp_path / "dst" / "left_out.tsv").read_text(encoding="utf-8").splitlines()
    assert len(listed) == 10
    assert listed[:2] == ["id\treason", "e1\tcharacters outside the alphabet: é"]
    assert [u.id for u in read_manifest(tmp_path / "dst" / "all.jsonl")] == ["ok1", "ok2"]
    files = {path.name: path.read_bytes() for path in (tmp_path / "dst").iterdir()}
    assert main(command) == 0
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "dst").iterdir()}


def test_a_manifest_without_utterances_is_not_written_and_the_status_is_1(tmp_path, capsys):
    recording(tmp_path / "src", "a", "ä")
    assert main(["prepare", "folder", str(tmp_path / "src"), str(tmp_path / "dst"), "--alphabet", "a"]) == 1
    out, err = capsys.readouterr()
    assert "1  characters outside the alphabet: a" in out
    assert "all.jsonl" in err.splitlines()[-1]
    assert [path.name for path in (tmp_path / "dst").iterdir()] == ["left_out.tsv"]


def test_nonspeech_is_written_and_read_again(tmp_path):
    recording(tmp_path / "src", "hum", "")
    assert main(["prepare", "folder", str(tmp_path / "src"), str(tmp_path / "src"), "--nonspeech"]) == 0
    (line,) = (tmp_path / "src" / "all.jsonl").read_text().splitlines()
    assert json.loads(line)["audio_filepath"] == "hum.wav"
    (utterance,) = read_manifest(tmp_path / "src" / "all.jsonl")
    assert utterance.nonspeech and utterance.text == "" and utterance.duration == 0.5


def test_an4_with_headerless_recordings_and_dev_speakers(tmp_path, capsys):
    source = tmp_path / "an4"
    (source / "etc").mkdir(parents=True)
    samples = (3000 * np.sin(np.arange(8000) * 0.05)).astype(">i2")
    for split, names in (("train", ["a/a1", "b/b1"]), ("test", ["c/c1"])):
        (source / "etc" / f"an4_{split}.fileids").write_text("".join(f"x/{name}\n" for name in names))
        lines = [f"<s> ONE'S OWN </s> ({name.split('/')[1]})\n" for name in names]
        (source / "etc" / f"an4_{split}.transcription").write_text("".join(lines))
        for name in names:
            (source / "wav" / "x" / name).parent.mkdir(parents=True)
            (source / "wav" / "x" / f"{name}.raw").write_bytes(samples.tobytes())
    (tmp_path / "dev.txt").write_text("b\n")
    command = ["prepare", "an4", str(source), str(tmp_path / "dst"), "--dev-speakers", str(tmp_path / "dev.txt")]
    assert main(command) == 0
    assert {path.name for path in (tmp_path / "dst").glob("*.jsonl")} == {
        "train.jsonl",
        "dev.jsonl",
        "train_all.jsonl",
        "test.jsonl",
    }
    (dev,) = read_manifest(tmp_path / "dst" / "dev.jsonl")
    assert (dev.id, dev.speaker, dev.text, dev.duration) == ("b1", "b", "ONE'S OWN", 0.5)
    assert dev.audio_filepath == str(tmp_path / "dst" / "wav" / "x" / "b" / "b1.wav")
    np.testing.assert_array_equal(soundfile.read(dev.audio_filepath, dtype="int16")[0], samples)
    (tmp_path / "dev.txt").write_text("nobody\n")
    assert main(command) == 1
    assert "nobody" in capsys.readouterr().err


def test_any_corpus_is_divided_and_shared_voices_are_warned_of(tmp_path, capsys):
    for name in ("ann/1", "ann/2", "bob/1", "cid/1", "cid/2"):
        recording(tmp_path / "src", name, f"a {name}")
    command = ["prepare", "folder", str(tmp_path / "src"), str(tmp_path / "dst"), "--dev-speakers"]
    assert main([*command, "25%"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:4] for line in out.splitlines()[1:]] == [
        ["train.jsonl", "4", "0.001", "2"],
        ["dev.jsonl", "1", "0.000", "1"],
        ["train_all.jsonl", "5", "0.001", "3"],
    ]
    assert "warning" not in err
    assert [u.speaker for u in read_manifest(tmp_path / "dst" / "dev.jsonl")] == ["bob"]
    flat = ["prepare", "folder", str(tmp_path / "src" / "ann"), str(tmp_path / "flat"), "--dev-speakers", "50%"]
    assert main(flat) == 0
    assert capsys.readouterr().err.splitlines()[1] == (
        "warning: voices of dev may be in train (2 utterances name no speaker): its error rate says little about new voices"
    )
    assert main([*command, "everybody%"]) == 1


def test_lhotse_passes_settings_to_the_recipe(tmp_path, capsys):
    for subset in ("dev-clean", "train-clean-5"):
        chapter = tmp_path / subset / "1" / "2"
        chapter.mkdir(parents=True)
        soundfile.write(chapter / "1-2-0000.flac", np.full(1600, 0.1), 16000)
        (chapter / "1-2.trans.txt").write_text("1-2-0000 HELLO\n")
    command = ["prepare", "lhotse", "librispeech", str(tmp_path), str(tmp_path / "dst")]
    command += ["--set", 'dataset_parts=["dev-clean"]', "--set", "normalize_text=lower"]
    assert main(command) == 0
    assert [path.name for path in (tmp_path / "dst").glob("*.jsonl")] == ["dev-clean.jsonl"]
    assert read_manifest(tmp_path / "dst" / "dev-clean.jsonl")[0].text == "hello"
    assert capsys.readouterr().out.startswith("manifest ")


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="file names are Unicode there")
def test_a_file_name_in_another_encoding_is_left_out_by_name(tmp_path, capsys):
    recording(tmp_path, "fine", "a")
    for suffix in (".wav", ".txt"):
        os.link(tmp_path / f"fine{suffix}", os.fsencode(tmp_path) + b"/k\xe4se" + suffix.encode())
    assert main(["prepare", "folder", str(tmp_path), str(tmp_path / "dst")]) == 0
    assert r"1  name that is not UTF-8: k\udce4se" in capsys.readouterr().out
    assert len(read_manifest(tmp_path / "dst" / "all.jsonl")) == 1


def test_wrong_usage_is_status_2():
    for arguments in (
        ["prepare"],
        ["prepare", "timit", "a", "b"],
        ["prepare", "lhotse", "yesno", "a", "b", "--set", "c"],
    ):
        with pytest.raises(SystemExit) as exit:
            main(arguments)
        assert exit.value.code == 2


def test_from_a_shell_without_torch_and_lhotse(tmp_path):
    recording(tmp_path, "a", "b")
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'torchaudio', 'lhotse', 'librosa', 'omegaconf')));"
        "from speechrnn.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    start = [sys.executable, "-c", code, "prepare"]
    done = subprocess.run([*start, "folder", tmp_path, tmp_path / "dst"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, f"reading {tmp_path}\n")
    assert done.stdout.splitlines()[1].startswith("all.jsonl ")
    done = subprocess.run([*start, "lhotse", "yesno", tmp_path, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "needs the module 'lhotse" in done.stderr
