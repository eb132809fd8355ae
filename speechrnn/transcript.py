"""What recognition gives."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Word:
    """A word, where in the recording it is said, `start` to `end` in seconds, and the probability that it is right."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Hypothesis:
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
class Transcript:
    """The text of one recording and how long that recording is in seconds.

    `words` are there if times were asked for, in order and without overlap; `hypotheses` if the n best were, best first.
    """

    text: str
    duration: float
    words: tuple[Word, ...] | None = None
    hypotheses: tuple[Hypothesis, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON, without those that were not asked for."""
        return {name: value for name, value in asdict(self).items() if value is not None}
