"""The whole pipeline: sound file -> audio -> log-probabilities -> decoder -> transcript."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import overload

import numpy as np

from speechrnn.acoustic import AcousticModel
from speechrnn.alignment.pauses import LONGEST, join, span, stretches
from speechrnn.audio import Source, audio_blocks, read_audio, source_name
from speechrnn.batch_sizes import GROUP
from speechrnn.errors import InputError
from speechrnn.package import Package, read_package
from speechrnn.package_cache import find_package
from speechrnn.search.decoder import Decoder, HotwordWeights, Lm
from speechrnn.text import normaliser
from speechrnn.transcript import Hypothesis, Segment, Transcript, Word

CASES: dict[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "as_is": str}


class Recognizer:
    """A model package, ready to transcribe. `speechrnn.load` makes one.

    Args:
        name_or_path: a package's directory, its address, or the name of a bundled or fetched one; None is the default package.
        threads: how many CPU threads to use; None leaves it to ONNX Runtime.
        lm, hotwords, beam, nbest: how texts are found; see `speechrnn.search.decoder.Decoder`.

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
        self._boundary = self.package.tokenizer.boundary

    @overload
    def transcribe(
        self, source: list | tuple, rate: int | None = None, *, times: bool = False, channel: int | None = None
    ) -> list[Transcript]: ...
    @overload
    def transcribe(
        self, source: Source, rate: int | None = None, *, times: bool = False, channel: int | None = None
    ) -> Transcript: ...
    def transcribe(self, source, rate=None, *, times=False, channel=None):
        """The transcript of a recording, or those of a list of recordings.

        Recordings of up to `LONGEST` seconds are decoded whole, those of a list in batches. Longer ones are decoded between
        pauses, as `segments` does, in constant memory.

        Args:
            source: a path ("-" is standard input), a binary file object or an array (samples,) or (samples, channels);
                or a list of these, of which the short ones are all in memory at once.
            rate: the sample rate of arrays, in Hz. Files state their own.
            times: whether words with their times and confidences are wanted.
            channel: the one to hear, from 0; None is the average of all.

        Raises:
            InputError: a recording cannot be used (see `speechrnn.audio.read_audio`), or the model cannot be run on it.
        """
        sources = source if isinstance(source, list | tuple) else [source]
        names = [source_name(each) for each in sources]
        transcripts: list[Transcript] = [Transcript("", 0.0)] * len(sources)
        short: dict[int, np.ndarray] = {}
        for i, each in enumerate(sources):
            blocks = audio_blocks(each, self.package.sample_rate, rate=rate, channel=channel)
            begin, left = [], LONGEST * self.package.sample_rate
            while left >= 0 and (block := next(blocks, None)) is not None:
                begin.append(block)
                left -= len(block)
            if left >= 0:
                short[i] = np.concatenate(begin)
            else:
                transcripts[i] = self.transcribe_blocks(chain(begin, blocks), names[i], times=times)
        found = self.transcribe_waveforms(list(short.values()), [names[i] for i in short], times=times)
        for i, transcript in zip(short, found, strict=True):
            transcripts[i] = transcript
        return transcripts if sources is source else transcripts[0]

    def segments(
        self,
        source: Source,
        rate: int | None = None,
        *,
        times: bool = False,
        channel: int | None = None,
        offset: float = 0.0,
        duration: float | None = None,
        heard: Callable[[float], None] | None = None,
    ) -> Iterator[Segment]:
        """What is said between the pauses of a recording of any length, as it is found, in constant memory.

        Args:
            source, rate, times, channel: as for `transcribe`.
            offset, duration: the stretch to hear, in seconds; None is to the end. Times are from its start on.
            heard: is called with the seconds of audio that have been read so far, each time that some are.

        Raises:
            InputError: the recording cannot be used; what was found before a damaged place is given first.
        """
        blocks = audio_blocks(
            source, self.package.sample_rate, rate=rate, channel=channel, offset=offset, duration=duration
        )
        sound = _Heard(blocks, self.package.sample_rate, heard)
        for segment, _ in self._decoded(sound, source_name(source), times, at_once=True):
            if segment.text:
                yield segment

    def transcribe_blocks(
        self,
        blocks: Iterable[np.ndarray],
        name: str = "",
        *,
        times: bool = False,
        heard: Callable[[float], None] | None = None,
        found: Callable[[Segment], None] | None = None,
    ) -> Transcript:
        """The transcript of a waveform in blocks (samples,), float32, at the package's sample rate, in constant memory.

        `name` is what the recording is called in errors, and `found` is called with each segment; for the others see `segments`.
        Segments come later than there, and all of them in less time: more are searched together.
        """
        sound = _Heard(blocks, self.package.sample_rate, heard)
        segments, lists = [], []
        for segment, hypotheses in self._decoded(sound, name, times):
            if segment.text:
                segments.append(segment)
                if found:
                    found(segment)
            lists += [hypotheses] if self.decoder.nbest else []
        return self._transcript(segments, sound.seconds, times, join(lists, self.decoder.nbest or 1, self._boundary))

    def transcribe_waveforms(
        self, waveforms: Sequence[np.ndarray], names: Sequence[str] | None = None, *, times: bool = False
    ) -> list[Transcript]:
        """The transcripts of waveforms (samples,), float32, that are at the package's sample rate already.

        Each is decoded whole. `names` are what the recordings are called in errors.
        """
        samples = [len(waveform) for waveform in waveforms]
        return self.decode_batch(self.acoustic.log_probs(waveforms, names), samples, names, times=times)

    def log_probs(self, source: Source, rate: int | None = None, *, channel: int | None = None) -> np.ndarray:
        """What the acoustic model says of a recording: (frames, tokens) natural logs, token 0 the blank."""
        blocks = audio_blocks(source, self.package.sample_rate, rate=rate, channel=channel)
        return np.concatenate(list(self.acoustic.stream(blocks, source_name(source))))

    def read(self, source: Source, rate: int | None = None, *, channel: int | None = None) -> np.ndarray:
        """A recording as the model hears it: (samples,) float32 at the package's sample rate."""
        return read_audio(source, self.package.sample_rate, rate=rate, channel=channel)

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
        durations = [length / self.package.sample_rate for length in samples]
        transcripts = []
        for log_probs, duration, found in zip(batch, durations, self.decoder.decode(batch, names), strict=True):
            segment = self._segment(log_probs, found[0], 0.0, duration, times)
            transcripts.append(self._transcript([segment] if segment.text else [], duration, times, found))
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
        from speechrnn.alignment.viterbi import align_words

        package, normalise = self.package, normaliser(self.package.normaliser)
        words = [(written, spoken) for written in text.split() if (spoken := normalise(written))]
        if package.tokenizer.has_phones:
            from speechrnn.pronunciation.pronunciations import with_words

            package = with_words(package, [part for _, spoken in words for part in spoken.split()])
        for written, spoken in words:
            if missing := package.tokenizer.outside(spoken):
                letters = " ".join(map(repr, dict.fromkeys(missing)))
                lacks, how = f"no letter for {letters}", "write it in the model's letters"
                if package.tokenizer.has_phones:
                    lacks, how = (
                        "no pronunciation of it",
                        "write it as it is said, in the letters of the model's lexicon",
                    )
                raise InputError(f"the word {written!r}: the model {package.name} has {lacks}: {how}")
        sound = _Heard(audio_blocks(source, package.sample_rate, rate=rate), package.sample_rate)
        log_probs = np.concatenate(list(self.acoustic.stream(sound, source_name(source))))
        forms = [spoken for _, spoken in words]
        try:
            found = align_words(
                log_probs, forms, package.tokenizer, package.seconds_per_frame, sound.seconds, package.calibration
            )
        except InputError as error:
            raise InputError(f"{source_name(source)}: {error}") from None
        timed = tuple(replace(word, text=written) for word, (written, _) in zip(found, words, strict=True))
        return Transcript(" ".join(word.text for word in timed), sound.seconds, timed)

    def _decoded(
        self, sound: "_Heard", name: str, times: bool, at_once: bool = False
    ) -> Iterator[tuple[Segment, list[Hypothesis]]]:
        """The stretches of a recording between pauses, decoded several at a time; the text of one may be empty.

        With `at_once` none waits for stretches of audio that is still to be read.
        """
        seconds = self.package.seconds_per_frame
        lists = stretches(self.acoustic.stream(sound, name), seconds, self._boundary, lambda: sound.seconds)
        for pieces in map(iter, lists if at_once else [chain.from_iterable(lists)]):
            while group := list(islice(pieces, GROUP if self.decoder.search else 1)):
                batch = [log_probs for _, log_probs in group]
                for (first, log_probs), found in zip(
                    group, self.decoder.decode(batch, [name] * len(group)), strict=True
                ):
                    start, end = first * seconds, (first + len(log_probs)) * seconds
                    end = min(end, sound.seconds)  # the last frame may be cut short
                    yield self._segment(log_probs, found[0], start, end, times), found

    def _segment(self, log_probs: np.ndarray, found: Hypothesis, start: float, end: float, times: bool) -> Segment:
        """What was found in frames from `start` to `end` seconds, which are narrowed to where somebody speaks."""
        case = CASES[self.package.output_case]
        first, last = span(log_probs, self.package.seconds_per_frame, self._boundary, end - start)
        words = None
        if times:
            timed = self._words(log_probs, found, end - start)
            if timed:
                first, last = min(first, timed[0].start), max(last, timed[-1].end)
            words = tuple(
                replace(each, text=case(each.text), start=start + each.start, end=min(start + each.end, end))
                for each in timed
            )
        return Segment(case(found.text), start + first, min(start + last, end), words)

    def _transcript(
        self, segments: Sequence[Segment], duration: float, times: bool, hypotheses: Sequence[Hypothesis]
    ) -> Transcript:
        """The transcript of segments in order, none empty, of a recording of so many seconds."""
        case = CASES[self.package.output_case]
        text = " ".join(segment.text for segment in segments)
        words = tuple(word for segment in segments for word in segment.words or ()) if times else None
        cased = tuple(replace(each, text=case(each.text)) for each in hypotheses) if self.decoder.nbest else None
        return Transcript(text, duration, words, cased, tuple(segments))

    def _words(self, log_probs: np.ndarray, found: Hypothesis, duration: float) -> tuple[Word, ...]:
        """The words of a hypothesis with their times, spelled as the search spelled them."""
        from speechrnn.alignment.viterbi import align_words

        package = self.package
        boundary = self._boundary
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


class _Heard:
    """Blocks (samples,) of a waveform as they are taken, and how many `seconds` of it have been."""

    def __init__(self, blocks: Iterable[np.ndarray], sample_rate: int, heard: Callable[[float], None] | None = None):
        self._blocks, self._rate, self._heard = blocks, sample_rate, heard
        self._samples = 0

    @property
    def seconds(self) -> float:
        return self._samples / self._rate

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self._samples += len(block)
            if self._heard:
                self._heard(self.seconds)
            yield block
