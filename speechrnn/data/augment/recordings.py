"""The recordings of a manifest of noise or of impulse responses."""

import os
import sys

import numpy as np

from speechrnn.data.audio_cache import AudioCache
from speechrnn.errors import InputError
from speechrnn.manifest import read_manifest


class Recordings(AudioCache):
    """The readable recordings of the manifest that the configuration names under `key`, numbered from 0.

    Raises:
        InputError: the manifest is missing or empty, or none of its recordings can be read.
    """

    def __init__(self, key: str, manifest: str, sample_rate: int, folder: str | os.PathLike):
        try:
            utterances = read_manifest(manifest)
            super().__init__(utterances, sample_rate, folder)
        except InputError as error:
            raise InputError(f"{key}: {error}") from None
        self._ids = [u.id for u in utterances if u.id not in self.unreadable]
        if self.unreadable:
            first = next(iter(self.unreadable.values()))
            left_out = f"{len(self.unreadable)} of {len(utterances)} recordings cannot be read; the first: {first}"
            print(f"{key}: {manifest}: {left_out}", file=sys.stderr)

    def __len__(self) -> int:
        return len(self._ids)

    def recording(self, index: int) -> np.ndarray:
        """(samples,) float32."""
        return self.waveform(self._ids[index])

    def stretch(self, generator: np.random.Generator, samples: int) -> np.ndarray:
        """(samples,) float32 from a random place of a random recording; a short one is repeated. Reads no more than that."""
        begin, end = self._spans[self._ids[generator.integers(len(self))]]
        first = generator.integers(max(end - begin - samples, 0) + 1)
        found = self._samples[begin + first : min(begin + first + samples, end)].astype(np.float32) / 32768.0
        return found if len(found) == samples else np.resize(found, samples)
