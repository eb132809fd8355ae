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
    assert len((tmp_path / "data" / "an4" / "test.evaluations.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "runs" / "an4" / "seed2" / "package" / "model.onnx").exists()
