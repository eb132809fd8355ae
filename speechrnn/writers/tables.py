"""Text, JSON, and a line a word or a stretch: txt, json, jsonl, tsv, ctm, trn."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from speechrnn.writers.stretches import milliseconds, stretches, turns

if TYPE_CHECKING:
    from speechrnn.transcript import Transcript


def to_txt(id: str, *channels: "Transcript") -> str:
    """The text on a line, or on one for each segment of a long recording. Of several channels, a line a turn: `1: hello`."""
    if len(channels) > 1:
        return "".join(f"{turn.channel}: {turn.text}\n" for turn in turns(channels))
    if segments := channels[0].segments:
        return "".join(f"{segment.text}\n" for segment in segments)
    return f"{channels[0].text}\n"


def to_json(id: str, *channels: "Transcript") -> str:
    """An object with `id`, `text`, `duration`, `segments` and `words`, a line for each entry of a list."""
    lines = []
    for name, value in _fields(id, channels).items():
        if isinstance(value, list) and value:
            entries = ",\n".join(f"    {_json(entry)}" for entry in value)
            lines.append(f"  {_json(name)}: [\n{entries}\n  ]")
        else:
            lines.append(f"  {_json(name)}: {_json(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def to_jsonl(id: str, *channels: "Transcript") -> str:
    """The same object on one line."""
    return _json(_fields(id, channels)) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _fields(id: str, channels: "Sequence[Transcript]") -> dict[str, Any]:
    """Seconds to the millisecond. Of several channels, everything is in the order of time and says which it comes from."""
    several = len(channels) > 1
    said = stretches(channels)
    fields: dict[str, Any] = {
        "id": id,
        "text": " ".join(stretch.text for stretch in said) if several else channels[0].text,
        "duration": round(max(transcript.duration for transcript in channels), 3),
    }
    if several:
        texts = [transcript.text for transcript in channels]
        fields["channels"] = [{"channel": n, "text": text} for n, text in enumerate(texts, start=1)]
    fields["segments"] = [
        {"text": stretch.text, "start": round(stretch.start, 3), "end": round(stretch.end, 3)}
        | ({"channel": stretch.channel} if several else {})
        for stretch in said
    ]
    words = [
        {
            "text": word.text,
            "start": round(word.start, 3),
            "end": round(word.end, 3),
            "confidence": round(word.confidence, 4),
        }
        | ({"channel": number} if several else {})
        for number, transcript in enumerate(channels, start=1)
        for word in transcript.words or ()
    ]
    fields["words"] = sorted(words, key=lambda word: word["start"])
    if not several and channels[0].hypotheses is not None:
        fields["hypotheses"] = [
            {"text": h.text, "score": h.score, "acoustic": h.acoustic, "language": h.language}
            for h in channels[0].hypotheses
        ]
    return fields


def to_tsv(id: str, *channels: "Transcript") -> str:
    """`start end text` with tabs, as whisper writes it: milliseconds, a line for each stretch between pauses, under a header.

    Of several channels `channel` stands before the text.
    """
    several = len(channels) > 1
    rows = ["start\tend\tchannel\ttext\n" if several else "start\tend\ttext\n"]
    for stretch in stretches(channels):
        channel = f"{stretch.channel}\t" if several else ""
        rows.append(f"{round(stretch.start * 1000)}\t{round(stretch.end * 1000)}\t{channel}{stretch.text}\n")
    return "".join(rows)


def to_ctm(id: str, *channels: "Transcript") -> str:
    """NIST's CTM: `id channel start duration word confidence` a line. White space in the id becomes `_`."""
    name = "_".join(id.split()) or "audio"
    rows = []
    for channel, transcript in enumerate(channels, start=1):
        for word in transcript.words or ():
            start, end = milliseconds(word)
            # A word that was written with a space inside is one field all the same
            text = "_".join(word.text.split())
            times = f"{start / 1000:.3f} {(end - start) / 1000:.3f}"
            rows.append(f"{name} {channel} {times} {text} {word.confidence:.4f}\n")
    return "".join(rows)


def to_trn(id: str, *channels: "Transcript") -> str:
    """NIST's trn: `text (id)`, or of several channels `text (id-1)` and so on. What an id cannot hold there becomes `_`."""
    name = one_field(id)
    if len(channels) == 1:
        return f"{channels[0].text} ({name})\n"
    return "".join(f"{transcript.text} ({name}-{n})\n" for n, transcript in enumerate(channels, start=1))


def one_field(id: str) -> str:
    """The id as trn can hold it: without white space and parentheses."""
    return "_".join(id.translate({ord("("): " ", ord(")"): " "}).split()) or "audio"
