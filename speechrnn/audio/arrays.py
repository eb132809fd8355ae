"""Sound that is open: blocks of samples at its own rate, from an array or a file."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from speechrnn.errors import InputError

RATES = range(2_000, 1_000_001)  # Hz; outside of it a header is wrong, and resampling could fill the memory
BLOCK = 16_384  # frames decoded at a time: no allocation follows what a header claims


class Sound(NamedTuple):
    """An open recording: `blocks(offset, duration)` gives the stretch, in seconds, as (samples, channels) of float32, and
    `seconds()` how long all of it is."""

    name: str
    rate: int
    channels: int
    blocks: Callable[[float, float | None], Iterator[np.ndarray]]
    seconds: Callable[[], float]


def open_array(name: str, array: np.ndarray, rate: int | None) -> Sound:
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
        start, wanted = stretch(name, len(array), rate, offset, duration)
        for at in range(start, start + wanted, BLOCK):
            block = array[at : min(at + BLOCK, start + wanted)]
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
                block = block if full_scale == 1.0 else (block - zero) / full_scale
                yield block.astype(np.float32)

    return Sound(name, rate, array.shape[1], blocks, lambda: len(array) / rate)


def stretch(name: str, frames: int, rate: int, offset: float, duration: float | None) -> tuple[int, int]:
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
