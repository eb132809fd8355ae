"""Sound in: a file, a file object, standard input or an array, to mono float32 samples at the model's rate."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from speechrnn.audio.arrays import RATES, Sound, open_array
from speechrnn.audio.decoding import open_file
from speechrnn.audio.mixing import mixed
from speechrnn.audio.sources import Source, is_array, is_seekable, is_stdin, plain_file, source_name
from speechrnn.errors import InputError, reason

# What libsndfile decodes and people record speech in; used to find the audio in a directory, not to judge a file.
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".sph", ".aif", ".aiff", ".au", ".w64", ".caf")

# What the program ffmpeg decodes.
FOREIGN_SUFFIXES = tuple(
    ".m4a .m4b .aac .amr .awb .wma .mp4 .m4v .webm .mka .mkv .mov .avi .flv .wmv .mpg .mpeg .3gp .ra .rm".split()
)


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
        channel: the one to read, from 0; None is the average of all, but the best
            one alone, with a warning, where the average would lose the signal.

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

    What is no file of the operating system, as a pipe or a BytesIO, is first copied into a temporary one.

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
    stream = sys.stdin and sys.stdin.buffer if is_stdin(source) else source
    if hasattr(stream, "read") and not is_seekable(stream):
        raise InputError(
            f"{source_name(source)}: expected a file, to see how many channels it has and then to read them, found a stream: "
            "write it to a file first"
        )
    with _opened(source, RATES[0]) as sound:
        return sound.channels


def seconds_of(source: Source) -> float:
    """How long a recording is, as found in its data where its header may err.

    Raises:
        InputError: it cannot be opened or decoded.
    """
    with _opened(source, None) as sound:
        return sound.seconds()


@contextmanager
def _opened(source: Source, rate: int | None) -> Iterator[Sound]:
    """Any source; `rate` is an array's."""
    name = source_name(source)
    if is_array(source):
        yield open_array(name, np.asarray(source), rate)
        return
    with ExitStack() as stack:
        try:
            yield open_file(name, plain_file(name, source, stack), stack)
        except OSError as error:
            raise InputError(f"{name}: cannot be read: {reason(error)}") from None


def _converted(
    sound: Sound, blocks: Iterator[np.ndarray], sample_rate: int, channel: int | None
) -> Iterator[np.ndarray]:
    """Blocks (samples, channels) as blocks (samples,): averaged or chosen, checked, and resampled as a stream."""
    if channel is not None and not 0 <= channel < sound.channels:
        raise InputError(f"{sound.name}: expected a channel of 0 to {sound.channels - 1}, found {channel}")
    resampler = None
    count = unusable = given = 0
    if channel is None and sound.channels > 1:
        blocks = mixed(sound.name, sound.rate, blocks)
    for block in blocks:
        mono = block[:, channel or 0]
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
