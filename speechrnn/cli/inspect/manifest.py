"""A manifest as a table: how much there is of what, and texts that look wrong."""

from pathlib import Path

import numpy as np

from speechrnn.audio import read_audio
from speechrnn.cli.prepare import visible
from speechrnn.cli.tables import NAMED, counted, cut, table
from speechrnn.data.plan import padding_share, plan
from speechrnn.data.survey import Survey, survey
from speechrnn.errors import InputError
from speechrnn.manifest import read_manifest

SHOWN_CHARACTERS = 60  # of an alphabet: the most frequent, and as many of the rarest, among which mistakes are
IN_A_LINE = 12  # characters of an alphabet


def show_manifest(path: str, max_seconds: float, folder: str | None) -> list[Path]:
    """Print a manifest's figures and draw its durations and one of its recordings. Returns the pictures.

    Raises:
        InputError: the manifest, or for the pictures the recording of median length, cannot be used.
    """
    found = survey(read_manifest(path))
    print("\n\n".join([facts_table(found, max_seconds), ranges_table(found), alphabet(found), suspicious(found)]))
    if not folder:
        return []
    from speechrnn.pictures import durations, recording, save_picture

    pictures = [save_picture(durations(found), Path(folder, "durations.png"))]
    missing = set(found.missing)
    usable = [i for i in np.flatnonzero(_spoken(found)).tolist() if found.utterances[i].id not in missing]
    if not usable:
        raise InputError(f"{path}: no spectrogram can be drawn: no utterance has a text and a file that is there")
    example = found.utterances[sorted(usable, key=lambda i: found.seconds[i])[len(usable) // 2]]
    rate = max(found.sample_rates, default=16000)
    waveform = read_audio(example.audio_filepath, rate, offset=example.offset, duration=example.duration)
    title = f"{example.id}: {example.text}"
    return [*pictures, save_picture(recording(waveform, rate, title), Path(folder, "spectrogram.png"), title)]


def facts_table(found: Survey, max_seconds: float) -> str:
    """Totals, as text."""
    known = found.seconds[np.isfinite(found.seconds)]
    nonspeech, unknown = int((found.characters == 0).sum()), len(found.seconds) - len(known)
    rates = ", ".join(f"{rate} Hz in {count}" for rate, count in found.sample_rates.most_common())
    padding = "-"
    if known.any():
        batches = plan(known, seed=1, epoch=0, max_seconds=max_seconds)
        count = "1 batch" if len(batches) == 1 else f"{len(batches)} batches"
        padding = f"{padding_share(known, batches):.1%} in {count} of at most {max_seconds:g} s"
    facts = [
        ("utterances", f"{len(found.utterances)}" + f", {nonspeech} of them nonspeech" * (nonspeech > 0)),
        ("hours", f"{known.sum() / 3600:.3f}" + f", without {unknown} of unknown duration" * (unknown > 0)),
        ("speakers", str(len({u.speaker for u in found.utterances} - {""}) or "-")),
        ("files missing", counted(found.missing)),
        ("sample rates", f"{rates} of the first files" if rates else "-"),
        ("words", f"{found.words.sum()}, {found.vocabulary} different"),
        ("padding", padding),
    ]
    return table(facts)


def ranges_table(found: Survey) -> str:
    """How long, and how fast, utterances are, as text. The rates and texts are of those in which something is said."""
    spoken = _spoken(found)
    seconds = np.maximum(found.seconds[spoken], 1e-3)
    columns = {
        "seconds": (found.seconds[np.isfinite(found.seconds)], 2),
        "characters": (found.characters[spoken], 0),
        "characters a second": (found.characters[spoken] / seconds, 1),
        "words a second": (found.words[spoken] / seconds, 2),
    }
    rows: list[tuple[str, ...]] = [("of an utterance", "least", "5 %", "median", "95 %", "most")]
    for name, (values, digits) in columns.items():
        quantiles = np.quantile(values, (0, 0.05, 0.5, 0.95, 1)) if len(values) else None
        rows.append((name, *(["-"] * 5 if quantiles is None else [f"{q:.{digits}f}" for q in quantiles])))
    return table(rows, numbers=range(1, 6))


def alphabet(found: Survey) -> str:
    """The characters and how often each stands in the texts."""
    counts = sorted(found.alphabet.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{visible(character)} {count}" for character, count in counts]
    if len(shown) > 2 * SHOWN_CHARACTERS:
        shown = [*shown[:SHOWN_CHARACTERS], "...", *shown[-SHOWN_CHARACTERS:]]
    lines = ["  " + "  ".join(shown[i : i + IN_A_LINE]) for i in range(0, len(shown), IN_A_LINE)]
    return "\n".join([f"alphabet: {len(counts)} characters, the most frequent first", *lines])


def suspicious(found: Survey) -> str:
    """The utterances whose texts are likely not what is said, the worst first."""
    worst = found.suspicious
    if not len(worst):
        return "no text is suspiciously long or short for its duration"
    rows = [("", "id", "seconds", "characters a second", "text")]
    for i in worst[:NAMED]:
        utterance, seconds = found.utterances[i], found.seconds[i]
        speed = "too fast" if found.deviation[i] > 0 else "too slow"
        rate = found.characters[i] / max(seconds, 1e-3)
        rows.append((speed, utterance.id, f"{seconds:.2f}", f"{rate:.1f}", cut(utterance.text)))
    count = f"{len(worst)} {'text is' if len(worst) == 1 else 'texts are'}"
    return f"{count} suspiciously long or short for the duration, the worst first\n" + table(rows, numbers=(2, 3))


def _spoken(found: Survey) -> np.ndarray:
    """Which utterances have a text and a known duration."""
    return (found.characters > 0) & np.isfinite(found.seconds)
