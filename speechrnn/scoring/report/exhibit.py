"""One of the worst utterances on the page: its alignment, and its sound with what can be seen of it on one time axis."""

from collections.abc import Callable, Sequence

from speechrnn.scoring.report.pictures import RATE, data_uri, mp3, spectrogram
from speechrnn.scoring.report.plots import peaks
from speechrnn.scoring.report.recordings import Recording
from speechrnn.scoring.report.texts import anchor, number, stacked, text
from speechrnn.scoring.score import UtteranceScore
from speechrnn.transcript import Word

PIXELS_PER_SECOND = 120  # the letters of fluent speech then stand beside each other; wider than a screen, so it scrolls
LONGEST_SECONDS = 40.0  # of a recording: 30 of them in full, in MP3 and as pictures, are 11 MB; LibriSpeech ends at 35

# What tells which words of a text are right: see breakdown.judge
Verdict = Callable[[Sequence[str], Sequence, int], list[bool | None]]


def exhibit(rank: int, utterance: UtteranceScore, recording: Recording | None, verdict: Verdict) -> str:
    """The HTML of one utterance. Without a recording it is the texts alone."""
    words = utterance.words
    facts = [
        f"{words.errors} error{'s' * (words.errors != 1)} in {words.reference} word{'s' * (words.reference != 1)}",
        f"WER {number(words.rate)} %",
    ]
    if utterance.speaker:
        facts.append(f"speaker {utterance.speaker}")
    if utterance.duration is not None:
        facts.append(f"{utterance.duration:.1f} s")
    return (
        f'<details class=exhibit id="{text(anchor("worst", utterance.id))}"{" open" if rank == 1 else ""}>'
        f"<summary><span class=rank>{rank}</span> <b>{text(utterance.id)}</b> "
        f"<span class=facts>{text(' · '.join(facts))}</span></summary>\n"
        f"{stacked(utterance.alignment)}\n{_sound(utterance, recording, verdict) if recording else ''}</details>\n"
    )


def _sound(utterance: UtteranceScore, recording: Recording, verdict: Verdict) -> str:
    whole = len(recording.waveform) / RATE
    seconds = min(whole, LONGEST_SECONDS)
    waveform = recording.waveform[: int(seconds * RATE)]
    width = round(seconds * PIXELS_PER_SECOND)
    parts = [
        f'<audio controls preload=metadata src="{data_uri("audio/mpeg", mp3(waveform))}"></audio>',
        f"<p class=note>The first {seconds:g} of {whole:.1f} seconds." if seconds < whole else "",
        f'<div class=box tabindex=0 role=region aria-label="sound of {text(utterance.id)}">'
        f'<div class=time style="width:{width}px"><img class=spectrogram width={width} height=112 '
        f'alt="spectrogram, 0 to {RATE // 2000} kHz" src="{data_uri("image/png", spectrogram(waveform))}">',
        _track("said", recording.said, verdict, utterance, 0, seconds),
        _track("heard", recording.heard, verdict, utterance, 1, seconds),
    ]
    if recording.posteriors:
        parts.append(peaks(recording.posteriors, seconds, PIXELS_PER_SECOND))
    marks = "".join(
        f'<i style="left:{second * PIXELS_PER_SECOND}px">{second} s</i>' for second in range(int(seconds) + 1)
    )
    parts.append(f"<div class=seconds aria-hidden=true>{marks}</div><div class=head hidden></div></div></div>")
    return "\n".join(part for part in parts if part) + "\n"


def _track(
    name: str, words: Sequence[Word] | None, verdict: Verdict, utterance: UtteranceScore, side: int, seconds: float
) -> str:
    """Words at their times; a click on one plays from there."""
    if words is None:
        return ""
    pairs = [pair for pair in utterance.alignment if pair[side] is not None]
    buttons = []
    for word, right in zip(words, verdict([word.text for word in words], pairs, side), strict=True):
        if word.end > seconds:
            break
        left, width = word.start * PIXELS_PER_SECOND, (word.end - word.start) * PIXELS_PER_SECOND
        sure = f", confidence {word.confidence:.2f}"
        buttons.append(
            f"<button type=button dir=auto{' class=wrong' if right is False else ''} data-start={word.start:.2f} "
            f'style="left:{left:.0f}px;width:{max(width, 4):.0f}px" '
            f'title="{text(word.text)}, {word.start:.2f} to {word.end:.2f} s{sure}">{text(word.text)}</button>'
        )
    return f"<div class=track data-name={name}>{''.join(buttons)}</div>"
