"""Where a run ran: versions, processors and the command, so that its figures can be understood later.

No names of users or machines and no absolute paths: a record may be published as it is.
"""

import json
import os
import platform
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import speechrnn
from speechrnn.files import write_atomically
from speechrnn.runs.log import read_lines
from speechrnn.scoring.results import git_commit


def environment() -> dict:
    """What this process runs on. A value that cannot be found out is None."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_line(sys.argv),
        "speechrnn": _version("speechrnn"),
        "commit": _own_commit(),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "torchaudio", "numpy")},
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu_model(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(gpus)],
        "driver": _driver() if gpus else None,
        "cuda": torch.version.cuda if gpus else None,
        "cudnn": torch.backends.cudnn.version() if gpus else None,
        "world_size": int(os.environ.get("WORLD_SIZE", 1)),  # as torchrun says it
    }


def write_environment(folder: str | os.PathLike) -> None:
    """Add a line to the environment.jsonl of a run's folder: one each time that the run starts or goes on.

    Raises:
        InputError, OSError: it cannot be read, or not be written.
    """
    path = Path(folder) / "environment.jsonl"
    lines = [*(line.contents for line in read_lines(path)), json.dumps(environment(), ensure_ascii=False).encode()]
    write_atomically(path, b"".join(line + b"\n" for line in lines))


def command_line(arguments: list[str]) -> str:
    """The command of `sys.argv`, quoted for a shell; of absolute paths only the last part remains, as in `.../train.jsonl`."""
    program = Path(arguments[0]).name
    program = "speechrnn" if program in ("__main__.py", "speechrnn.exe") else program
    return shlex.join([program, *map(_without_absolute_paths, arguments[1:])])


def _without_absolute_paths(word: str) -> str:
    """Of `data.train=[/home/me/a.jsonl,b.jsonl]`: `data.train=[.../a.jsonl,b.jsonl]`."""
    parts = re.split(r"([=,\[\]\"' ])", word)
    return "".join(f".../{Path(part).name}" if os.path.isabs(part) or part.startswith("~") else part for part in parts)


def _own_commit() -> str | None:
    """The commit of the checkout that this code lies in, with `-dirty` where files were changed; None if it was installed."""
    root = Path(speechrnn.__file__).resolve().parents[1]
    return git_commit(folder=root) if (root / ".git").exists() else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str | None:
    try:
        found = re.search(r"^model name\s*: *(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    return found[1] if found else platform.processor() or None


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, check=False, capture_output=True, encoding="utf-8", timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split("\n")[0].strip() or None
