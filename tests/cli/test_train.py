"""From sounds to a transcript by the command line alone: train, export, transcribe, each in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE, tones

from speechrnn.cli import main
from speechrnn.manifest import Utterance, write_manifest

CONFIG = """\
name: tones
run: run
device: cpu
precision: float32
data: {train: [train.jsonl], dev: dev.jsonl, normaliser: upper, max_seconds: 8, cache: cache}
model: {channels: 8, layers: 1, hidden: 32, dropout: 0, front_end: {num_bins: 40}}
augment: {speed: [1.0], spec: {freq_masks: 0, time_masks: 0}}
optimiser: {epochs: 14, rate: 1e-2, weight_decay: 0}
"""


def speechrnn(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "speechrnn", *map(str, arguments)],
        cwd=folder,
        check=False,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def write_corpus(folder, name, texts):
    utterances = []
    for number, text in enumerate(texts):
        path = folder / f"{name}-{number}.wav"
        sound = tones(text)
        soundfile.write(path, sound + np.random.default_rng(number).normal(0, 1e-3, len(sound)), RATE)
        utterances.append(Utterance(path.stem, str(path), text))
    write_manifest(folder / f"{name}.jsonl", utterances)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a corpus of three letters and its configuration."""
    folder = tmp_path_factory.mktemp("project")
    words = ["A", "B", "C", "AB", "AC", "BA", "BC", "CA", "CB"]
    pairs = [f"{a} {b}" for a in words for b in words]
    order = np.random.default_rng(0).permutation(len(pairs))
    write_corpus(folder, "train", [pairs[i] for i in order[:30]])
    write_corpus(folder, "dev", [pairs[i] for i in order[30:40]])
    (folder / "tones.yaml").write_text(CONFIG)
    return folder


def test_train_export_and_transcribe(folder):
    done = speechrnn(folder, "train", "tones.yaml")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    told = done.stderr.splitlines()
    assert told[0].startswith("30 utterances (0.01 h) in ") and "10 dev utterances" in told[0] and "seed 1" in told[0]
    assert sum(line.startswith("epoch ") for line in told) == 14 and "%WER" in done.stderr

    again = speechrnn(folder, "train", "tones.yaml")
    assert again.returncode == 0 and again.stderr.startswith("run: finished, after 14 epochs\n")
    assert "epoch 15" not in again.stderr
    other = speechrnn(folder, "train", "tones.yaml", "model.hidden=16")
    assert other.returncode == 1 and other.stderr.count("\n") == 1 and "(model.hidden)" in other.stderr

    (folder / "card.md").write_text("# Tones\n")
    done = speechrnn(folder, "export", "run", "package", "--card", "card.md", "--check", "dev.jsonl")
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.startswith("dev.jsonl: 10 recordings, log-probabilities within ")
        and ", 0 texts differ" in done.stdout
    )
    assert done.stderr.startswith("package: ") and done.stderr.count("\n") == 1
    assert (folder / "package" / "MODEL_CARD.md").read_text().startswith("# Tones\n")

    soundfile.write(folder / "new.wav", tones("CA AB"), RATE)
    done = speechrnn(folder, "transcribe", "new.wav", "--model", "package")
    assert (done.returncode, done.stdout) == (0, "CA AB\n"), done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["tones.yaml", "model.layer=3"],
            "model.layer=3: unknown key 'model.layer'; the nearest known one is 'model.layers'",
        ),
        (["tones.yaml", "model.layers=many"], "model.layers=many: "),
        (["none.yaml"], "none.yaml: expected a YAML file, found no such file"),
        (["tones.yaml", "run=other", "data.train=[none.jsonl]"], "none.jsonl: expected a manifest"),
        (["tones.yaml", "run=tones.yaml"], "run: expected a folder, or a name that is free, found the file tones.yaml"),
        (["tones.yaml", "run=other", "optimiser.rate=inf"], "optimiser.rate: expected a finite number, found inf"),
        (["tones.yaml", "run=other", f"seed={2**64}"], "seed: expected less than 2^63, found 18446744073709551616"),
        (["tones.yaml", "run=other", "init_from=tones.yaml"], "init_from tones.yaml: expected a run's folder (with "),
    ],
)
def test_bad_input_is_one_line_and_status_1(folder, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(folder)
    assert main(["train", *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and err.startswith(f"speechrnn train: {message}")


def test_export_names_what_is_missing(folder):
    done = speechrnn(folder, "export", "nowhere", "package-2")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(
        "speechrnn export: model 'nowhere': expected the directory of a model package, its address"
    )
    assert done.stderr.endswith("found neither, nor a run's folder or a checkpoint\n")
    done = speechrnn(folder, "export", "nowhere", "package-2", "--card", "none.md")
    assert done.returncode == 1 and done.stderr.startswith("speechrnn export: none.md: expected a Markdown file")
    assert not (folder / "package-2").exists()


def test_wrong_usage_is_status_2(folder):
    done = speechrnn(folder, "train")
    assert done.returncode == 2 and done.stderr.startswith("usage: speechrnn train")


def test_the_help_names_files_that_are_there(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    named = set(re.findall(r"[\w/]+\.yaml", capsys.readouterr().out))
    assert named and all((Path(__file__).parents[2] / name).is_file() for name in named)
