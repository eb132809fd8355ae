"""Read sentences aloud with espeak-ng, in many voices, and write their manifest: so that synthetic voices are understood, too.

python recipes/english/synthesise.py books.txt.xz data/english/synthetic 420
"""

import argparse
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile

from speechrnn.lm.ngram_counts import read_sentences
from speechrnn.manifest import Utterance, write_manifest

ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029")
VARIANTS = tuple(f"m{n}" for n in range(1, 9)) + tuple(f"f{n}" for n in range(1, 6))
LINES = 200_000
WORDS = range(4, 21)  # of a sentence that is read


def main(sentences: str, folder: str, count: int) -> None:
    """Write `count` recordings of sentences drawn from the first LINES, and FOLDER.jsonl."""
    random = np.random.default_rng(0)
    lines = (line for _, line in islice(read_sentences(sentences), LINES))
    fitting = sorted({line for line in lines if len(line.split()) in WORDS})
    Path(folder).mkdir(parents=True, exist_ok=True)
    utterances = []
    for number in range(count):
        text = fitting[random.integers(len(fitting))]
        voice = f"{random.choice(ACCENTS)}+{random.choice(VARIANTS)}"
        path = Path(folder) / f"{number:04}.wav"
        speed, pitch = str(random.integers(130, 191)), str(random.integers(30, 71))
        command = ["espeak-ng", "-v", voice, "-s", speed, "-p", pitch, "-w", str(path), text.lower()]
        subprocess.run(command, check=True)
        found = soundfile.info(path)
        utterances.append(
            Utterance(path.stem, str(path), text, 0.0, found.frames / found.samplerate, f"espeak-{voice}")
        )
    write_manifest(Path(f"{folder}.jsonl"), utterances)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", help="one a line, of A-Z, apostrophes and spaces (.gz, .xz or plain)")
    parser.add_argument("folder", help="for the recordings; their manifest is FOLDER.jsonl")
    parser.add_argument("count", type=int, help="how many recordings")
    args = parser.parse_args()
    main(args.sentences, args.folder, args.count)
