"""Sounds that the fixture's model hears in two ways, language models that know which was meant, and models that fail."""

import json
from pathlib import Path

import numpy as np
import soundfile
from conftest import RATE, tones

from speechrnn.cli import main

TEXT = "good day now\ngood day\nnow good day\n" * 10


def blend(text: str, other: str, share: float = 0.52) -> np.ndarray:
    """The sound (samples,) of two texts of equal length at once; the first has this share of the energy where they differ."""
    assert len(text) == len(other)
    return np.float32(share**0.5) * tones(text) + np.float32((1 - share) ** 0.5) * tones(other)


def build_lm(folder: Path, text: str = TEXT, name: str = "text.lm", *options: str) -> Path:
    """A language model of a text, made by the command."""
    (folder / "text.txt").write_text(text, encoding="utf-8")
    assert (
        main(["lm", "build", str(folder / "text.txt"), "-o", str(folder / name), "--normaliser", "upper", *options])
        == 0
    )
    return folder / name


def write_dev(folder: Path, name: str = "dev.jsonl") -> Path:
    """A manifest of three sounds that a greedy decoder mishears, two of them with what the text says."""
    rows = []
    for i, (heard, said) in enumerate(
        [("good way now", "good day now"), ("gold day", "good day"), ("not good", "now good")]
    ):
        soundfile.write(folder / f"{i}.wav", blend(heard, said), RATE)
        rows.append({"audio_filepath": f"{i}.wav", "text": said})
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder / name


def without_tiny(tone_onnx: bytes) -> bytes:
    """The tone model, which now divides by zero in digital silence."""
    import onnx

    model = onnx.load_from_string(tone_onnx)
    (tiny,) = (value for value in model.graph.initializer if value.name == "tiny")
    tiny.CopyFrom(onnx.numpy_helper.from_array(np.float32(0), "tiny"))
    return model.SerializeToString()


def with_a_limit(tone_onnx: bytes, samples: int) -> bytes:
    """The tone model, which ONNX Runtime now fails to run on waveforms of this many samples or more."""
    import onnx

    model = onnx.load_from_string(tone_onnx)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(samples, np.int64), "allowed"))
    model.graph.node[-1].output[0] = "counted"
    model.graph.node.append(onnx.helper.make_node("Gather", ["allowed", "lengths"], ["nothing"]))
    model.graph.node.append(onnx.helper.make_node("Add", ["counted", "nothing"], ["frame_lengths"]))
    return model.SerializeToString()
