"""The built wheel, installed alone into an empty environment outside the checkout, brings its model and transcribes."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0].removesuffix(".dist") for name in names} == {"speechrnn"}
    assert "speechrnn/py.typed" in names
    assert "speechrnn/pretrained/an4/model.onnx" in names
    english = ("model.onnx", "lexicon.txt", "lm/ngram.lm", "lm/lexicon.bin")
    assert {f"speechrnn/pretrained/english/{name}" for name in english} <= set(names)


def test_wheel_alone_transcribes(wheel, tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def call(*command) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    call(sys.executable, "-m", "venv", "env")
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    assert call(python, "-m", "speechrnn", "transcribe", ROOT / "examples" / "digits.wav").strip()
    where = call(
        python, "-c", "import speechrnn; print(speechrnn.__file__); print(speechrnn.load('an4').package.directory)"
    )
    assert all(str(tmp_path) in line for line in where.splitlines())
    found = call(python, "-c", "import importlib.util; print(importlib.util.find_spec('torch'))")
    assert found.strip() == "None"
