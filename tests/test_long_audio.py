"""Long files through the command line: the memory does not grow with them, and the windows' seams lose nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

SPOKEN = Path(__file__).parent.parent / "examples" / "digits.wav"
TRANSCRIBE = """
import sys
from speechrnn.cli import main
status = main(["transcribe", "--threads", "1", *sys.argv[1:]])
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0], file=sys.stderr)
sys.exit(status)
"""


def transcribed(path: Path, seconds: int) -> tuple[int, int, int]:
    """The largest memory in KiB, the words found and the words said, in a file of about so many seconds."""
    samples, rate = soundfile.read(SPOKEN, dtype="int16")
    times = seconds * rate // len(samples)
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        for _ in range(times):
            file.write(samples)
    done = subprocess.run([sys.executable, "-c", TRANSCRIBE, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-2]), len(done.stdout.split()), 6 * times  # "VmHWM: 171516 kB"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the largest memory of a process")
def test_an_hour_takes_the_memory_of_twenty_minutes(tmp_path):
    shorter, *_ = transcribed(tmp_path / "minutes.flac", 1200)
    longer, found, said = transcribed(tmp_path / "hour.flac", 3600)
    assert longer < 300_000
    assert longer - shorter < 15_000  # 40 minutes are 150 MB of samples, and 7 MB of log-probabilities
    assert abs(found / said - 1) < 0.02
