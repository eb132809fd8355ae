"""What an import and a transcription bring into the process."""

import os
import subprocess
import sys

import soundfile
from conftest import RATE, tones

HEAVY = {"torch", "torchaudio", "lhotse", "librosa", "omegaconf", "onnx", "matplotlib", "tensorboard", "scipy"}


def loaded_after(code: str) -> tuple[set[str], str]:
    """The top-level modules of a fresh process that ran this code, and what it printed before."""
    code += "\nimport sys\nprint('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    printed, _, modules = done.stdout.rpartition("MODULES")
    return set(modules.split()), printed


def test_import_speechrnn_brings_nothing():
    modules, _ = loaded_after("import speechrnn")
    assert not modules & (HEAVY | {"numpy", "onnxruntime", "soundfile", "jiwer", "rich"})


def test_transcribing_brings_no_torch_and_only_what_it_uses(package_dir, tmp_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, tones("no torch"), RATE)
    arguments = ["transcribe", "--model", str(package_dir), "--threads", "1", str(path)]
    modules, printed = loaded_after(f"from speechrnn.cli import main\nassert main({arguments!r}) == 0")
    assert printed == "no torch\n"
    assert "onnxruntime" in modules
    assert not modules & (HEAVY | {"jiwer", "rich", "soxr"})


def test_the_lazy_names():
    _, printed = loaded_after(
        "import speechrnn\n"
        "from speechrnn import Recognizer, Transcript, load\n"
        "assert speechrnn.Recognizer is Recognizer\n"
        "assert not hasattr(speechrnn, 'Recogniser')\n"
        "print(Recognizer.__module__, Transcript.__module__)"
    )
    assert printed.split() == ["speechrnn.recognizer", "speechrnn.transcript"]
