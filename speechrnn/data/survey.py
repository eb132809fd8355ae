"""A survey of a manifest: how much of what it holds, and which texts are unlikely to be what is said. numpy, no torch."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speechrnn.manifest import Utterance
from speechrnn.text import raw

SUSPICIOUS = 3.5  # robust deviations of the speech rate: Iglewicz and Hoaglin 1993, "How to detect and handle outliers"
LEAST_SPREAD = 0.1  # of the logarithm of the rate: where nearly all are equal, a third more is still nothing
HEADERS_READ = 100  # files of which the sample rate is looked at


@dataclass(frozen=True)
class Survey:
    """What a manifest's utterances are like. The arrays are parallel to `utterances`.

    Texts are counted in Unicode's composed form with single spaces. The speech rate is in characters a second, spaces among them.
    """

    utterances: Sequence[Utterance]
    seconds: np.ndarray  # (utterances,), NaN where neither manifest nor file says it
    characters: np.ndarray  # (utterances,) ints, spaces included
    words: np.ndarray  # (utterances,) ints
    alphabet: Counter  # character: how often, without the space
    vocabulary: int  # distinct words
    missing: list[str]  # ids whose file is not there
    sample_rates: Counter  # Hz: how many of the first files
    deviation: (
        np.ndarray
    )  # (utterances,) of the log speech rate from the median, in robust deviations; NaN: nothing is said

    @property
    def suspicious(self) -> np.ndarray:
        """Indices of utterances whose text is too long or too short for their duration, the worst first."""
        distance = np.nan_to_num(np.abs(self.deviation), nan=0.0)
        worst = np.argsort(-distance, kind="stable")
        return worst[distance[worst] > SUSPICIOUS]


def survey(utterances: Sequence[Utterance]) -> Survey:
    """Look at the utterances, at which files there are, and at the headers of some of them.

    A duration that the manifest lacks is taken from the file's header.
    """
    texts = [raw(utterance.text) for utterance in utterances]
    paths = dict.fromkeys(utterance.audio_filepath for utterance in utterances)
    present = [path for path in paths if os.path.isfile(path)]
    lacking = set(paths).difference(present)
    alphabet = Counter("".join(texts))
    del alphabet[" "]
    seconds = np.array([_seconds(utterance) for utterance in utterances])
    characters = np.array([len(text) for text in texts])
    return Survey(
        utterances=utterances,
        seconds=seconds,
        characters=characters,
        words=np.array([len(text.split()) for text in texts]),
        alphabet=alphabet,
        vocabulary=len({word for text in texts for word in text.split()}),
        missing=[utterance.id for utterance in utterances if utterance.audio_filepath in lacking],
        sample_rates=Counter(header[0] for header in map(_header, present[:HEADERS_READ]) if header),
        deviation=_deviation(characters, seconds),
    )


def _deviation(characters: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """How far each logarithm of the speech rate is from their median, in median absolute deviations made comparable with
    standard deviations of a normal distribution (x 1.4826). NaN where nothing is said or the duration is not known."""
    with np.errstate(divide="ignore"):
        rates = np.log(np.where(characters > 0, characters, np.nan) / np.maximum(seconds, 1e-3))
    known = rates[np.isfinite(rates)]
    if not len(known):
        return rates
    middle = np.median(known)
    return (rates - middle) / max(1.4826 * np.median(np.abs(known - middle)), LEAST_SPREAD)


def _seconds(utterance: Utterance) -> float:
    if utterance.duration is not None:
        return utterance.duration
    header = _header(utterance.audio_filepath)
    return max(header[1] - utterance.offset, 0.0) if header else float("nan")


def _header(path: str) -> tuple[int, float] | None:
    """A file's sample rate and seconds; None where it cannot be read."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as sound:
            return sound.samplerate, sound.frames / sound.samplerate
    except (OSError, TypeError, soundfile.SoundFileError):
        return None
