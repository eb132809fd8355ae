"""A model for sherpa-onnx: what its slot for icefall's zipformer CTC models takes (`OfflineRecognizer.from_zipformer_ctc`).

sherpa-onnx computes Kaldi's filter bank of samples in [-1, 1] itself, with 25 ms frames every 10 ms from 20 Hz to 400 Hz below
half the sample rate, no dither, snip_edges false, and hands it to a graph with the inputs `x` and `x_lens` and the outputs
`log_probs` and `log_probs_len`, which it takes to stand for 40 ms a frame.
"""

import os
from pathlib import Path
from typing import Any

from speechrnn.errors import InputError
from speechrnn.export.onnx_graph import build_for_features
from speechrnn.files import replacing, write_atomically
from speechrnn.nn.model import CTCModel, ModelConfig
from speechrnn.recognizer import CASES
from speechrnn.text import BLANK, BOUNDARY

SPACE = "▁"  # U+2581 at the head of a token is a space to sherpa-onnx
FILES = ("model.onnx", "tokens.txt", "MODEL_CARD.md")


def check_slot(model: CTCModel, tokens: list[str]) -> None:
    """Raise an InputError if sherpa-onnx would feed the model something else than it was trained on."""
    config: ModelConfig = model.config
    front_end = config.front_end
    expected: dict[str, tuple[Any, Any]] = {
        "model.subsampling": (4, config.subsampling),
        "front_end.kind": ("fbank", front_end.kind),
        "front_end.low_hz": (20, front_end.low_hz),
        "front_end.high_hz": (config.sample_rate / 2 - 400, front_end.high_hz),
        "front_end.window_seconds": (0.025, front_end.window_seconds),
        "front_end.shift_seconds": (0.01, front_end.shift_seconds),
    }
    wrong = [
        f"{key} {wanted} (found {found})"
        for key, (wanted, found) in expected.items()
        if found != wanted and not (isinstance(found, float) and abs(found - wanted) < 1e-6)
    ]
    if wrong:
        raise InputError(f"sherpa-onnx's slot for CTC models expects {', '.join(wrong)}: it cannot hold this model")
    if SPACE in tokens:
        raise InputError(f"sherpa-onnx reads the token {SPACE!r} as a space: it cannot hold this model")


def build_for_sherpa(model: CTCModel, dtype: str, name: str) -> bytes:
    """The graph with the metadata by which sherpa-onnx knows its kind."""
    metadata = {"model_type": "zipformer2_ctc", "version": "1", "model_author": "speechrnn", "comment": name}
    return build_for_features(model, dtype, metadata)


def sherpa_tokens(tokens: list[str], output_case: str) -> str:
    """tokens.txt with sherpa-onnx's blank and space, in the case of our transcripts where that leaves the tokens distinct."""
    written = [{BLANK: "<blk>", BOUNDARY: SPACE}.get(token, token) for token in tokens]
    cased = [token if len(token) > 1 else CASES[output_case](token) for token in written]
    written = cased if len(set(cased)) == len(cased) else written
    return "".join(f"{token} {index}\n" for index, token in enumerate(written))


def write_for_sherpa(directory: str | os.PathLike, model_onnx: bytes, tokens: str, card: str) -> None:
    """Write the folder, complete or not at all; an earlier one of the same files is replaced.

    Raises:
        InputError: something else stands there.
    """
    directory = Path(os.path.realpath(directory))
    if directory.exists() and (not directory.is_dir() or {entry.name for entry in directory.iterdir()} - set(FILES)):
        raise InputError(f"{directory}: expected nothing there or an earlier export to replace, found something else")
    all_contents: tuple[bytes | str, ...] = (model_onnx, tokens, card)
    with replacing(directory) as partial:
        for name, contents in zip(FILES, all_contents, strict=True):
            write_atomically(partial / name, contents)
