"""Files of the documented formats to samples, by libsndfile; what was read is compared with what was stated."""

import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from speechrnn.audio import ffmpeg
from speechrnn.audio.arrays import BLOCK, Sound, stretch
from speechrnn.audio.parts import Part, as_file, parts
from speechrnn.audio.wav import STREAMED
from speechrnn.errors import InputError

UNKNOWN = 2**63 - 1  # frames; libsndfile's answer where the header leaves the length open, as a streamed FLAC does
SMALL = 256  # frames decoded at a time near damage
ROUNDING = 0.02  # seconds that a header may differ by
# Others that libsndfile opens are rarely recordings, and its readers of them print on stdout.
FORMATS = "WAV WAVEX RF64 W64 FLAC OGG MP3 MPEG NIST AIFF AU CAF".split()


class _Stream(NamedTuple):
    """One of those in a file: libsndfile's `sound` of a `file`, and what a header `stated` of it, in seconds, where that may
    differ."""

    sound: Any
    file: BinaryIO
    stated: float | None

    @property
    def seconds(self) -> float:
        return float(self.sound.frames / self.sound.samplerate)


def open_file(name: str, file: BinaryIO, stack: ExitStack) -> Sound:
    if file.seek(0, io.SEEK_END) == 0:
        raise InputError(f"{name}: the file is empty")
    found = parts(file)
    if found is None and (samples := ffmpeg.decoded(name, file, stack)):
        file, found = samples, ()
    if found is None:
        raise _refused(name, "Format not recognised")
    streams = [_stream(name, as_file(part, file, stack), part, stack) for part in found] or [
        _stream(name, file, None, stack)
    ]
    if damage := sum(part.damage for part in found):
        read = sum(stream.seconds for stream in streams)
        warnings.warn(
            f"{name}: damaged: {damage} bytes within it are no audio; the {read:.2f} s around them were read",
            stacklevel=1,
        )
    first = streams[0].sound
    blocks, seconds = partial(_blocks, name, file, streams), partial(_seconds, name, file, streams)
    return Sound(name, first.samplerate, first.channels, blocks, seconds)


def _refused(name: str, said: str) -> InputError:
    return InputError(
        f"{name}: expected audio (wav, flac, ogg, opus, mp3, sph, aiff, au), found another format or a damaged file "
        f"({said}); ffmpeg may convert it"
    )


def _stream(name: str, file: BinaryIO, part: Part | None, stack: ExitStack) -> _Stream:
    import soundfile

    file.seek(0)
    head = file.read(1024)
    file.seek(0)
    try:
        # By number: an exception in a callback, as a Ctrl-C, would be lost, and the rest of the sound with it.
        sound = soundfile.SoundFile(file.fileno() if os.name == "posix" else file, closefd=False)
    except soundfile.LibsndfileError as error:
        raise _refused(name, _said(error)) from None
    stack.enter_context(sound)
    if sound.format not in FORMATS:
        raise _refused(name, f"{sound.format}, which is not read")
    stated = part.stated if part else None
    nist = re.search(rb"^sample_count -i (\d+)", head, re.MULTILINE) if head.startswith(b"NIST_1A") else None
    if nist:  # which libsndfile does not tell
        stated = int(nist[1]) / sound.samplerate
    elif sound.frames != UNKNOWN and stated is None:
        claimed, present = _data_bytes(sound)
        if 0 < present < claimed < STREAMED:
            stated = sound.frames * claimed / present / sound.samplerate
    return _Stream(sound, file, stated)


def _blocks(
    name: str, file: BinaryIO, streams: Sequence[_Stream], offset: float, duration: float | None
) -> Iterator[np.ndarray]:
    """The stretch asked for, as blocks (samples, channels) of float32, at the rate and with the channels of the first stream."""
    first = streams[0].sound
    lengths = [round(each.sound.frames * first.samplerate / each.sound.samplerate) for each in streams]
    if len(streams) == 1:
        lengths = [first.frames]
    start, wanted = stretch(name, sum(lengths), first.samplerate, offset, duration)
    end, at, given, damage = start + wanted, 0, 0, ""
    for stream, length in zip(streams, lengths, strict=True):
        begin, stop = max(start - at, 0), min(end - at, length)
        at += length
        if begin >= stop:
            continue
        rate = stream.sound.samplerate
        own = [count if rate == first.samplerate else round(count * rate / first.samplerate) for count in (begin, stop)]
        decoded, damage = 0, ""
        try:
            for block in _like(first, stream.sound, _decoded(stream.sound, own[0], own[1] - own[0])):
                decoded += len(block)
                yield block
        except _Damaged as problem:
            damage = f", where it is damaged ({problem})"
        given += decoded
        states = stream.seconds if stream.stated is None else stream.stated
        ends = (begin + decoded) / first.samplerate
        short = decoded < stop - begin - ROUNDING * first.samplerate
        if damage or short:
            _check_readable(file)
        if not given or stream.sound.frames == UNKNOWN:
            continue
        told = stop == length and stream.stated is not None and abs(ends - stream.stated) > ROUNDING
        if (damage or short or told) and abs(states - ends) > ROUNDING:
            warnings.warn(f"{name}: its header states {states:.2f} s, it ends at {ends:.2f} s{damage}", stacklevel=1)
    if damage and not given:
        raise InputError(f"{name}: damaged: nothing of it can be decoded{damage.removeprefix(', where it is damaged')}")


class _Damaged(Exception):
    """What libsndfile says of it."""


def _decoded(sound: Any, start: int, wanted: int) -> Iterator[np.ndarray]:
    """Blocks (samples, channels) of float32 from a frame on."""
    import soundfile

    at = start
    try:
        if start:
            try:
                sound.seek(start)
            except soundfile.LibsndfileError:  # GSM, for example, can only be decoded from its start
                for skipped in _decoded(sound, 0, start):
                    del skipped
        # Otherwise soundfile seeks to where it stands after every block: slower, and MP3's decoder complains on stderr.
        sound.seekable = lambda: False
        while wanted > 0:
            block = sound.read(min(BLOCK, wanted), dtype="float32", always_2d=True)
            if not len(block):
                break
            wanted -= len(block)
            at += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        with suppress(soundfile.LibsndfileError):  # what came before the damage was lost with the block
            sound.seek(at)
            while len(block := sound.read(SMALL, dtype="float32", always_2d=True)):
                yield block
        raise _Damaged(_said(error)) from None


def _like(first: Any, sound: Any, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Blocks of a later stream at the rate of the first one, and with as many channels, each their average."""
    resampler = None
    if sound.samplerate != first.samplerate:
        import soxr

        resampler = soxr.ResampleStream(sound.samplerate, first.samplerate, first.channels, dtype="float32")
    for block in blocks:
        if sound.channels != first.channels:
            block = block.mean(axis=1, keepdims=True).repeat(first.channels, axis=1)
        yield resampler.resample_chunk(block) if resampler else block
    if resampler:
        yield resampler.resample_chunk(np.zeros((0, first.channels), np.float32), last=True)


def _check_readable(file: BinaryIO) -> None:
    """Raise the OSError of a disk or a network that fails: that is no damage of the recording."""
    file.seek(0)
    while file.read(1 << 20):
        pass


def _seconds(name: str, file: BinaryIO, streams: Sequence[_Stream]) -> float:
    """Decoded to the end only where the length is not known: a header of FLAC may state more than there is."""
    rate = streams[0].sound.samplerate
    stretch(name, 0, rate, 0.0, None)
    if all(map(_has_its_end, streams)):
        return sum(stream.seconds for stream in streams)
    with ExitStack() as stack:  # opened again: where a seek failed, libsndfile reads no more
        again = [_stream(name, stream.file, None, stack) for stream in streams]
        return float(sum(map(len, _blocks(name, file, again, 0.0, None))) / rate)


def _has_its_end(stream: _Stream) -> bool:
    import soundfile

    sound = stream.sound
    if sound.format != "FLAC" or sound.frames in (0, UNKNOWN):
        return bool(sound.frames != UNKNOWN)
    try:
        sound.seek(sound.frames - 1)
        return len(sound.read(1)) == 1
    except soundfile.LibsndfileError:
        return False


def _said(error: Any) -> str:
    """libsndfile's words, without its prefix and full stop."""
    return str(error.error_string).removeprefix("Error : ").rstrip(". ")


def _data_bytes(sound: Any) -> tuple[int, int]:
    """The size of the sample data (of W64 and RF64, of the file) as the header claims it and as libsndfile found it, (0, 0)
    where these do not differ."""
    differ = re.search(r"(?:data|SSND|Data Size|riff|Riff size) *: *(\d+) \(should be (\d+)\)", sound.extra_info)
    return (int(differ[1]), int(differ[2])) if differ else (0, 0)
