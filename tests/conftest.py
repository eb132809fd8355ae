"""Shared fixtures: a model package that hears tones, and the sound of a text in that code. No recordings, no torch."""

import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from speechrnn.package import write_package
from speechrnn.text import BLANK, BOUNDARY, Tokenizer

RATE = 16000
HOP = 640  # samples a frame; tones 100 Hz apart are orthogonal over it
TOKENS = [BLANK, BOUNDARY, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
FREQUENCIES = 200.0 + 100.0 * np.arange(len(TOKENS))  # token i is a tone of this many Hz, below 3 kHz
DESCRIPTION = {
    "format": 1,
    "name": "tones",
    "sample_rate": RATE,
    "front_end": {},
    "subsampling": 4,
    "seconds_per_frame": HOP / RATE,
    "token_type": "characters",
    "word_boundary": BOUNDARY,
    "normaliser": "upper",
    "output_case": "lower",
    "decoder": {"method": "greedy"},
    "language": "en",
    "training": {},
}

# Tests share the cores with each other: how long an example takes tells nothing
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture(autouse=True, scope="session")
def signals_are_heard():
    """Under nohup, or in the background of a script, a process starts with signals ignored, and hands that on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)}
    heard = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    for number, handler in before.items():
        if handler == signal.SIG_IGN:
            signal.signal(number, heard[number])
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def tone_model() -> bytes:
    """A model.onnx that gives each frame of 640 samples to the token whose tone holds most of its energy, else to blank.

    Frames are local, so windows must equal the whole; whatever stands in the padding is masked, and the gain cancels.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    phase = 2 * np.pi * np.outer(np.arange(HOP), FREQUENCIES) / RATE
    constants = {
        "cosines": np.cos(phase).astype(np.float32),
        "sines": np.sin(phase).astype(np.float32),
        "blank": np.eye(1, len(TOKENS), dtype=np.float32)[0] * 6,
        "no_blank": 1 - np.eye(1, len(TOKENS), dtype=np.float32)[0],
        "sharpness": np.float32(20 * 2 / HOP),
        "tiny": np.float32(1e-12),
        "zero": np.int64(0),
        "zero_list": np.array([0]),
        "zero_float": np.float32(0),
        "one": np.int64(1),
        "one_list": np.array([1]),
        "last": np.array([2]),
        "hop": np.int64(HOP),
        "hop_less_one": np.int64(HOP - 1),
        "no_pads": np.zeros(3, np.int64),
        "frames_shape": np.array([0, -1, HOP]),
    }
    nodes = [
        ("Shape", ["waveform"], "shape"),
        ("Gather", ["shape", "one"], "samples"),
        ("Range", ["zero", "samples", "one"], "positions"),
        ("Unsqueeze", ["lengths", "one_list"], "column"),
        ("Less", ["positions", "column"], "valid"),
        ("Where", ["valid", "waveform", "zero_float"], "masked"),
        ("Neg", ["samples"], "minus"),
        ("Mod", ["minus", "hop"], "missing"),
        ("Unsqueeze", ["missing", "zero_list"], "missing_list"),
        ("Concat", ["no_pads", "missing_list"], "pads"),
        ("Pad", ["masked", "pads"], "padded"),
        ("Reshape", ["padded", "frames_shape"], "frames"),
        ("MatMul", ["frames", "cosines"], "real"),
        ("MatMul", ["frames", "sines"], "imaginary"),
        ("Mul", ["real", "real"], "real_squared"),
        ("Mul", ["imaginary", "imaginary"], "imaginary_squared"),
        ("Add", ["real_squared", "imaginary_squared"], "power"),
        ("Mul", ["frames", "frames"], "squares"),
        ("ReduceSum", ["squares", "last"], "energy"),
        ("Add", ["energy", "tiny"], "divisor"),
        ("Div", ["power", "divisor"], "share"),
        ("Mul", ["share", "sharpness"], "sharp"),
        ("Mul", ["sharp", "no_blank"], "tones"),
        ("Add", ["tones", "blank"], "scores"),
        ("LogSoftmax", ["scores"], "log_probs"),
        ("Add", ["lengths", "hop_less_one"], "rounded"),
        ("Div", ["rounded", "hop"], "frame_lengths"),
    ]
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [out], **({"axis": 0} if op == "Concat" else {})) for op, inputs, out in nodes],
        "tones",
        [
            helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
        ],
        [
            helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["batch", "frames", len(TOKENS)]),
            helper.make_tensor_value_info("frame_lengths", TensorProto.INT64, ["batch"]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def tones(text: str, rate: int = RATE, level: float = 0.1) -> np.ndarray:
    """The sound (samples,) of a text for the tone model: 0.12 s a character, each with 0.08 s of silence after it."""
    sound = []
    for character in text:
        token = TOKENS.index(BOUNDARY if character == " " else character.upper())
        sound += [
            level * np.sin(2 * np.pi * FREQUENCIES[token] * np.arange(round(0.12 * rate)) / rate),
            np.zeros(round(0.08 * rate)),
        ]
    return np.concatenate(sound).astype(np.float32)


@pytest.fixture(scope="session")
def tone_onnx() -> bytes:
    return tone_model()


@pytest.fixture(scope="session")
def package_dir(tmp_path_factory, tone_onnx) -> Path:
    """The directory of a package with the tone model; not to be written to."""
    directory = tmp_path_factory.mktemp("packages") / "tones"
    write_package(directory, tone_onnx, Tokenizer(TOKENS), DESCRIPTION, "# tones\n")
    return directory
