"""How long `speechrnn transcribe` takes as a whole process, for a file of 5 s, beside what such a process cannot do without.

Peers, each a fresh process as well: importing numpy, onnxruntime and soundfile, which is the floor; and importing torch,
if it is installed, which is where a recogniser on torch begins. All take turns, so that what else the machine does
falls on all of them. Then where the time of the command goes: processes that each do one thing more than the one before.

    python benchmarks/transcribe_start.py
    python benchmarks/transcribe_start.py --model path/to/package --runs 20
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

SECONDS, RATE = 5, 16000
FLOOR = "import numpy, onnxruntime, soundfile"


def measure(command: list[str]) -> tuple[float, float]:
    """One run: wall-clock seconds, and the largest resident set in MiB."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    took = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(command)}: exit status {child.returncode}")
    return took, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a bundled package's name or a package's directory (default: the bundled one)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument(
        "--runs", type=int, default=10, help="measured runs of each, after one that warms up (default: 10)"
    )
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "noise.wav"
        soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, SECONDS * RATE), RATE)
        transcribe = [sys.executable, "-m", "speechrnn", "transcribe", "--threads", str(args.threads), str(sound)]
        commands = {"speechrnn transcribe": transcribe + (["--model", args.model] if args.model else [])}
        commands["import numpy, onnxruntime, soundfile"] = [sys.executable, "-c", FLOOR]
        if importlib.util.find_spec("torch"):
            commands["import torch"] = [sys.executable, "-c", "import torch"]
        load = f"{FLOOR}; import speechrnn; recognizer = speechrnn.load({args.model!r}, {args.threads})"
        stages = {
            "Python": "pass",
            "import numpy": "import numpy",
            "import onnxruntime": "import numpy, onnxruntime",
            "import soundfile": FLOOR,
            "speechrnn.load(): its modules, the model": load,
            "the recording: read, run, decode": f"{load}; recognizer.transcribe({str(sound)!r})",
        }
        commands |= {name: [sys.executable, "-c", code] for name, code in stages.items()}
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for run in range(args.runs + 1):
            for name, command in commands.items():
                result = measure(command)
                if run:
                    results[name].append(result)

    ours = statistics.median(took for took, _ in results["speechrnn transcribe"])
    print(f"{'process':40}{'median s':>10}{'fastest s':>11}{'max RSS MiB':>13}{'ours / this':>13}")
    for name, measured in results.items():
        if name in stages:
            continue
        times = [took for took, _ in measured]
        median = statistics.median(times)
        print(f"{name:40}{median:10.3f}{min(times):11.3f}{max(rss for _, rss in measured):13.0f}{ours / median:13.2f}")

    print(f"\n{'where it goes':44}{'median s more':>14}")
    before = 0.0
    for name in stages:
        median = statistics.median(took for took, _ in results[name])
        print(f"{name:44}{median - before:14.3f}")
        before = median
    print(f"{'the command line: arguments, what is printed':44}{ours - before:14.3f}")


if __name__ == "__main__":
    main()
