"""`speechrnn tune` end to end: what it writes, what uses it, and what it refuses."""

import json
import shutil
import subprocess
import sys

import pytest
import soundfile
from ambiguous import blend, build_lm, write_dev
from conftest import RATE, tones

import speechrnn
from speechrnn.acoustic import AcousticModel
from speechrnn.cli import main
from speechrnn.package import read_package


@pytest.fixture
def package(tmp_path, package_dir):
    return shutil.copytree(package_dir, tmp_path / "package")


@pytest.fixture
def lm(tmp_path):
    return build_lm(tmp_path)


@pytest.fixture
def dev(tmp_path):
    return write_dev(tmp_path)


def tune(*arguments, status=0):
    assert main(["tune", *map(str, arguments)]) == status


def heard(package, **keywords):
    sound = blend("good way now", "good day now")
    return speechrnn.load(package, 1, **keywords).transcribe(sound, RATE).text


def test_what_is_tuned_is_used_without_a_flag(package, lm, dev, capsys, monkeypatch):
    runs = []
    log_probs = AcousticModel.log_probs

    def watched(self, waveforms, names=None):
        runs.append(len(waveforms))
        return log_probs(self, waveforms, names)

    monkeypatch.setattr(AcousticModel, "log_probs", watched)
    tune(package, dev, "--lm", lm)
    assert runs == [3]  # the acoustic model ran once
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("WER % of 7 words") and "*" in out
    rates = dict(line.rsplit(maxsplit=1) for line in lines[lines.index("") + 1 :])
    assert rates.pop("greedy") == "42.86"
    decoder = read_package(package).decoder
    assert rates[f"beam {decoder['beam']} *"] == "0.00"
    assert decoder["method"] == "beam" and decoder["lm_weight"] > 0
    assert f"lm_weight {decoder['lm_weight']:g}, word_bonus {decoder['word_bonus']:g}" in err
    assert heard(package) == "good day now"
    assert heard(package, lm=False) == "good way now"
    assert main(["evaluate", str(package), str(dev)]) == 0
    assert capsys.readouterr().out.startswith("%WER 0.00 [ 0 / 7")


def test_a_dev_set_that_decides_nothing_is_named_and_changes_little(package, lm, tmp_path, capsys):
    sound = tones("good day now")
    soundfile.write(tmp_path / "clear.wav", sound, RATE)
    easy = tmp_path / "easy.jsonl"
    easy.write_text('{"audio_filepath": "clear.wav", "text": "good day now"}\n')
    tune(package, easy, "--lm", lm)
    assert "are within one error of the best: this dev set is too small or too easy" in capsys.readouterr().err
    decoder = read_package(package).decoder
    assert (decoder["lm_weight"], decoder["word_bonus"], decoder["beam"]) == (0.5, 1.0, 64)
    assert "prior_weight" not in decoder


def test_again_for_the_model_that_is_there(package, lm, dev, capsys):
    tune(package, dev, "--lm", lm, "--closed")
    files = {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    assert (package / "lm" / "lexicon.txt").read_text().split() == ["GOOD", "DAY", "NOW"]
    capsys.readouterr()
    tune(package, dev)
    assert "closed vocabulary" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in package.rglob("*") if path.is_file()} == files
    tune(package, dev, "--lm", lm)
    assert not (package / "lm" / "lexicon.txt").exists()


def test_into_another_directory(package_dir, lm, dev, tmp_path):
    tune(package_dir, dev, "--lm", lm, "-o", tmp_path / "new")
    assert read_package(package_dir).decoder == {"method": "greedy"}
    assert (heard(package_dir), heard(tmp_path / "new")) == ("good way now", "good day now")


def test_like_another_package(package, package_dir, lm, dev, tmp_path, capsys):
    tune(package, dev, "--lm", lm)
    tune(package_dir, "--like", package, "--lm", lm, "--closed", "-o", tmp_path / "final")
    assert read_package(tmp_path / "final").decoder == read_package(package).decoder
    assert (tmp_path / "final" / "lm" / "lexicon.txt").exists()
    assert heard(tmp_path / "final") == "good day now"
    capsys.readouterr()
    tune(package, "--like", package_dir, status=1)
    assert "expected a tuned package, found no beam in its decoder" in capsys.readouterr().err


def test_a_picture(package, lm, dev, tmp_path):
    tune(package, dev, "--lm", lm, "--picture", tmp_path / "grid.png")
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_picture_no_training_library_is_needed(package, lm, dev):
    program = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *_):\n"
        "        assert name.split('.')[0] not in {'torch', 'matplotlib', 'onnx', 'librosa', 'lhotse'}, name\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from speechrnn.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", program, "tune", package, dev, "--lm", lm]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["test.jsonl", "an4_test.jsonl", "Test-clean.jsonl"])
def test_a_test_set_is_refused_before_anything_else(package, lm, tmp_path, capsys, name):
    tune(package, write_dev(tmp_path, name), "--lm", lm, status=1)
    assert "is a test set, by its name" in capsys.readouterr().err
    assert read_package(package).decoder == {"method": "greedy"} and not (package / "lm").exists()


def test_what_cannot_be_tuned(package, lm, dev, tmp_path, capsys):
    (tmp_path / "silent.jsonl").write_text(
        json.dumps({"audio_filepath": "0.wav", "text": "", "nonspeech": True}), encoding="utf-8"
    )
    (tmp_path / "absent.jsonl").write_text(dev.read_text() + json.dumps({"audio_filepath": "no.wav", "text": "a"}))
    before = {path: path.read_bytes() for path in package.rglob("*")}
    capsys.readouterr()
    for arguments, message in (
        ([package, dev], "package: expected a language model in its lm/, found none: name one with --lm"),
        ([package, "--lm", lm], "expected either a dev manifest or --like"),
        ([package, dev, "--like", "an4", "--lm", lm], "expected either a dev manifest or --like"),
        ([package, dev, "--closed"], "--closed: expected --lm beside it"),
        (["an4", dev, "--lm", lm], "an4: is a bundled model: name a directory for the tuned one with -o"),
        ([package, dev, "--lm", tmp_path / "0.wav"], "0.wav: expected"),
        (
            [package, tmp_path / "silent.jsonl", "--lm", lm],
            "silent.jsonl: expected utterances in which something is said",
        ),
        ([package, tmp_path / "absent.jsonl", "--lm", lm], "1 of 4 utterances could not be read: nothing was tuned"),
        ([package, dev, "--lm", lm, "-o", tmp_path], "does not exist yet, found something there"),
    ):
        tune(*arguments, status=1)
        out, err = capsys.readouterr()
        lines = err.splitlines()
        assert message in lines[-1] and lines[-1].startswith("speechrnn tune: "), arguments
        assert "Traceback" not in err
    assert {path: path.read_bytes() for path in package.rglob("*")} == before
    assert soundfile.info(tmp_path / "0.wav").samplerate == RATE
