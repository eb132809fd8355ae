"""Sound in: a file, a file object, standard input or an array, to mono float32 samples at the model's rate."""

import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from speechrnn.errors import InputError

# What libsndfile decodes and people record speech in; used to find the audio in a directory, not to judge a file.
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".sph", ".aif", ".aiff", ".au", ".w64", ".caf")

# Audio that it does not decode: found in a directory, such a file is named and not passed over in silence.
FOREIGN_SUFFIXES = (".m4a", ".m4b", ".aac", ".amr", ".wma", ".mp4", ".webm", ".mka", ".3gp", ".ra")

RATES = range(2_000, 1_000_001)  # Hz; outside of it a header is wrong, and resampling could fill the memory
BLOCK = 16_384  # frames decoded at a time: no allocation follows what a header claims
LONGEST_STREAM = 1 << 30  # bytes of a pipe that are taken into memory: 9 hours of 16 kHz
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
) -> np.ndarray:
    """The sound of `source`, or a stretch of it, as float32 samples (samples,) at `sample_rate`.

    Channels are averaged. Integer samples become fractions of full scale, [-1, 1); floating-point ones keep their values,
    however large. The result has at least one sample. A recording that stops before the end that its header states is
    read as far as it goes, with a warning.

    Args:
        source: a path ("-" is standard input), a seekable or unseekable binary file object, which is read from its start,
            or an array, (samples,) or (samples, channels), of int8, uint8, int16, int32 or floating-point samples.
        sample_rate: the rate wanted, in Hz.
        rate: an array's own rate in Hz, required with one; not used with a file, which states its own.
        offset: where to begin, in seconds.
        duration: how much to read, in seconds; None is to the end. What lies past the end is not missed.

    Raises:
        InputError: it cannot be opened or decoded, has no samples, or holds NaN or infinity.
    """
    name = source_name(source)
    if _is_array(source):
        blocks, own_rate = _array_blocks(name, np.asarray(source), rate, offset, duration)
        return _assemble(name, blocks, own_rate, sample_rate)
    try:
        if not isinstance(source, str | os.PathLike):
            return _read_file(name, source, sample_rate, offset, duration)
        if os.fspath(source) == "-":
            if sys.stdin is None:
                raise InputError("stdin: expected audio, found it closed")
            return _read_file(name, _in_memory(name, sys.stdin.buffer), sample_rate, offset, duration)
        with _opened(name, source) as file:
            return _read_file(name, file, sample_rate, offset, duration)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror or error}") from None


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


def _in_memory(name: str, stream: BinaryIO) -> BinaryIO:
    """A stream that cannot be sought in, read to its end."""
    contents = io.BytesIO()
    while block := stream.read(1 << 20):
        if contents.tell() + len(block) > LONGEST_STREAM:
            raise InputError(
                f"{name}: expected at most {LONGEST_STREAM >> 20} MiB from a stream: write it to a file first"
            )
        contents.write(block)
    return contents


def _is_array(source: Source) -> bool:
    return hasattr(source, "__array__")  # numpy's own, and torch's tensors


def _opened(name: str, path: str | os.PathLike) -> BinaryIO:
    try:
        return open(path, "rb")
    except ValueError as error:  # a null character in the path
        raise InputError(f"{name}: cannot be read: {error}") from None


def _read_file(name: str, file: BinaryIO, sample_rate: int, offset: float, duration: float | None) -> np.ndarray:
    import soundfile

    if isinstance(file, io.TextIOBase) or not hasattr(file, "read"):
        raise InputError(
            f"{name}: expected a path, a file opened in binary mode or an array, found {type(file).__name__}"
        )
    if not (hasattr(file, "seekable") and file.seekable()):
        file = _in_memory(name, file)
    if file.seek(0, io.SEEK_END) == 0:
        raise InputError(f"{name}: the file is empty")
    file.seek(0)
    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"{name}: expected audio (wav, flac, ogg, opus, mp3, sph, aiff, au), found another format or a damaged file "
            f"({_reason(error)}); ffmpeg may convert it"
        ) from None
    except TypeError:  # soundfile's answer to a name in .raw
        raise InputError(f"{name}: raw samples state no rate or width: convert the file to wav first") from None
    with sound:
        blocks = _file_blocks(name, sound, offset, duration)
        return _assemble(name, blocks, sound.samplerate, sample_rate)


def _file_blocks(name: str, sound: Any, offset: float, duration: float | None) -> Iterator[np.ndarray]:
    """The stretch asked for, as blocks (samples, channels) of float32."""
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
            raise InputError(f"{name}: damaged: nothing of it can be decoded ({_reason(error)})") from None
        damage = f", where it is damaged ({_reason(error)})"
    if sound.frames == UNKNOWN or not decoded:
        return
    claimed, present = _data_bytes(sound)
    # A hundredth may be missing: the length of an MP3 file is an estimate.
    if damage or decoded < 0.99 * wanted or (start + decoded >= sound.frames and present < claimed < STREAMED):
        whole = sound.frames * claimed / present if present else sound.frames
        states, ends = whole / sound.samplerate, (start + decoded) / sound.samplerate
        warnings.warn(f"{name}: its header states {states:.2f} s, it ends at {ends:.2f} s{damage}", stacklevel=1)


def _reason(error: Any) -> str:
    """libsndfile's words, without its prefix and full stop."""
    return error.error_string.removeprefix("Error : ").rstrip(". ")


def _data_bytes(sound: Any) -> tuple[int, int]:
    """The size of the sample data as the header claims it and as libsndfile found it, (0, 0) where these do not differ."""
    differ = re.search(r"(?:data|SSND|Data Size) *: *(\d+) \(should be (\d+)\)", sound.extra_info)
    return (int(differ[1]), int(differ[2])) if differ else (0, 0)


def _array_blocks(
    name: str, array: np.ndarray, rate: int | None, offset: float, duration: float | None
) -> tuple[Iterator[np.ndarray], int]:
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
    start, wanted = _stretch(name, len(array), rate, offset, duration)

    def blocks() -> Iterator[np.ndarray]:
        for at in range(start, start + wanted, BLOCK):
            block = array[at : min(at + BLOCK, start + wanted)]
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
                yield (
                    block.astype(np.float32) if full_scale == 1.0 else ((block - zero) / full_scale).astype(np.float32)
                )

    return blocks(), rate


def _stretch(name: str, frames: int, rate: int, offset: float, duration: float | None) -> tuple[int, int]:
    """Where to begin and how many samples to read, at the source's own rate."""
    if rate not in RATES:
        raise InputError(f"{name}: expected a sample rate of {RATES[0]} to {RATES[-1]} Hz, found {rate}")
    start = round(offset * rate)
    if start < 0 or (frames and start >= frames):
        raise InputError(f"{name}: expected a stretch within its {frames / rate:g} s, found one from {offset:g} s on")
    left = frames - start
    return start, left if duration is None else min(left, round(duration * rate))


def _assemble(name: str, blocks: Iterator[np.ndarray], own_rate: int, sample_rate: int) -> np.ndarray:
    """Blocks (samples, channels) to one array (samples,): averaged, checked, and resampled as they come."""
    resampler = None
    pieces: list[np.ndarray] = []
    count = unusable = 0
    for block in blocks:
        with np.errstate(over="ignore", invalid="ignore"):
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
        count += len(mono)
        finite = np.isfinite(mono)
        if not finite.all():
            unusable += len(mono) - int(np.count_nonzero(finite))
            continue
        if own_rate != sample_rate:
            if resampler is None:
                import soxr

                resampler = soxr.ResampleStream(own_rate, sample_rate, 1, dtype="float32")
            mono = resampler.resample_chunk(mono)
        pieces.append(mono)
    if count == 0:
        raise InputError(f"{name}: no samples")
    if unusable:
        raise InputError(f"{name}: expected finite samples, found NaN or infinity in {unusable} of {count}")
    if resampler is not None:
        pieces.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    samples = np.concatenate(pieces)
    # One sample at 48 kHz is less than one at 16 kHz; that is still a recording, of silence.
    return samples if len(samples) else np.zeros(1, np.float32)
