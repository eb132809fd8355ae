"""Several channels as one: their average, but where it would lose what is said, the best of them."""

import warnings
from collections.abc import Iterator

import numpy as np

WINDOW = 10  # seconds that are judged together
FRAMES = 50  # a second, whose levels are compared
CANCELLED = 0.1  # of the power that channels without relation would have together
QUIET = 1e-10  # of full scale, squared; below is silence
RISES = 10.0  # dB between the loud and the quiet frames of speech; noise alone has less
LOST = 6.0  # dB of this that the average may lose before the best channel is taken


def mixed(name: str, rate: int, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Blocks (samples, channels) as blocks (samples, 1), with a warning where one channel was taken alone."""
    alone: set[int] = set()
    window: list[np.ndarray] = []
    count = 0
    for block in blocks:
        window.append(block)
        count += len(block)
        if count >= WINDOW * rate:
            yield from _window(window, rate, alone)
            window, count = [], 0
    yield from _window(window, rate, alone)
    if alone:
        taken = " and ".join(f"channel {channel}" for channel in sorted(alone))
        warnings.warn(
            f"{name}: {taken} alone was read where the average of the channels loses the signal", stacklevel=1
        )


def _window(window: list[np.ndarray], rate: int, alone: set[int]) -> Iterator[np.ndarray]:
    best = _best(window, rate) if window else None
    if best is not None:
        alone.add(best)
    for block in window:
        with np.errstate(over="ignore", invalid="ignore"):
            yield block.mean(axis=1, dtype=np.float32, keepdims=True) if best is None else block[:, best : best + 1]


def _best(window: list[np.ndarray], rate: int) -> int | None:
    """The channel to be taken alone; None where the average is as good."""
    step = max(rate // FRAMES, 1)
    with np.errstate(all="ignore"):
        levels = np.concatenate([_levels(block, step) for block in window])  # (frames, channels + 1), the last: average
        if len(levels) < 2 or not np.isfinite(levels).all():
            return None
        power = levels.mean(axis=0)
        channels, average = power[:-1], power[-1]
        if channels.max() < QUIET:
            return None
        loud, quiet = (np.percentile(levels, q, axis=0) for q in (95, 20))
        rises = np.where(power < QUIET, 0.0, 10 * np.log10((loud + QUIET) / (quiet + QUIET)))
    if average * len(channels) < CANCELLED * channels.mean():
        return int(np.argmax(np.where(rises[:-1] > rises[:-1].max() - LOST, channels, 0)))
    best = int(np.argmax(rises[:-1]))
    noisy = (rises[:-1] < RISES / 2) & (channels > 0.01 * channels[best])
    if noisy.any() and rises[best] > RISES and rises[-1] < rises[best] - LOST:
        return best
    return None


def _levels(block: np.ndarray, step: int) -> np.ndarray:
    """The power of frames of `step` samples, without their mean: (frames, channels + 1), the last one of the average."""
    whole = np.column_stack([block, block.mean(axis=1)])[: len(block) // step * step]
    frames = whole.reshape(-1, step, whole.shape[1])
    return frames.var(axis=1)
