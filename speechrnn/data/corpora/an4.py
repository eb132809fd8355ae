"""CMU AN4 (Census): spelled words, digits and commands, 948 training and 130 test utterances.

The layout, in any of the forms in which it was published (wav, flac, sph, or headerless raw in either byte order):

    etc/an4_train.fileids          an4_clstk/fash/an251-fash-b
    etc/an4_train.transcription    <s> YES </s> (an251-fash-b)
    wav/an4_clstk/fash/an251-fash-b.wav
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from speechrnn.data.corpora import LeftOut, Rules, Split, check, read_lines, require_folder
from speechrnn.errors import InputError
from speechrnn.files import write_atomically
from speechrnn.manifest import Utterance

SUFFIXES = (".wav", ".flac", ".sph", ".raw")
RAW_RATE = 16000
_TRANSCRIPT = re.compile(r"(?:<s>)?(?P<text>.*?)(?:</s>)?\s*\((?P<id>[^()\s]+)\)")


def prepare_an4(source: Path, destination: Path, rules: Rules) -> list[Split]:
    """The splits train and test. Headerless recordings are converted to ``destination/wav``.

    Raises:
        InputError: the lists of the corpus are not under `source`.
    """
    require_folder(source)
    root = source if (source / "etc").is_dir() else source / "an4"
    lists = [
        root / "etc" / f"an4_{split}.{kind}" for split in ("train", "test") for kind in ("fileids", "transcription")
    ]
    missing = [path.name for path in lists if not path.is_file()]
    if missing:
        raise InputError(f"{source}: expected AN4's lists in etc/ or an4/etc/, did not find {', '.join(missing)}")
    return [check(split, _found(root, split, destination), rules) for split in ("train", "test")]


def _found(root: Path, split: str, destination: Path) -> Iterator[Utterance | LeftOut]:
    transcription = root / "etc" / f"an4_{split}.transcription"
    texts = {}
    for number, line in read_lines(transcription):
        match = _TRANSCRIPT.fullmatch(line)
        if match:
            texts[match["id"]] = match["text"]
        else:
            yield LeftOut(f"{transcription.name}:{number}", "not of the form 'TEXT (ID)'", line)
    fileids = [Path(line) for _, line in read_lines(root / "etc" / f"an4_{split}.fileids")]
    raw_order = None
    for fileid in fileids:
        utterance_id, speaker = fileid.name, fileid.parent.name
        audio = next((p for s in SUFFIXES if (p := root / "wav" / f"{fileid}{s}").is_file()), None)
        if utterance_id not in texts:
            yield LeftOut(utterance_id, "no transcript", f"not in {transcription.name}", speaker)
        elif audio is None:
            expected = f"wav/{fileid.as_posix()} with one of {' '.join(SUFFIXES)}"
            yield LeftOut(utterance_id, "missing audio", expected, speaker)
        elif audio.suffix == ".raw" and audio.stat().st_size % 2:
            detail = f"{audio}: {audio.stat().st_size} bytes are not a whole number of 16-bit samples"
            yield LeftOut(utterance_id, "unreadable audio", detail, speaker)
        else:
            if audio.suffix == ".raw":
                raw_order = raw_order or byte_order(sorted((root / "wav").rglob("*.raw"))[:32])
                audio = _with_header(audio, destination / "wav" / f"{fileid}.wav", raw_order)
            yield Utterance(utterance_id, str(audio), texts[utterance_id], speaker=speaker)
    for extra in sorted(texts.keys() - {fileid.name for fileid in fileids}):
        yield LeftOut(extra, "transcript without a recording", f"not in an4_{split}.fileids")


def byte_order(paths: list[Path]) -> str:
    """The order of the bytes in headerless 16-bit recordings, ``<i2`` or ``>i2``: the one with the smoother signal.

    Smooth is a small sum of absolute differences between neighbouring samples for the sum of absolute samples: read in
    the wrong order, the fast low byte leads and speech looks like noise. All recordings count together, as a corpus is
    published in one order and a silent recording alone does not tell.
    """
    roughness = {}
    for order in ("<i2", ">i2"):
        differences = level = 0.0
        for path in paths:
            data = path.read_bytes()
            samples = np.frombuffer(data[: len(data) // 2 * 2], order).astype(np.float64)
            differences += np.abs(np.diff(samples)).sum()
            level += np.abs(samples).sum()
        roughness[order] = differences / max(level, 1.0)
    return min(roughness, key=lambda order: roughness[order])


def _with_header(recording: Path, target: Path, order: str) -> Path:
    import soundfile

    wav = io.BytesIO()
    samples = np.frombuffer(recording.read_bytes(), order).astype(np.int16)
    soundfile.write(wav, samples, RAW_RATE, format="WAV", subtype="PCM_16")
    write_atomically(target, wav.getvalue())
    return target
