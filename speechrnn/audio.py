"""Sound in: a file, a file object, standard input or an array, to mono float32 samples at the model's rate."""

import io
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from speechrnn.errors import InputError, reason

# What libsndfile decodes and people record speech in; used to find the audio in a directory, not to judge a file.
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".sph", ".aif", ".aiff", ".au", ".w64", ".caf")

# Audio that it does not decode: found in a directory, such a file is named and not passed over in silence.
FOREIGN_SUFFIXES = (".m4a", ".m4b", ".aac", ".amr", ".wma", ".mp4", ".webm", ".mka", ".3gp", ".ra")

RATES = range(2_000, 1_000_001)  # Hz; outside of it a header is wrong, and resampling could fill the memory
BLOCK = 16_384  # frames decoded at a time: no allocation follows what a header claims
LONGEST_STREAM = 1 << 32  # bytes that are taken from a pipe: a wav file cannot be longer; 37 hours of 16 kHz
HELD = 1 << 26  # bytes of a pipe that are kept in memory: half an hour of 16 kHz
STREAMED = 0x7FFF_0000  # bytes; a data size from here upwards is what programs write that do not know it yet
UNKNOWN = 2**63 - 1  # frames; libsndfile's answer where the header leaves the length open, as a streamed FLAC does

Source = Any  # str, os.PathLike, binary file object, or array (samples,) or (samples, channels)


def read_audio(
    source: Source,
    sample_rate: int,
    *,
    rate: int | None = None,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
) -> np.ndarray:
    """The sound of `source`, or a stretch of it, as float32 samples (samples,) at `sample_rate`.

    Integer samples become fractions of full scale, [-1, 1); floating-point ones keep their values, however large. The result
    has at least one sample. A recording that stops before the end that its header states is read as far as it goes, with
    a warning.

    Args:
        source: a path ("-" is standard input), a seekable or unseekable binary file object, which is read from its start,
            or an array, (samples,) or (samples, channels), of int8, uint8, int16, int32 or floating-point samples.
        sample_rate: the rate wanted, in Hz.
        rate: an array's own rate in Hz, required with one; not used with a file, which states its own.
        offset: where to begin, in seconds.
        duration: how much to read, in seconds; None is to the end. What lies past the end is not missed.
        channel: the one to read, from 0; None is the average of all.

    Raises:
        InputError: it cannot be opened or decoded, has no samples or no such channel, or holds NaN or infinity.
    """
    blocks = audio_blocks(source, sample_rate, rate=rate, offset=offset, duration=duration, channel=channel)
    return np.concatenate(list(blocks))


def audio_blocks(
    source: Source,
    sample_rate: int,
    *,
    rate: int | None = None,
    offset: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
) -> Iterator[np.ndarray]:
    """What `read_audio` gives, in blocks (samples,) as they are decoded, so that memory does not grow with the recording.

    Only what cannot be sought in, as a pipe, is first taken in whole: what is more than HELD bytes of it into a temporary file.

    Raises:
        InputError: as `read_audio`, while the blocks are taken. Of samples that are NaN or infinity none is given, nor any that
            follow, and the error comes at the end.
    """
    with _opened(source, rate) as sound:
        yield from _converted(sound, sound.blocks(offset, duration), sample_rate, channel)


def channels_of(source: Source) -> int:
    """How many channels a recording has.

    Raises:
        InputError: it cannot be opened or decoded, or is a stream, which could not be read again.
    """
    stream = sys.stdin and sys.stdin.buffer if _is_stdin(source) else source
    if hasattr(stream, "read") and not _seekable(stream):
        raise InputError(
            f"{source_name(source)}: expected a file, to see how many channels it has and then to read them, found a stream: "
            "write it to a file first"
        )
    with _opened(source, RATES[0]) as sound:
        return sound.channels


def source_name(source: Source) -> str:
    """What a source is called in messages and results: a path in printable characters (others escaped), or its kind."""
    if isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
        return "stdin" if path == "-" else printable(path)
    if _is_array(source):
        return "array"
    named = getattr(source, "name", None)
    return printable(named) if isinstance(named, str) else type(source).__name__


def printable(text: str) -> str:
    """The text on one line: control characters and undecodable bytes of file names become escapes such as \\n, \\udcff."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class _Sound(NamedTuple):
    """An open recording: `blocks(offset, duration)` gives the stretch, in seconds, as (samples, channels) of float32."""

    name: str
    rate: int
    channels: int
    blocks: Callable[[float, float | None], Iterator[np.ndarray]]


@contextmanager
def _opened(source: Source, rate: int | None) -> Iterator[_Sound]:
    """Any source; `rate` is an array's."""
    name = source_name(source)
    if _is_array(source):
        yield _array(name, np.asarray(source), rate)
        return
    with ExitStack() as stack:
        try:
            yield stack.enter_context(_file(name, _binary(name, source, stack)))
        except OSError as error:
            raise InputError(f"{name}: cannot be read: {reason(error)}") from None


def _binary(name: str, source: Source, stack: ExitStack) -> BinaryIO:
    """The source as a binary file that can be sought in; what is opened here is closed with the stack."""
    if _is_stdin(source):
        if sys.stdin is None:
            raise InputError("stdin: expected audio, found it closed")
        source = sys.stdin.buffer
    elif isinstance(source, str | os.PathLike):
        try:
            source = stack.enter_context(open(source, "rb", buffering=0))
        except ValueError as error:  # a null character in the path
            raise InputError(f"{name}: cannot be read: {error}") from None
    elif isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
        raise InputError(
            f"{name}: expected a path, a file opened in binary mode or an array, found {type(source).__name__}"
        )
    if getattr(source, "closed", False):
        raise InputError(f"{name}: expected an open file, found it closed")
    return source if _seekable(source) else stack.enter_context(_held(name, source))


def _is_stdin(source: Source) -> bool:
    return isinstance(source, str | os.PathLike) and os.fspath(source) == "-"


def _seekable(file: Any) -> bool:
    return hasattr(file, "seekable") and file.seekable()


def _held(name: str, stream: BinaryIO) -> BinaryIO:
    """A stream that cannot be sought in, read to its end: in memory, or where it is long in a file without a name."""
    from tempfile import SpooledTemporaryFile

    contents = SpooledTemporaryFile(max_size=HELD)  # noqa: SIM115 (the caller closes it)
    while block := stream.read(1 << 20):
        if contents.tell() + len(block) > LONGEST_STREAM:
            raise InputError(
                f"{name}: expected at most {LONGEST_STREAM >> 20} MiB from a stream: write it to a file first"
            )
        contents.write(block)
    return cast(BinaryIO, contents)  # it has all its methods


def _is_array(source: Source) -> bool:
    return hasattr(source, "__array__")  # numpy's own, and torch's tensors


class Steady:
    """A binary file for libsndfile, in which seeking to where nothing can be changes nothing.

    A damaged header sends it before the file's start; what then is raised within its callback would be printed as a traceback.
    """

    name = ""  # soundfile takes one that ends in .raw for headerless samples, whatever is in it

    def __init__(self, file: BinaryIO):
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return self._file.tell()


@contextmanager
def _file(name: str, file: BinaryIO) -> Iterator[_Sound]:
    import soundfile

    if file.seek(0, io.SEEK_END) == 0:
        raise InputError(f"{name}: the file is empty")
    file.seek(0)
    stated = _nist_samples(file)
    try:
        # A plain file needs no callbacks: quicker, and a Ctrl-C within one would be lost, and the rest of the sound with it.
        plain = isinstance(file, io.FileIO) and os.name == "posix"
        sound = soundfile.SoundFile(file.fileno() if plain else Steady(file), closefd=False)
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"{name}: expected audio (wav, flac, ogg, opus, mp3, sph, aiff, au), found another format or a damaged file "
            f"({_said(error)}); ffmpeg may convert it"
        ) from None
    with sound:
        yield _Sound(name, sound.samplerate, sound.channels, partial(_file_blocks, name, sound, stated))


def _nist_samples(file: BinaryIO) -> int:
    """How many samples of a channel a NIST SPHERE header states, which libsndfile does not tell; 0 of other formats."""
    header = file.read(1024)
    file.seek(0)
    stated = re.search(rb"^sample_count -i (\d+)", header, re.MULTILINE) if header.startswith(b"NIST_1A") else None
    return int(stated[1]) if stated else 0


def _file_blocks(name: str, sound: Any, stated: int, offset: float, duration: float | None) -> Iterator[np.ndarray]:
    """The stretch asked for, as blocks (samples, channels) of float32. `stated` samples are in a NIST header, else 0."""
    import soundfile

    start, wanted = _stretch(name, sound.frames, sound.samplerate, offset, duration)
    decoded = 0
    damage = ""
    try:
        if start:
            sound.seek(start)
        # Otherwise soundfile seeks to where it stands after every block: slower, and MP3's decoder complains on stderr.
        sound.seekable = lambda: False
        while decoded < wanted:
            block = sound.read(min(BLOCK, wanted - decoded), dtype="float32", always_2d=True)
            if not len(block):
                break
            decoded += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        if not decoded:
            raise InputError(f"{name}: damaged: nothing of it can be decoded ({_said(error)})") from None
        damage = f", where it is damaged ({_said(error)})"
    if sound.frames == UNKNOWN or not decoded:
        return
    claimed, present = (stated, sound.frames) if stated else _data_bytes(sound)
    # A hundredth may be missing: the length of an MP3 file is an estimate.
    if damage or decoded < 0.99 * wanted or (start + decoded >= sound.frames and present < claimed < STREAMED):
        whole = sound.frames * claimed / present if present else sound.frames
        states, ends = whole / sound.samplerate, (start + decoded) / sound.samplerate
        warnings.warn(f"{name}: its header states {states:.2f} s, it ends at {ends:.2f} s{damage}", stacklevel=1)


def _said(error: Any) -> str:
    """libsndfile's words, without its prefix and full stop."""
    return error.error_string.removeprefix("Error : ").rstrip(". ")


def _data_bytes(sound: Any) -> tuple[int, int]:
    """The size of the sample data (of W64 and RF64, of the file) as the header claims it and as libsndfile found it, (0, 0)
    where these do not differ."""
    differ = re.search(r"(?:data|SSND|Data Size|riff|Riff size) *: *(\d+) \(should be (\d+)\)", sound.extra_info)
    return (int(differ[1]), int(differ[2])) if differ else (0, 0)


def _array(name: str, array: np.ndarray, rate: int | None) -> _Sound:
    if rate is None:
        raise InputError(f"{name}: its sample rate is not known: give rate=")
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] > max(array.shape[0], 32)):
        raise InputError(f"{name}: expected the shape (samples,) or (samples, channels), found {array.shape}")
    if array.ndim == 1:
        array = array[:, None]
    elif array.shape[1] == 0:
        raise InputError(f"{name}: no samples")
    kind = array.dtype
    if kind.kind == "f":
        zero, full_scale = 0.0, 1.0
    elif kind.kind in "iu" and kind.itemsize <= 4 and not (kind.kind == "u" and kind.itemsize > 1):
        zero, full_scale = (128.0 if kind.kind == "u" else 0.0), 2.0 ** (8 * kind.itemsize - 1)
    else:
        raise InputError(f"{name}: expected samples of int8, uint8, int16, int32 or floating point, found {kind}")

    def blocks(offset: float, duration: float | None) -> Iterator[np.ndarray]:
        start, wanted = _stretch(name, len(array), rate, offset, duration)
        for at in range(start, start + wanted, BLOCK):
            block = array[at : min(at + BLOCK, start + wanted)]
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
                block = block if full_scale == 1.0 else (block - zero) / full_scale
                yield block.astype(np.float32)

    return _Sound(name, rate, array.shape[1], blocks)


def _stretch(name: str, frames: int, rate: int, offset: float, duration: float | None) -> tuple[int, int]:
    """Where to begin and how many samples to read, at the source's own rate."""
    if rate not in RATES:
        raise InputError(f"{name}: expected a sample rate of {RATES[0]} to {RATES[-1]} Hz, found {rate}")
    start = round(offset * rate) if math.isfinite(offset) else -1
    if start < 0 or (frames and start >= frames):
        raise InputError(f"{name}: expected a stretch within its {frames / rate:g} s, found one from {offset:g} s on")
    if duration is not None and math.isnan(duration):
        raise InputError(f"{name}: expected a duration in seconds, found {duration}")
    left = frames - start
    return start, left if duration in (None, math.inf) else min(left, round(duration * rate))


def _converted(
    sound: _Sound, blocks: Iterator[np.ndarray], sample_rate: int, channel: int | None
) -> Iterator[np.ndarray]:
    """Blocks (samples, channels) as blocks (samples,): averaged or chosen, checked, and resampled as a stream."""
    if channel is not None and not 0 <= channel < sound.channels:
        raise InputError(f"{sound.name}: expected a channel of 0 to {sound.channels - 1}, found {channel}")
    resampler = None
    count = unusable = given = 0
    for block in blocks:
        with np.errstate(over="ignore", invalid="ignore"):
            mono = (
                block.mean(axis=1, dtype=np.float32)
                if channel is None and sound.channels > 1
                else block[:, channel or 0]
            )
        count += len(mono)
        finite = np.isfinite(mono)
        unusable += len(mono) - int(np.count_nonzero(finite))
        if unusable:
            continue
        if sound.rate != sample_rate:
            if resampler is None:
                import soxr

                resampler = soxr.ResampleStream(sound.rate, sample_rate, 1, dtype="float32")
            mono = resampler.resample_chunk(mono)
        given += len(mono)
        yield mono
    if count == 0:
        raise InputError(f"{sound.name}: no samples")
    if unusable:
        raise InputError(f"{sound.name}: expected finite samples, found NaN or infinity in {unusable} of {count}")
    if resampler is not None:
        rest = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        given += len(rest)
        yield rest
    if not given:  # one sample at 48 kHz is less than one at 16 kHz; that is still a recording, of silence
        yield np.zeros(1, np.float32)
