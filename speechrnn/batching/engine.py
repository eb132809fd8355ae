"""Recordings to transcripts, in order, batched by length, over the cores.

Short recordings, those that are decoded as one stretch, are read whole, a window of them at a time, and a window is sorted by
length and cut into batches, which run beside one another, each on one thread: that fills the cores better than one batch on
several threads. Long recordings are never in memory as a whole. Neither is a folder: only the windows that keep the cores busy.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from speechrnn.alignment.pauses import LONGEST
from speechrnn.audio import Source, audio_blocks, channels_of, read_audio, seconds_of, source_name
from speechrnn.batch_sizes import BATCH_SECONDS, SORTED_SECONDS, by_length
from speechrnn.batching.recordings import Raw, Recording, again_and_again
from speechrnn.batching.threads import Task, ahead, executor, wait_for_one
from speechrnn.errors import InputError
from speechrnn.transcript import Segment, Transcript

if TYPE_CHECKING:
    from speechrnn.recognizer import Recognizer

MOST_CHANNELS = 32  # that are transcribed apart; more is a damaged header, and each costs a reading of the file


@dataclass
class Job:
    """How recordings are to be transcribed.

    `workers` batches run at a time. `times` asks for words with times, `each` for every channel by itself. `window` is the
    audio to sort by length, in seconds. `raw` is what headerless samples on stdin are. `heard(recording, share,
    seconds)` is told what has been taken in of a long one, and `found(segment)` what is said in it, as soon as that is known.
    """

    recognizer: "Recognizer"
    workers: int = 1
    times: bool = False
    each: bool = False
    window: float = SORTED_SECONDS
    raw: Raw | None = None
    heard: Callable[[Recording, float, float], None] = lambda recording, share, seconds: None
    found: Callable[[Segment], None] | None = None
    stopped: threading.Event = field(default_factory=threading.Event)


Result = list[Transcript] | InputError  # a transcript for each channel
Outcome = tuple[Recording, Result]


@dataclass
class Sound:
    """What was read of a recording: `waveforms` (samples,), one for each of `channels`, or none where it is long.

    `channels` are counted from 0; None is the average of all. `source` is what to read a long one from.
    """

    recording: Recording
    source: Source = None
    channels: Sequence[int | None] = (None,)
    waveforms: list[np.ndarray] = field(default_factory=list)
    is_long: bool = False
    error: InputError | None = None

    @property
    def samples(self) -> int:
        return sum(map(len, self.waveforms))


def transcribe(recordings: Iterable[Recording], job: Job) -> Generator[Outcome]:
    """What each recording says, or why it cannot be used, in order."""
    rate = job.recognizer.package.sample_rate
    waiting: deque[tuple[list[Sound], Begun]] = deque()  # a result is small: behind a long recording many may wait
    with executor(job.workers, job.stopped.set) as pool:
        early = 2 * job.workers if job.workers > 1 else 0
        sounds = ahead(pool, partial(_read, job), _opened(recordings, job.raw), early)
        for window in _windows(sounds, job.window, rate):
            begun: Begun = [
                (batch, pool.submit(_run, job, [window[i] for i in batch])) for batch in _batches(window, rate)
            ]
            waiting.append((window, begun))
            while (
                len(unfinished := [task for _, tasks in waiting for _, task in tasks if not task.done()]) > job.workers
            ):
                wait_for_one(unfinished)
            while waiting and all(task.done() for _, task in waiting[0][1]):
                yield from _gather(*waiting.popleft())
        for window, begun in waiting:
            yield from _gather(window, begun)


Begun = Sequence[tuple[list[int], Task]]  # places in a window, and what gives their results


def _opened(recordings: Iterable[Recording], raw: Raw | None) -> Iterator[Sound]:
    """What each is to be read from. Streams are taken in here: no Ctrl-C would end a thread that waits for one."""
    for recording in recordings:
        sound = Sound(recording)
        try:
            sound.source = again_and_again(recording, raw)
        except InputError as error:
            sound.error = error
        yield sound


def _read(job: Job, sound: Sound) -> Sound:
    """All of a short recording. Of a long one, only so much is read as it takes to see that."""
    if sound.error:
        return sound
    recording = sound.recording
    try:
        if job.each:
            count = channels_of(sound.source)
            if count > MOST_CHANNELS:
                raise InputError(
                    f"{source_name(sound.source)}: expected at most {MOST_CHANNELS} channels, found {count}"
                )
            sound.channels = list(range(count))
        rate, duration = job.recognizer.package.sample_rate, recording.duration
        may_be_long = duration is None or duration > LONGEST
        for channel in sound.channels:
            waveform = read_audio(
                sound.source,
                rate,
                offset=recording.offset,
                duration=LONGEST + 1.0 if may_be_long else duration,
                channel=channel,
            )
            if may_be_long and len(waveform) > LONGEST * rate:
                sound.is_long = True
                sound.waveforms.clear()
                break
            sound.waveforms.append(waveform)
    except InputError as error:
        sound.error = error
    return sound


def _windows(sounds: Iterable[Sound], seconds: float, rate: int) -> Iterator[list[Sound]]:
    """The sounds in lists that end where they hold so many seconds of audio; a long one is a list of its own."""
    window: list[Sound] = []
    samples = 0
    for sound in sounds:
        if sound.is_long and window:  # whose results are not to wait for it
            yield window
            window, samples = [], 0
        window.append(sound)
        samples += sound.samples
        if samples >= seconds * rate or sound.is_long:
            yield window
            window, samples = [], 0
    if window:
        yield window


def _batches(window: Sequence[Sound], rate: int) -> Iterator[list[int]]:
    """Places in the window, in groups of like lengths that are each one run of the model."""
    usable = [place for place, sound in enumerate(window) if not sound.error]
    for batch in by_length([window[place].samples for place in usable], BATCH_SECONDS * rate):
        yield [usable[i] for i in batch]


def _gather(window: Sequence[Sound], begun: Begun) -> list[Outcome]:
    """The results of a window's batches, in the order of the window."""
    results: dict[int, Result] = {place: sound.error for place, sound in enumerate(window) if sound.error is not None}
    for batch, task in begun:
        for place, result in zip(batch, task.result(), strict=True):
            results[place] = result
    return [(sound.recording, results[place]) for place, sound in enumerate(window)]


def _run(job: Job, sounds: Sequence[Sound]) -> list[Result]:
    """They are run and decoded together. One that the model fails on, or gives NaN for, does not spoil the others."""
    from speechrnn.search.frames import check

    if job.stopped.is_set():
        return [InputError("stopped") for _ in sounds]
    if sounds[0].is_long:
        return [_run_long(job, sounds[0])]
    recognizer = job.recognizer
    owners = [i for i, sound in enumerate(sounds) for _ in sound.waveforms]
    waveforms = [waveform for sound in sounds for waveform in sound.waveforms]
    names = [sounds[owner].recording.name for owner in owners]
    try:
        all_log_probs = recognizer.acoustic.log_probs(waveforms, names)
    except InputError as error:
        return [error] if len(sounds) == 1 else [_run(job, [sound])[0] for sound in sounds]
    errors: dict[int, InputError] = {}
    for owner, name, log_probs in zip(owners, names, all_log_probs, strict=True):
        try:
            check(log_probs, len(recognizer.package.tokenizer), f"{name}: log-probabilities")
        except InputError as error:
            errors[owner] = error
    good = [n for n, owner in enumerate(owners) if owner not in errors]
    lengths = [len(waveforms[n]) for n in good]
    decoded = recognizer.decode_batch([all_log_probs[n] for n in good], lengths, times=job.times)
    transcripts: list[list[Transcript]] = [[] for _ in sounds]
    for n, transcript in zip(good, decoded, strict=True):
        transcripts[owners[n]].append(transcript)
    for sound in sounds:
        sound.waveforms.clear()
    return [errors.get(i, found) for i, found in enumerate(transcripts)]


def _run_long(job: Job, sound: Sound) -> Result:
    """A long recording, as it is read; its channels one after another."""
    recording, rate = sound.recording, job.recognizer.package.sample_rate
    length = recording.duration or max(seconds_of(sound.source), LONGEST)
    transcripts: list[Transcript] = []

    def heard(seconds: float) -> None:
        if job.stopped.is_set():
            raise InputError(f"{recording.name}: stopped")
        share = (len(transcripts) + min(seconds / length, 1.0)) / len(sound.channels)
        job.heard(recording, share, seconds)

    try:
        for channel in sound.channels:
            blocks = audio_blocks(
                sound.source, rate, channel=channel, offset=recording.offset, duration=recording.duration
            )
            transcripts.append(
                job.recognizer.transcribe_blocks(blocks, recording.name, times=job.times, heard=heard, found=job.found)
            )
    except InputError as error:
        return error
    return transcripts
