"""What the page shows and plays of a recording, made without a plotting library: spectrogram, PNG, MP3, data URIs."""

import base64
import io
import struct
import zlib

import numpy as np

from speechrnn.errors import InputError

RATE = 16000  # Hz of what is played and drawn: speech has little above 8 kHz
SHIFT_SECONDS = 0.01  # a column of the spectrogram
MEL_BINS = 64  # its rows: as many as can be told apart in the height that it gets
LEVELS = 16  # shades of it, 4 bits a pixel: half the bytes of 8 bits, and no more is seen
DYNAMIC_RANGE = 72.0  # dB below the loudest that are told apart
# libsndfile's scale from 0 (160 kbit/s) to 1: 40 kbit/s at 16 kHz. Constant, for browsers seek by it; not less, for the note of
# how much silence the encoder puts in front no longer fits into a smaller frame, and sound and pictures would be 70 ms apart.
MP3_LEVEL = 0.8


def data_uri(kind: str, contents: bytes) -> str:
    """Bytes of a media type as the address of themselves."""
    return f"data:{kind};base64,{base64.b64encode(contents).decode('ascii')}"


def mp3(waveform: np.ndarray) -> bytes:
    """A waveform (samples,) at `RATE` as MP3, which every browser plays: 5 kB a second.

    Raises:
        InputError: the libsndfile that soundfile brings cannot write it.
    """
    import soundfile

    buffer = io.BytesIO()
    try:
        soundfile.write(
            buffer,
            np.clip(waveform, -1, 1),
            RATE,
            format="MP3",
            subtype="MPEG_LAYER_III",
            compression_level=MP3_LEVEL,
            bitrate_mode="CONSTANT",
        )
    except (soundfile.SoundFileError, TypeError, ValueError) as error:  # before 0.13 there was no compression_level
        raise InputError(
            f"audio in the report: expected a soundfile (0.13 or newer) that writes MP3, found {soundfile.__version__} with "
            f"libsndfile {soundfile.__libsndfile_version__}: `pip install --upgrade soundfile` ({error})"
        ) from None
    return buffer.getvalue()


def log_mel(waveform: np.ndarray, rate: int, bins: int = MEL_BINS) -> np.ndarray:
    """The log-mel spectrogram (frames, bins) of a waveform (samples,) in dB, to look at: 25 ms Hann windows every 10 ms.

    Triangular filters from 0 Hz to half the rate on the scale 2595 log10(1 + f / 700) (O'Shaughnessy 1987, as HTK has it).
    """
    window, shift = round(0.025 * rate), round(SHIFT_SECONDS * rate)
    count = max(1, round(len(waveform) / shift))
    padded = np.pad(waveform, ((window - shift) // 2, window + shift))  # frame i is around the middle of its shift
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::shift][:count]
    size = 1 << (window - 1).bit_length()
    power = np.abs(np.fft.rfft(frames * np.hanning(window + 1)[:-1], size)) ** 2
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + rate / 1400), bins + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(size, 1 / rate)[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return 10 * np.log10(np.maximum(power @ np.clip(np.minimum(rising, falling), 0, None), 1e-10))


def spectrogram(waveform: np.ndarray) -> bytes:
    """The log-mel spectrogram of a waveform (samples,) at `RATE` as a PNG, low frequencies at the bottom, loud is dark."""
    decibels = log_mel(waveform, RATE)
    loudness = 1 + (decibels - max(decibels.max(), -40.0)) / DYNAMIC_RANGE  # noise of -40 dB is not blown up to black
    return grey_png(np.clip((1 - loudness.T[::-1]) * (LEVELS - 1), 0, LEVELS - 1).round().astype(np.uint8))


def grey_png(shades: np.ndarray) -> bytes:
    """An image (rows, columns) of shades from 0 (black) to 15 (white) as a PNG of 4 bits a pixel (RFC 2083)."""
    height, width = shades.shape
    even = np.pad(shades, ((0, 0), (0, width % 2)))
    packed = even[:, ::2] << 4 | even[:, 1::2]
    rows = np.pad(packed, ((0, 0), (1, 0)))  # a 0 before each row: not filtered

    def chunk(kind: bytes, contents: bytes) -> bytes:
        return struct.pack(">I", len(contents)) + kind + contents + struct.pack(">I", zlib.crc32(kind + contents))

    header = struct.pack(">IIBBBBB", width, height, 4, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + chunk(b"IEND", b"")
    )
