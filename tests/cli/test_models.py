"""`speechrnn models`: what is here, packed by one person and fetched by another."""

import json
import re
import shutil

import pytest
import soundfile
from conftest import DESCRIPTION, RATE, tones

from speechrnn.cli import main
from speechrnn.cli.models import figures


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECHRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_what_one_packs_another_fetches_and_uses(package_dir, tmp_path, capsys):
    mine = shutil.copytree(package_dir, tmp_path / "mine")
    wer = {"training": {"wer": {"dev": 12.5, "test": 14}}, "language": "x-tones"}
    (mine / "model.json").write_text(json.dumps(DESCRIPTION | wer))
    assert main(["models", "pack", "mine"]) == 0
    printed = capsys.readouterr().out.strip()
    assert re.fullmatch(r"mine\.tar\.gz#sha256=[0-9a-f]{64}", printed)
    address = f"{tmp_path.as_uri()}/{printed}"
    assert main(["models", "fetch", address]) == 0
    assert capsys.readouterr().out == "mine\n"
    (tmp_path / "mine.tar.gz").unlink()
    shutil.rmtree(mine)
    soundfile.write("talk.wav", tones("fine"), RATE)
    for model in ("mine", address):
        assert main(["transcribe", "talk.wav", "--model", model]) == 0
        assert capsys.readouterr().out == "fine\n"
        assert main(["inspect", model]) == 0
        assert "x-tones" in capsys.readouterr().out
    assert main(["models"]) == 0
    lines = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["name", "MB", "language", "WER %", "from"]
    assert lines[1][0] == "an4" and lines[1][2] == "en" and lines[1][4] == "bundled"
    assert lines[2][0] == "english" and lines[2][4] == "bundled, the default"
    assert re.fullmatch(r"[\d.]+ \(AN4 test\)", lines[1][3])
    assert lines[3] == ["mine", lines[3][1], "x-tones", "12.5 (dev), 14 (test)", "fetched"]


def test_a_damaged_package_is_named_and_the_others_listed(package_dir, cache, capsys):
    (shutil.copytree(package_dir, cache / "broken") / "fetched.json").write_text("{}")
    (cache / "broken" / "tokens.txt").unlink()
    assert main(["models"]) == 1
    printed = capsys.readouterr()
    assert "an4" in printed.out and "broken" not in printed.out
    assert "broken: expected a model package" in printed.err and "no tokens.txt" in printed.err


def test_what_cannot_be_packed_or_fetched_is_said_in_a_line(package_dir, tmp_path, capsys):
    for arguments, message in [
        (["pack", "absent"], "model 'absent': expected the directory of a model package"),
        (["pack", str(tmp_path)], "expected a model package"),
        (["pack", str(package_dir), "-o", "x.zip"], "expected the name of a .tar.gz file"),
        (["fetch", "https://example.org/mine.tar.gz"], "expected #sha256="),
        (["fetch", "mine"], "expected an https address, found none"),
    ]:
        assert main(["models", *arguments]) == 1
        printed = capsys.readouterr()
        assert printed.err.startswith("speechrnn models: ") and message in printed.err
        assert printed.err.count("\n") == 1 and printed.out == ""


@pytest.mark.parametrize("training", [{}, {"wer": None}, {"wer": {}}, {"wer": {"dev": "low"}}, {"wer": [1]}])
def test_figures_that_are_none(training):
    assert figures(training) == "-"
