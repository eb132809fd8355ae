"""How long recognition took: the real-time factor (RTF: processing time / audio time) and the latency of utterances."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

Part = TypeVar("Part")
PERCENTILES = (50, 90, 95, 99)


@dataclass
class Timing:
    """Seconds of `audio`, of `reading` and of `working`, a number a part: an utterance where each is transcribed `alone`.

    >>> timing = Timing(alone=False)
    >>> for seconds in timing.read([5.0, 5.0]):
    ...     timing.done(seconds)
    >>> timing.audio
    [5.0, 5.0]
    """

    alone: bool
    audio: list[float] = field(default_factory=list)
    reading: list[float] = field(default_factory=list)
    working: list[float] = field(default_factory=list)
    _since: float = 0.0

    def read(self, parts: Iterable[Part]) -> Iterator[Part]:
        """The parts; the time that each is waited for counts as reading. Work on a part begins when it is handed out."""
        waiting = time.perf_counter()
        for part in parts:
            self.reading.append(time.perf_counter() - waiting)
            self.start()
            yield part
            waiting = time.perf_counter()

    def start(self) -> None:
        """Work begins only now: what was done before was warm-up."""
        self._since = time.perf_counter()

    def done(self, audio: float) -> None:
        """The work on a part of so many seconds of audio has ended."""
        self.working.append(time.perf_counter() - self._since)
        self.audio.append(audio)

    @property
    def rtf(self) -> float | None:
        """The real-time factor of all parts together, reading included; None where there was no audio."""
        return (sum(self.reading) + sum(self.working)) / sum(self.audio) if sum(self.audio) else None

    def lines(self) -> list[str]:
        """What to tell people: a line, or three where each utterance was transcribed alone."""
        if self.rtf is None:
            return []
        reading, working = sum(self.reading), sum(self.working)
        lines = [
            f"{reading + working:.1f} s for {sum(self.audio):.1f} s of audio ({reading:.1f} s reading it): RTF {self.rtf:.4f}"
        ]
        if self.alone:
            latency = self.latency()
            rtf = np.array(latency) / np.maximum(self.audio, 1e-9)
            lines.append(f"latency from file to text, ms: {_spread([1000 * seconds for seconds in latency], '.1f')}")
            lines.append(f"RTF of an utterance: {_spread(rtf, '.4f')}")
        return lines

    def latency(self) -> list[float]:
        """Seconds from opening an utterance's file to its text, for each."""
        return [reading + working for reading, working in zip(self.reading, self.working, strict=True)]


def _spread(values: Iterable[float], form: str) -> str:
    values = np.asarray(values)
    at = (
        f"{percent} % {value:{form}}"
        for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
    )
    return f"mean {values.mean():{form}}; {', '.join(at)}; greatest {values.max():{form}}"
