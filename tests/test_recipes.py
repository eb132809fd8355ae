"""Every recipe runs, from a tiny corpus to its RESULTS.md."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parent.parent
TINY = ["optimiser.epochs=1", "model.hidden=8", "model.layers=1"]


def tiny_an4(folder: Path) -> None:
    """AN4's layout with one utterance a speaker: noise, which nothing can be learnt from."""
    (folder / "etc").mkdir(parents=True)
    listed = (ROOT / "recipes" / "an4" / "dev_speakers.txt").read_text().splitlines()
    dev = [line for line in listed if not line.startswith("#")]
    random = np.random.default_rng(0)
    for split, speakers in (("train", [*dev, "mabc", "fabc"]), ("test", ["mxyz", "fxyz"])):
        ids, lines = [], []
        for number, speaker in enumerate(speakers):
            ids.append(f"an4_{split}/{speaker}/an{number}-{speaker}-b")
            lines.append(f"<s> ENTER A B {'ONE' if number % 2 else 'TWO'} </s> (an{number}-{speaker}-b)")
            path = folder / "wav" / f"{ids[-1]}.wav"
            path.parent.mkdir(parents=True)
            soundfile.write(path, random.normal(0, 0.1, 16000 + 800 * number), 16000)
        (folder / "etc" / f"an4_{split}.fileids").write_text("".join(f"{id}\n" for id in ids))
        (folder / "etc" / f"an4_{split}.transcription").write_text("".join(f"{line}\n" for line in lines))


def test_an4(tmp_path):
    for name in ("conf", "recipes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    tiny_an4(tmp_path / "data" / "corpora" / "an4")
    results = tmp_path / "recipes" / "an4"
    (results / "results.jsonl").unlink(missing_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [results / "run.sh", *TINY],
        env={**os.environ, "PATH": path, "SEEDS": "1 2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table = (results / "RESULTS.md").read_text()
    assert "Mean over 2 seeds" in table and "/ 8," in table  # 2 test utterances of 4 words
    assert "3-grams of its texts" in table
    assert len((tmp_path / "data" / "an4" / "test.evaluations.jsonl").read_text().splitlines()) == 4
    assert (tmp_path / "runs" / "an4" / "seed2" / "package" / "model.onnx").exists()


TINY_WORDS = {
    "go": "G OW1",
    "do": "D UW1",
    "see": "S IY1",
    "you": "Y UW1",
    "low": "L OW1",
    "low(2)": "L OW0",
    "her": "HH ER1",
}


def tiny_mini_librispeech(folder: Path) -> None:
    """mini-LibriSpeech's layout with two utterances a speaker: noise, which nothing can be learnt from."""
    listed = (ROOT / "recipes" / "mini_librispeech" / "dev_speakers.txt").read_text().splitlines()
    dev = [line for line in listed if not line.startswith("#")]
    random = np.random.default_rng(0)
    for subset, speakers in (("train-clean-5", [*dev, "19", "26"]), ("dev-clean", ["84", "174"])):
        for speaker in speakers:
            chapter = folder / subset / speaker / "1"
            chapter.mkdir(parents=True)
            lines = []
            for number, text in enumerate(["GO DO YOU SEE", "DO GO LOWER"]):
                lines.append(f"{speaker}-1-{number:04} {text}\n")
                soundfile.write(chapter / f"{speaker}-1-{number:04}.flac", random.normal(0, 0.1, 16000), 16000)
            (chapter / f"{speaker}-1.trans.txt").write_text("".join(lines))


def test_mini_librispeech(tmp_path):
    for name in ("conf", "recipes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    tiny_mini_librispeech(tmp_path / "data" / "corpora" / "LibriSpeech")
    (tmp_path / "data" / "lm").mkdir()
    (tmp_path / "data" / "lm" / "books.txt").write_text("GO DO YOU SEE\nDO GO LOWER\nYOU SEE\n" * 5)
    (tmp_path / "cmudict").write_text("".join(f"{word} {phones}\n" for word, phones in TINY_WORDS.items()))
    results = tmp_path / "recipes" / "mini_librispeech"
    (results / "results.jsonl").unlink(missing_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"BOOKS": str(tmp_path / "data" / "lm" / "books.txt"), "DICTIONARY": str(tmp_path / "cmudict")}
    command = [results / "run.sh", *TINY]
    env = {**os.environ, "PATH": path, **settings}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 guessed: LOWER" in done.stderr  # the lexicon has the words of speech and language model
    table = (results / "RESULTS.md").read_text()
    assert "3-grams of books" in table and "no language model" in table and "/ 14," in table
    package = tmp_path / "runs" / "mini_librispeech" / "seed1" / "package"
    assert "LOWER L OW" in (package / "lexicon.txt").read_text()
    (tmp_path / "data" / "lm" / "books.txt").unlink()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "books.txt: found no such file" in done.stderr
