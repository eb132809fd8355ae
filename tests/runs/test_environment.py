"""The environment record: what it says, what it must not say, and a line a start."""

import getpass
import json
import platform
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy
import pytest
import torch

from speechrnn.runs.environment import command_line, environment, write_environment


def test_what_it_says():
    found = environment()
    assert found["python"] == platform.python_version()
    assert found["torch"] == torch.__version__.partition("+")[0]
    assert found["numpy"] == numpy.__version__
    assert found["threads"] == torch.get_num_threads()
    assert len(found["gpus"]) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(found["date"])) < timedelta(minutes=1)
    assert found["world_size"] == 1
    cores = subprocess.run(["getconf", "_NPROCESSORS_ONLN"], check=True, capture_output=True, text=True).stdout
    assert found["processors"] == int(cores)


def test_the_commit_is_that_of_the_code_wherever_the_run_is(tmp_path, monkeypatch):
    root = Path(__file__).parents[2]
    git = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], check=False, capture_output=True, text=True)
    if git.returncode:
        pytest.skip("these tests do not lie in a git checkout")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)  # somebody's own, in which the run is
    monkeypatch.chdir(tmp_path)
    assert git.stdout.startswith(environment()["commit"].removesuffix("-dirty"))


def test_the_world_size_is_torchruns(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert environment()["world_size"] == 8


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/home/me/.venv/bin/speechrnn", "train", "conf/an4.yaml"], "speechrnn train conf/an4.yaml"),
        (["/x/speechrnn/__main__.py", "train", "/home/me/a b.yaml"], "speechrnn train '.../a b.yaml'"),
        (
            ["speechrnn", "train", "c.yaml", "data.train=[/home/me/a.jsonl,b/c.jsonl,~me/d.jsonl]", "run=/x/runs/1"],
            "speechrnn train c.yaml 'data.train=[.../a.jsonl,b/c.jsonl,.../d.jsonl]' run=.../1",
        ),
        (["speechrnn", "train", "c.yaml", "data.normaliser=upper"], "speechrnn train c.yaml data.normaliser=upper"),
    ],
)
def test_commands_without_absolute_paths(arguments, expected):
    assert command_line(arguments) == expected


def test_a_line_a_start_and_nothing_private(tmp_path):
    """In processes of their own, started by their absolute paths."""
    program = "import sys; from speechrnn.runs.environment import write_environment as w; w(sys.argv[1])"
    script = tmp_path / "starter.py"
    script.write_text(program)
    run = tmp_path / "run"
    subprocess.run([sys.executable, script, run], check=True)
    write_environment(run)
    text = (run / "environment.jsonl").read_text(encoding="utf-8")
    first, second = map(json.loads, text.splitlines())
    assert first["command"] == "starter.py .../run"
    assert first.keys() == second.keys()
    assert str(tmp_path) not in text and str(Path.home()) + "/" not in text
    for name in {socket.gethostname(), getpass.getuser()} - {"runner", "python"}:
        assert not re.search(rf"\b{re.escape(name)}\b", text)
