"""The whole pipeline: sound file -> audio -> log-probabilities -> decoder -> transcript."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

import numpy as np

from speechrnn.acoustic import AcousticModel
from speechrnn.audio import Source, read_audio, source_name
from speechrnn.decoding.decoder import Decoder, HotwordWeights, Lm
from speechrnn.errors import InputError
from speechrnn.package import Package, find_package, read_package
from speechrnn.text import BOUNDARY, normaliser
from speechrnn.transcript import Hypothesis, Transcript

if TYPE_CHECKING:
    from speechrnn.transcript import Word

CASES = {"lower": str.lower, "upper": str.upper, "as_is": str}


class Recognizer:
    """A model package, ready to transcribe. `speechrnn.load` makes one.

    Args:
        name_or_path: a bundled package's name, or a package's directory; None is the default package.
        threads: how many CPU threads to use; None leaves it to ONNX Runtime.
        lm, hotwords, beam, nbest: how texts are found; see `speechrnn.decoding.decoder.Decoder`.

    Raises:
        InputError: there is no such package, or it cannot be used, or not with these.
    """

    def __init__(
        self,
        name_or_path: str | os.PathLike | None = None,
        threads: int | None = None,
        *,
        lm: Lm = None,
        hotwords: HotwordWeights = None,
        beam: int | None = None,
        nbest: int | None = None,
    ):
        self.package: Package = read_package(find_package(name_or_path))
        self.decoder = Decoder(self.package, lm=lm, hotwords=hotwords, beam=beam, nbest=nbest)
        self.acoustic = AcousticModel(self.package, threads)

    @overload
    def transcribe(self, source: list | tuple, rate: int | None = None, *, times: bool = False) -> list[Transcript]: ...
    @overload
    def transcribe(self, source: Source, rate: int | None = None, *, times: bool = False) -> Transcript: ...
    def transcribe(self, source, rate=None, *, times=False):
        """The transcript of a recording, or those of a list of recordings, which are run in batches.

        Args:
            source: a path ("-" is standard input), a binary file object or an array (samples,) or (samples, channels);
                or a list of these, all of which are in memory at once.
            rate: the sample rate of arrays, in Hz. Files state their own.
            times: whether words with their times and confidences are wanted.

        Raises:
            InputError: a recording cannot be used; see `speechrnn.audio.read_audio`.
        """
        sources = source if isinstance(source, list | tuple) else [source]
        waveforms = [self.read(each, rate) for each in sources]
        transcripts = self.transcribe_waveforms(waveforms, [source_name(each) for each in sources], times=times)
        return transcripts if sources is source else transcripts[0]

    def transcribe_waveforms(
        self, waveforms: Sequence[np.ndarray], names: Sequence[str] | None = None, *, times: bool = False
    ) -> list[Transcript]:
        """The transcripts of waveforms (samples,), float32, that are at the package's sample rate already.

        `names` are what the recordings are called in errors.
        """
        samples = [len(waveform) for waveform in waveforms]
        return self.decode_batch(self.acoustic.log_probs(waveforms), samples, names, times=times)

    def log_probs(self, source: Source, rate: int | None = None) -> np.ndarray:
        """What the acoustic model says of a recording: (frames, tokens) natural logs, token 0 the blank."""
        return self.acoustic.log_probs([self.read(source, rate)])[0]

    def read(self, source: Source, rate: int | None = None) -> np.ndarray:
        """A recording as the model hears it: (samples,) float32 at the package's sample rate."""
        return read_audio(source, self.package.sample_rate, rate=rate)

    def decode(self, log_probs: np.ndarray, samples: int, *, times: bool = False) -> Transcript:
        """The transcript of log-probabilities (frames, tokens) that came of so many samples."""
        return self.decode_batch([log_probs], [samples], times=times)[0]

    def decode_batch(
        self,
        batch: Sequence[np.ndarray],
        samples: Sequence[int],
        names: Sequence[str] | None = None,
        *,
        times: bool = False,
    ) -> list[Transcript]:
        """The transcripts of several recordings' log-probabilities (frames, tokens), together: quicker than one by one.

        Raises:
            InputError: there is NaN among them.
        """
        case = CASES[self.package.output_case]
        transcripts = []
        for log_probs, length, found in zip(batch, samples, self.decoder.decode(batch, names), strict=True):
            duration = length / self.package.sample_rate
            words = hypotheses = None
            if times:
                timed = self._words(log_probs, found[0], duration)
                words = tuple(replace(word, text=case(word.text)) for word in timed)
            if self.decoder.nbest:
                hypotheses = tuple(replace(each, text=case(each.text)) for each in found)
            transcripts.append(Transcript(case(found[0].text), duration, words, hypotheses))
        return transcripts

    def align(self, source: Source, text: str, rate: int | None = None) -> Transcript:
        """When each word of a known text is said in a recording, and how sure the model is of it.

        The words are written as they stand in the text; what the model looks for is their form after its own normaliser.

        Args:
            source: a path, a binary file object or an array, as for `transcribe`.
            text: what is said, with white space between words. Of a word that is only punctuation the normaliser may leave
                nothing: it is left out.
            rate: the sample rate of an array, in Hz.

        Raises:
            InputError: the recording cannot be used, a word has a letter that the model lacks, or the text is longer than the
                recording can hold.
        """
        from speechrnn.decoding.alignment import align_words

        package, normalise = self.package, normaliser(self.package.normaliser)
        words = [(written, spoken) for written in text.split() if (spoken := normalise(written))]
        for written, spoken in words:
            if missing := package.tokenizer.outside(spoken):
                letters = " ".join(map(repr, dict.fromkeys(missing)))
                raise InputError(
                    f"the word {written!r}: the model {package.name} has no letter for {letters}: "
                    "write it in the model's letters"
                )
        waveform = self.read(source, rate)
        duration = len(waveform) / package.sample_rate
        log_probs = self.acoustic.log_probs([waveform])[0]
        del waveform
        spoken = [spoken for _, spoken in words]
        try:
            found = align_words(
                log_probs, spoken, package.tokenizer, package.seconds_per_frame, duration, package.calibration
            )
        except InputError as error:
            raise InputError(f"{source_name(source)}: {error}") from None
        timed = tuple(replace(word, text=written) for word, (written, _) in zip(found, words, strict=True))
        return Transcript(" ".join(word.text for word in timed), duration, timed)

    def _words(self, log_probs: np.ndarray, found: Hypothesis, duration: float) -> "tuple[Word, ...]":
        """The words of a hypothesis with their times, spelled as the search spelled them."""
        from speechrnn.decoding.alignment import align_words

        package = self.package
        boundary = package.tokenizer.tokens.index(BOUNDARY)
        ends = [i for i, token in enumerate((*found.tokens, boundary)) if token == boundary]
        starts = [0, *(end + 1 for end in ends)]
        spellings = [found.tokens[start:end] for start, end in zip(starts, ends, strict=False) if end > start]
        return align_words(
            log_probs,
            found.text.split(),
            package.tokenizer,
            package.seconds_per_frame,
            duration,
            package.calibration,
            spellings,
        )
