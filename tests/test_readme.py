"""The code blocks of the README and of the pages for users run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def blocks(language: str, *pages: str) -> list[str]:
    """The code blocks of pages, by paths from the root."""
    texts = ((ROOT / page).read_text(encoding="utf-8") for page in pages)
    return [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def shell_lines(*pages: str) -> list[str]:
    return [line for block in blocks("sh", *pages) for line in block.splitlines()]


def of_training(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(("speechrnn train", "speechrnn prepare")) or "mine" in line]


README, TRAINING_PAGE = "README.md", "docs/training.md"
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))
PYTHON_BLOCKS = blocks(
    "python", README, "docs/alignment.md", "docs/fine_tuning.md", "docs/decoding.md", "docs/normalisers.md"
)
TRANSCRIBING = [line for line in shell_lines(README, *PAGES) if "speechrnn transcribe" in line and "examples" in line]
TRAINING = of_training(shell_lines(TRAINING_PAGE, "docs/scoring.md", "docs/decoding.md"))


def run(line: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a line of shell in which `speechrnn` is this environment's."""
    line = line.replace("speechrnn ", f"{shlex.quote(sys.executable)} -m speechrnn ", 1)
    return subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_block_prints_a_text(block):
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


def test_training_of_the_readme_is_that_of_its_page():
    assert set(of_training(shell_lines(README))) <= set(of_training(shell_lines(TRAINING_PAGE)))


def test_training_block_makes_a_model_that_transcribes(tmp_path):
    """The commands are run word for word on a tiny folder of recordings, with fewer epochs and a smaller network."""
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


def test_the_readme_is_short():
    assert len((ROOT / README).read_text(encoding="utf-8").splitlines()) <= 120


def test_the_readme_and_the_pages_name_every_command():
    from speechrnn.cli import COMMANDS

    named = {line.split()[1] for line in shell_lines(README, *PAGES) if line.startswith("speechrnn ")}
    assert named == set(COMMANDS)
