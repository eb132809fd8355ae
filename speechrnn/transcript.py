"""What recognition gives."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Transcript:
    """The text of one recording, and how long that recording is in seconds."""

    text: str
    duration: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return asdict(self)
