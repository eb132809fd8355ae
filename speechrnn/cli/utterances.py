"""The utterances of a manifest as sound, a part of them at a time."""

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from speechrnn.audio import read_audio
from speechrnn.batch_sizes import CHUNK_SECONDS
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance


def chunks(
    utterances: Sequence[Utterance], rate: int, say: Callable[[str], None], seconds: float = CHUNK_SECONDS
) -> Iterator[list[tuple[Utterance, np.ndarray]]]:
    """Lists of (utterance, waveform (samples,)) that end where they reach so many seconds.

    What cannot be read is left out; `say` is told of it, and of what is strange about the others.
    """
    chunk: list[tuple[Utterance, np.ndarray]] = []
    samples = 0
    for utterance in utterances:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                waveform = read_audio(
                    utterance.audio_filepath, rate, offset=utterance.offset, duration=utterance.duration
                )
        except InputError as error:
            say(f"utterance {utterance.id}: {error}")
            continue
        for warning in caught:
            say(f"warning: utterance {utterance.id}: {warning.message}")
        chunk.append((utterance, waveform))
        samples += len(waveform)
        if samples >= seconds * rate:
            yield chunk
            chunk, samples = [], 0
    if chunk:
        yield chunk
