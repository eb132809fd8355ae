"""What is known of a recording beyond its texts: its sound, when its words are said, and what the model hears."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from speechrnn.audio import read_audio
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance
from speechrnn.recognizer import Recognizer
from speechrnn.scoring.report.pictures import RATE
from speechrnn.scoring.score import UtteranceScore
from speechrnn.transcript import Word


@dataclass(frozen=True)
class Posteriors:
    """The log-probabilities (frames, tokens) of a recording, the blank at 0, and how long a frame is."""

    log_probs: np.ndarray
    seconds_per_frame: float
    tokens: Sequence[str]


@dataclass(frozen=True)
class Recording:
    """A recording as the page shows it: `waveform` (samples,) at `pictures.RATE`.

    `heard` are the words of the hypothesis and `said` those of the reference with their times; None where they are not known.
    """

    waveform: np.ndarray
    heard: tuple[Word, ...] | None = None
    said: tuple[Word, ...] | None = None
    posteriors: Posteriors | None = None


def worst(utterances: Sequence[UtteranceScore], number: int) -> list[UtteranceScore]:
    """Those with the most word errors, most first; of as many errors, the one with fewer words comes first."""
    wrong = [utterance for utterance in utterances if utterance.words.errors]
    return sorted(wrong, key=lambda each: (-each.words.errors, each.words.reference, each.id))[:number]


def record(utterance: UtteranceScore, source: Utterance, recognizer: Recognizer | None = None) -> Recording:
    """Read an utterance's sound; with a recognizer also look at it, and align its two texts with it.

    The hypothesis is not recognised again but aligned as it stands, where its times are not known: the model may have been
    asked in another way than it would be here.

    Raises:
        InputError: the sound cannot be read.
    """
    read = partial(read_audio, source.audio_filepath, offset=source.offset, duration=source.duration)
    waveform = read(RATE)
    heard = utterance.recognised
    if recognizer is None:
        return Recording(waveform, heard)
    package = recognizer.package
    own = waveform
    if package.sample_rate != RATE:
        own = read(package.sample_rate)
    if heard is None:
        heard = _aligned(recognizer, own, utterance.hypothesis or "")
    log_probs = recognizer.log_probs(own, package.sample_rate)
    posteriors = Posteriors(log_probs, package.seconds_per_frame, package.tokenizer.tokens)
    return Recording(waveform, heard, _aligned(recognizer, own, utterance.reference), posteriors)


def _aligned(recognizer: Recognizer, waveform: np.ndarray, text: str) -> tuple[Word, ...] | None:
    try:
        return recognizer.align(waveform, text, recognizer.package.sample_rate).words
    except InputError:  # a letter that the model lacks, or more text than the sound can hold
        return None
