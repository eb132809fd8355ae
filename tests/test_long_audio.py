"""An hour in one file: the memory stays bounded, and the windows' seams lose nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

SPOKEN = Path(__file__).parent.parent / "examples" / "digits.wav"
TRANSCRIBE = """
import sys
from speechrnn.cli import main
status = main(["transcribe", sys.argv[1]])
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0], file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the largest memory of a process")
def test_an_hour_in_one_file(tmp_path):
    samples, rate = soundfile.read(SPOKEN, dtype="int16")
    times = 3600 * rate // len(samples)
    soundfile.write(tmp_path / "hour.flac", np.tile(samples, times), rate)
    command = [sys.executable, "-c", TRANSCRIBE, tmp_path / "hour.flac"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-2]) < 700_000  # "VmHWM: 471516 kB"
    assert abs(len(done.stdout.split()) / (6 * times) - 1) < 0.02  # six digits each time
