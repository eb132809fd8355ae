"""Cut single words out of transcribed recordings: digits and commands are often said alone, and few recordings hold just one.

    python recipes/english/single_words.py data/english/an4/spelled.jsonl data/english/learners/train.jsonl -o data/english/words

A word is cut half-way to its neighbours, or 0.15 s from its ends where there is a pause. Words of which the model is not sure
are left out, and words shorter than 0.2 s. At most `--each` recordings of a word are taken from one manifest.
"""

import argparse
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import soundfile

import speechrnn
from speechrnn.audio import read_audio
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance, read_manifest, write_manifest

RATE = 16000
MARGIN = 0.15  # seconds of a pause that stay
FADE = 0.005  # seconds at both ends, so that a cut does not click
SHORTEST = 0.2  # seconds
LEAST_CONFIDENCE = 0.8


def cut(samples: np.ndarray, words: list) -> list[tuple[str, float, np.ndarray]]:
    """(text, confidence, samples) of each word."""
    seconds = len(samples) / RATE
    ends = [0.0, *(word.end for word in words)]
    starts = [*(word.start for word in words), seconds]
    found = []
    for index, word in enumerate(words):
        begin = max(word.start - MARGIN, (ends[index] + word.start) / 2)
        end = min(word.end + MARGIN, (word.end + starts[index + 1]) / 2)
        part = samples[int(begin * RATE) : int(end * RATE)].copy()
        ramp = np.linspace(0, 1, int(FADE * RATE), dtype=np.float32)
        if len(part) >= SHORTEST * RATE:
            part[: len(ramp)] *= ramp
            part[-len(ramp) :] *= ramp[::-1]
            found.append((word.text, word.confidence, part))
    return found


def main(manifests: list[str], folder: Path, model: str, each: int) -> None:
    """Write FOLDER/*.flac and FOLDER/all.jsonl."""
    recognizer = speechrnn.load(model)
    folder.mkdir(parents=True, exist_ok=True)
    utterances = []
    for manifest in manifests:
        taken: Counter[str] = Counter()
        recordings = read_manifest(manifest)
        Random(0).shuffle(recordings)
        for recording in recordings:
            samples = read_audio(recording.audio_filepath, RATE, offset=recording.offset, duration=recording.duration)
            try:
                words = recognizer.align(samples, recording.text, rate=RATE).words
            except InputError as error:
                print(f"{recording.id}: left out: {error}")
                continue
            for index, (text, confidence, part) in enumerate(cut(samples, words)):
                if confidence < LEAST_CONFIDENCE or taken[text] >= each:
                    continue
                taken[text] += 1
                path = folder / f"{Path(manifest).parent.name}-{recording.id.replace('/', '-')}-{index}.flac"
                soundfile.write(path, part, RATE)
                utterances.append(
                    Utterance(path.stem, str(path.resolve()), text, 0.0, len(part) / RATE, recording.speaker)
                )
    write_manifest(folder / "all.jsonl", utterances)
    print(f"{len(utterances)} words, {sum(u.duration for u in utterances) / 3600:.2f} h")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="+", metavar="MANIFEST")
    parser.add_argument("-o", dest="folder", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--model", default="english", help="the package that aligns (default: %(default)s)")
    parser.add_argument("--each", type=int, default=20, help="how often a word is taken (default: %(default)s)")
    arguments = parser.parse_args()
    main(arguments.manifests, arguments.folder, arguments.model, arguments.each)
