"""The whole pipeline: sound file -> audio -> log-probabilities -> decoder -> transcript."""

import os
from collections.abc import Sequence
from typing import overload

import numpy as np

from speechrnn.acoustic import AcousticModel
from speechrnn.audio import Source, read_audio
from speechrnn.decoding.greedy import greedy
from speechrnn.package import Package, find_package, read_package
from speechrnn.transcript import Transcript

CASES = {"lower": str.lower, "upper": str.upper, "as_is": str}


class Recognizer:
    """A model package, ready to transcribe. `speechrnn.load` makes one.

    Args:
        name_or_path: a bundled package's name, or a package's directory; None is the default package.
        threads: how many CPU threads to use; None leaves it to ONNX Runtime.

    Raises:
        InputError: there is no such package, or it cannot be used.
    """

    def __init__(self, name_or_path: str | os.PathLike | None = None, threads: int | None = None):
        self.package: Package = read_package(find_package(name_or_path))
        self.acoustic = AcousticModel(self.package, threads)

    @overload
    def transcribe(self, source: list | tuple, rate: int | None = None) -> list[Transcript]: ...
    @overload
    def transcribe(self, source: Source, rate: int | None = None) -> Transcript: ...
    def transcribe(self, source, rate=None):
        """The transcript of a recording, or those of a list of recordings, which are run in batches.

        Args:
            source: a path ("-" is standard input), a binary file object or an array (samples,) or (samples, channels);
                or a list of these, all of which are in memory at once.
            rate: the sample rate of arrays, in Hz. Files state their own.

        Raises:
            InputError: a recording cannot be used; see `speechrnn.audio.read_audio`.
        """
        if isinstance(source, list | tuple):
            return self.transcribe_waveforms([self.read(each, rate) for each in source])
        return self.transcribe_waveforms([self.read(source, rate)])[0]

    def transcribe_waveforms(self, waveforms: Sequence[np.ndarray]) -> list[Transcript]:
        """The transcripts of waveforms (samples,), float32, that are at the package's sample rate already."""
        all_log_probs = self.acoustic.log_probs(waveforms)
        return [self.decode(lp, len(waveform)) for lp, waveform in zip(all_log_probs, waveforms, strict=True)]

    def log_probs(self, source: Source, rate: int | None = None) -> np.ndarray:
        """What the acoustic model says of a recording: (frames, tokens) natural logs, token 0 the blank."""
        return self.acoustic.log_probs([self.read(source, rate)])[0]

    def read(self, source: Source, rate: int | None = None) -> np.ndarray:
        """A recording as the model hears it: (samples,) float32 at the package's sample rate."""
        return read_audio(source, self.package.sample_rate, rate=rate)

    def decode(self, log_probs: np.ndarray, samples: int) -> Transcript:
        """The transcript of log-probabilities (frames, tokens) that came of so many samples."""
        text = self.package.tokenizer.decode(greedy(log_probs))
        return Transcript(CASES[self.package.output_case](text), samples / self.package.sample_rate)
