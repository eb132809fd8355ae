"""The acoustic model on ONNX Runtime: waveforms to log-probabilities, in batches, long audio in windows.

model.onnx takes `waveform` (batch, samples) float32 in [-1, 1] and `lengths` (batch) int64, and gives `log_probs`
(batch, frames, tokens) float32, natural logs with the blank at 0, and `frame_lengths` (batch) int64. What stands in the
padding does not matter to it.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from speechrnn.batch_sizes import BATCH_SECONDS, by_length
from speechrnn.errors import InputError, check_count
from speechrnn.package import Package

WINDOW_SECONDS = 30.0  # longer audio is cut into windows of this
CONTEXT_SECONDS = 3.0  # which hear this much more at either side


class Window(NamedTuple):
    """A part of a waveform that is run by itself: `samples`, of whose frames `keep` remain after `skip` (None is all)."""

    samples: np.ndarray
    skip: int
    keep: int | None


class AcousticModel:
    """A package's model, loaded.

    Args:
        package: where the model is and what its tokens are.
        threads: how many CPU threads to use; None leaves it to ONNX Runtime, which takes the physical cores.

    Raises:
        InputError: `threads` is not a whole number of 1 or more, ONNX Runtime cannot load the model, or it is not the one that
            the package describes.
    """

    def __init__(self, package: Package, threads: int | None = None):
        import onnxruntime

        if threads is not None:
            check_count("threads", threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(threads, os.cpu_count() or 1) if threads else 0
        options.log_severity_level = 4  # fatal only: what goes wrong comes back as an exception
        # Folds constants, so that float16 weights become float32 once. More than that only made the start slower.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            # A path is quicker than bytes: 135 ms against 200 ms for a model of 97 MB.
            self._session = onnxruntime.InferenceSession(
                package.model_path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # noqa: BLE001 (its exceptions have no base class of their own)
            raise InputError(f"{package.model_path}: ONNX Runtime cannot load it: {_first_line(error)}") from None
        self.package = package
        for what, expected, found in (
            ("inputs", ["waveform", "lengths"], self._session.get_inputs()),
            ("outputs", ["log_probs", "frame_lengths"], self._session.get_outputs()),
        ):
            names = [value.name for value in found]
            if sorted(names) != sorted(expected):
                raise InputError(
                    f"{package.model_path}: expected the {what} {' and '.join(expected)}, found {', '.join(names)}"
                )
        width = next(value.shape[-1] for value in self._session.get_outputs() if value.name == "log_probs")
        if width != len(package.tokenizer):
            raise InputError(
                f"{package.directory}: the model gives {width} tokens a frame, "
                f"tokens.txt lists {len(package.tokenizer)}: they do not belong together"
            )

    def log_probs(self, waveforms: Sequence[np.ndarray], names: Sequence[str] | None = None) -> list[np.ndarray]:
        """The log-probabilities (frames, tokens) of each waveform (samples,), in the order given.

        Waveforms are float32 at the package's sample rate. They are batched by length, and those of more than
        `WINDOW_SECONDS` run in windows that overlap by their context, so that memory does not grow with them. `names` are what
        the recordings are called in errors.

        Raises:
            InputError: ONNX Runtime cannot run the model on one of them.
        """
        names = names or [""] * len(waveforms)
        windows = [(i, window) for i, waveform in enumerate(waveforms) for window in self._windows([waveform])]
        results: dict[int, np.ndarray] = {}
        most = BATCH_SECONDS * self.package.sample_rate
        for batch in by_length([len(window.samples) for _, window in windows], most):
            found = self._run([windows[w][1].samples for w in batch], [names[windows[w][0]] for w in batch])
            for w, log_probs in zip(batch, found, strict=True):
                _, skip, keep = windows[w][1]
                results[w] = log_probs[skip : None if keep is None else skip + keep]
        pieces: list[list[np.ndarray]] = [[] for _ in waveforms]
        for w, (i, _) in enumerate(windows):
            pieces[i].append(results[w])
        none = np.zeros((0, len(self.package.tokenizer)), np.float32)  # of a waveform without samples
        return [np.concatenate([none, *own]) for own in pieces]  # a copy, which lets the padded batches go

    def stream(self, blocks: Iterable[np.ndarray], name: str = "") -> Iterator[np.ndarray]:
        """The frames (frames, tokens) that `log_probs` gives for a waveform, some `WINDOW_SECONDS` at a time.

        `blocks` are the waveform in pieces (samples,) of any size. They are taken as they are needed, and let go. `name` is what
        the recording is called in errors.

        Raises:
            InputError: ONNX Runtime cannot run the model on it.
        """
        for samples, skip, keep in self._windows(blocks):
            (log_probs,) = self._run([samples], [name])
            yield log_probs[skip : None if keep is None else skip + keep]

    def _windows(self, blocks: Iterable[np.ndarray]) -> Iterator[Window]:
        """A waveform in blocks (samples,), whole or in windows that begin and end on frames, the last as long as it may be."""
        hop = self.package.samples_per_frame
        frames = int(WINDOW_SECONDS / self.package.seconds_per_frame)
        context = int(CONTEXT_SECONDS / self.package.seconds_per_frame)
        skip = 0  # frames that are kept before the next window
        pieces, count = [], 0
        for block in chain(blocks, [None]):
            if block is not None and len(block):
                pieces.append(block)
                count += len(block)
            # With more than a window and all of its context, or at the end with whatever there is
            while count > (skip + frames + context) * hop or (block is None and pieces):
                waveform = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
                last = count <= (skip + frames) * hop
                yield Window(waveform[: (skip + frames + context) * hop], skip, None if last else frames)
                if last:
                    return
                kept = min(skip + frames, context)
                pieces = [waveform[(skip + frames - kept) * hop :]]
                skip, count = kept, len(pieces[0])

    def _run(self, waveforms: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
        """One padded batch. At least one frame wide, for a waveform may be shorter than what the front end looks at."""
        lengths = np.array([len(waveform) for waveform in waveforms], np.int64)
        padded = np.zeros((len(waveforms), max(lengths.max(), self.package.samples_per_frame)), np.float32)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = waveform
        try:
            log_probs, frame_lengths = self._session.run(
                ["log_probs", "frame_lengths"], {"waveform": padded, "lengths": lengths}
            )
        except Exception as error:  # noqa: BLE001 (see above)
            if len(waveforms) > 1:  # one by one, it fails on the waveform that it cannot be run on
                return [self._run([each], [name])[0] for each, name in zip(waveforms, names, strict=True)]
            of = f"{names[0]}: " if names[0] else ""
            raise InputError(
                f"{of}ONNX Runtime cannot run the model {self.package.model_path} on it: {_first_line(error)}"
            ) from None
        return [rows[:n] for rows, n in zip(log_probs, frame_lengths, strict=True)]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
