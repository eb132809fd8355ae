"""What the README says can be typed, does what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL_LINES = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
TRANSCRIBING = [line for line in SHELL_LINES if "speechrnn transcribe" in line and "examples" in line]
TRAINING = [line for line in SHELL_LINES if line.startswith(("speechrnn train", "speechrnn prepare")) or "mine" in line]


def run(line: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a line of shell in which `speechrnn` is this environment's."""
    line = line.replace("speechrnn ", f"{shlex.quote(sys.executable)} -m speechrnn ", 1)
    return subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_block_prints_a_transcript(block):
    done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("line", TRANSCRIBING)
def test_transcribe_line_prints_text(line, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = run(line, tmp_path)
    assert done.returncode == 0, done.stderr
    if " -o " in line:
        names = {path.stem for path in (ROOT / "examples" / "english").glob("*.wav")}
        assert {path.stem for path in (tmp_path / "texts").rglob("*.srt")} == names
    else:
        assert done.stdout.strip()


def test_training_block_makes_a_model_that_transcribes(tmp_path):
    """The block word for word on a tiny folder of recordings, but for fewer epochs and a smaller network."""
    (tmp_path / "my_recordings").mkdir()
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    for copy in range(10):  # the shortest is less than a tenth of them all, and held out
        for wav in (ROOT / "examples").glob("*.wav"):
            name = f"{wav.stem}{copy}"
            (tmp_path / "my_recordings" / f"{name}.wav").write_bytes(wav.read_bytes())
            (tmp_path / "my_recordings" / f"{name}.txt").write_text("One, two.")
    (tmp_path / "talk.wav").write_bytes((ROOT / "examples" / "digits.wav").read_bytes())
    (tmp_path / "texts.txt").write_text("ONE TWO\nTWO ONE\nONE\n" * 20)
    commands = [line.split()[1] for line in TRAINING]
    assert commands == [
        *["prepare", "inspect", "train", "inspect", "export", "evaluate", "transcribe"],
        *["evaluate", "evaluate", "score", "compare", "report"],
        *["lm", "transcribe", "tune", "transcribe"],
    ]
    for line in TRAINING:
        if " train " in line:
            line += " optimiser.epochs=1 model.layers=1 device=cpu"
        done = run(line, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (tmp_path / "models" / "mine" / "MODEL_CARD.md").exists()
    assert (tmp_path / "models" / "mine" / "lm").is_dir()


def test_every_command_of_the_readme_exists():
    from speechrnn.cli import COMMANDS

    named = {line.split()[1] for line in SHELL_LINES if line.startswith("speechrnn ")}
    assert named == set(COMMANDS)
