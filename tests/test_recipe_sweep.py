"""A sweep from a YAML file to its table, through a failure and an interruption."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechrnn.manifest import Utterance, write_manifest
from speechrnn.text import read_pronunciations

pytestmark = pytest.mark.recipe
ROOT = Path(__file__).parent.parent
SWEEP = """\
config: tiny.yaml
minutes: 0.003
seeds: [1]
lm: --lm words.arpa --beam 2
variants:
  - {what: no key, expected: a row that says so, set: [--layers=5]}
"""
CONFIG = """\
device: cpu
precision: float32
data: {train: [train.jsonl], dev: dev.jsonl, max_seconds: 4, cache: cache}
model: {channels: 2, layers: 1, hidden: 4, front_end: {num_bins: 20}}
"""
WORDS = """\
\\data\\
ngram 1=5

\\1-grams:
-1 <s>
-1 </s>
-1 <unk>
-1 ONE
-1 TWO

\\end\\
"""


COMMANDS = ("--time", "train", "export", "evaluate")
HEAD = {"config": "tiny.yaml", "minutes": None, "seeds": [1], "lm": None, "variants": []}


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, ROOT / "recipes" / "sweep.py", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, told = process.communicate(timeout=300)
    return process.returncode, out, told


def load():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("sweep", ROOT / "recipes" / "sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    """A corpus of noise, which nothing can be learnt from."""
    random = np.random.default_rng(0)
    for name in ("train", "dev", "test"):
        utterances = []
        for number in range(6):
            path = tmp_path / f"{name}-{number}.wav"
            soundfile.write(path, random.normal(0, 0.1, 16000), 16000)
            utterances.append(Utterance(path.stem, str(path), "ONE TWO"))
        write_manifest(tmp_path / f"{name}.jsonl", utterances)
    for name, text in (("tiny.yaml", CONFIG), ("tiny_sweep.yaml", SWEEP), ("words.arpa", WORDS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_interrupted_and_failed(folder):
    results = folder / "runs" / "sweeps" / "tiny_sweep"
    process = start(folder, "tiny_sweep.yaml")
    output = results / "baseline-seed1" / "output.txt"
    while not output.exists():
        assert process.poll() is None, finish(process)
        time.sleep(0.01)
    time.sleep(0.1)  # its first command has begun
    process.send_signal(signal.SIGTERM)  # training itself goes on bit for bit: tests/training/test_resume.py
    assert finish(process)[0] == 143 and not (results / "rows.jsonl").exists()

    status, out, told = finish(start(folder, "tiny_sweep.yaml"))
    said = output.read_text()
    assert [word for line in said.splitlines() if line[0] == "$" for word in line.split() if word in COMMANDS] == [
        *("--time", "--time", "train", "export", "evaluate", "evaluate")
    ]
    seconds = float(re.findall(r"^[\d.]+$", said, re.MULTILINE)[0])  # an epoch's, as it was timed
    baseline, failed = map(json.loads, (results / "rows.jsonl").read_text().splitlines())
    assert baseline["epoch"] == max(1, round(60 * 0.003 / seconds)) and baseline["set"] == []
    assert re.findall(r"\n%WER (\S+)", said) == [f"{baseline[key]:.2f}" for key in ("wer", "wer_lm")]
    assert "unrecognized arguments: --layers=5" in failed["failed"] and "wer" not in failed
    assert status == 1 and f"failed: {failed['failed']}\n" in told
    assert out == (results / "EXPERIMENTS.md").read_text() and f"| failed: {failed['failed']} |" in out

    status, again, told = finish(start(folder, "tiny_sweep.yaml"))
    assert (status, again) == (1, out) and "no key" in told and "baseline" not in told
    assert output.read_text() == said  # nothing was run
    status, _, told = finish(start(folder, "tiny_sweep.yaml", "model.hidden=5"))
    assert status == 1 and "holds runs of another tiny.yaml" in told


def test_differences_within_the_noise(folder, monkeypatch):
    monkeypatch.chdir(folder)
    variants = [{"what": name, "expected": "", "set": [f"name={name}"]} for name in ("near", "far", "gone")]
    (folder / "noise.yaml").write_text(json.dumps({**HEAD, "seeds": [1, 2], "variants": variants}))
    sweep = load().Sweep("noise.yaml", [])
    rest = {"wer_lm": None, "epoch": 3, "minutes": 1.0, "train_loss": 2.0, "dev_loss": None, "parameters": 1234}
    rows = {
        run["run"]: run | rest | {"wer": wer, "commit": "abc", "device": "a|b"}
        for run, wer in zip(sweep.runs, (50.0, 52.0, 49.0, 48.9), strict=False)
    }
    rows["name=gone"] = sweep.runs[-1] | {"failed": "one | line"}
    table = sweep.table(rows)
    assert "no LM: 2 seeds differ by 2.00." in table and "with `" not in table
    cells = [re.split(r"(?<!\\)\|", line) for line in table.splitlines() if line.startswith("|")]
    assert [row[4].strip() for row in cells[2:]] == [
        *("50.00 (-1.00, within the noise)", "52.00 (+1.00, within the noise)", "49.00 (-2.00, within the noise)"),
        *("48.90 (-2.10)", "failed: one \\| line"),
    ]


def test_words_in_subword_units(tmp_path):
    train, lexicon, subwords = tmp_path / "train.jsonl", tmp_path / "lexicon.txt", tmp_path / "subwords.txt"
    write_manifest(train, [Utterance("1", "1.wav", "The other there"), Utterance("2", "2.wav", "there then")])
    lexicon.write_text("THE DH AH\nTHERE DH EH R\nTHEN DH EH N\nTOOT T UW T\nÉTÉ EY T EY\n")
    command = [sys.executable, ROOT / "recipes" / "sweeps" / "subwords.py", train, lexicon, "8", subwords]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pieces = {word: each[0].split() for word, each in read_pronunciations(subwords).items()}
    assert all("".join(each) == word for word, each in pieces.items())
    assert set(pieces) == {"THE", "THERE", "THEN", "TOOT"} and "1 left out" in done.stdout
    assert len({piece for each in pieces.values() for piece in each}) <= 8 and len(pieces["THERE"]) < len("THERE")


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ("[]", "expected config, minutes, seeds"),
        (json.dumps({**HEAD, "config": "nowhere.yaml"}), "nowhere.yaml"),
        (json.dumps({**HEAD, "config": "tested.yaml"}), "no test set, found test.jsonl"),
        (json.dumps({**HEAD, "variants": [{"what": "nothing"}]}), "expected variants with what"),
        ("config: [", "bad.yaml"),
    ],
)
def test_what_cannot_be_used_is_one_line(folder, sweep, expected):
    (folder / "tested.yaml").write_text(CONFIG.replace("dev.jsonl", "test.jsonl"))
    (folder / "bad.yaml").write_text(sweep)
    status, out, told = finish(start(folder, "bad.yaml"))
    assert (status, out, told.count("\n")) == (1, "", 1) and expected in told, told
