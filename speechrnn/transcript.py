"""What recognition gives."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class _Record:
    """A dataclass that can be written as JSON."""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON, without those that were not asked for."""
        return asdict(self, dict_factory=lambda fields: {name: value for name, value in fields if value is not None})


@dataclass(frozen=True)
class Word(_Record):
    """A word, where in the recording it is said, `start` to `end` in seconds, and the probability that it is right."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Segment(_Record):
    """What is said between two pauses, and where in the recording that is, `start` to `end` in seconds.

    `words` are there if times were asked for.
    """

    text: str
    start: float
    end: float
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True)
class Hypothesis(_Record):
    """One of the texts that a search found, with natural-log scores.

    `tokens` are those of its best-scored spelling, without blanks. `acoustic` is the log-probability of the text, summed over
    its alignments; `language` what the language model says of its words and its end, unweighted (0 without one); `score` is
    what hypotheses are ranked by: `acoustic`, `language` times its weight, and the bonuses for words and hotwords.
    """

    text: str
    tokens: tuple[int, ...]
    score: float
    acoustic: float
    language: float


@dataclass(frozen=True)
class Transcript(_Record):
    """The text of one recording and how long that recording is in seconds.

    `words` are there if times were asked for, in order and without overlap; `hypotheses` if the n best were, best first.
    `segments` divide the text at pauses, where the recording is long; where nothing is said there is none. Transcripts of the
    same words are equal however they are divided.
    """

    text: str
    duration: float
    words: tuple[Word, ...] | None = None
    hypotheses: tuple[Hypothesis, ...] | None = None
    segments: tuple[Segment, ...] | None = field(default=None, compare=False)
