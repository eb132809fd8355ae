"""Bring a set of recordings that stand in a public git repository: 16 kHz mono FLAC, and a table for `speechrnn prepare folder`.

    python recipes/english/more_speech.py korliu-validated data/corpora/more

The set is a row of sources.tsv, which names repository and commit, and a file in utterances/ (columns: id, speaker, seconds,
text, git blob). A blob id pins the bytes of a recording. The repository is cloned into FOLDER/repositories, or taken from there.
Recordings that are there already are left alone; those that are missing or cannot be read are named, and the status is 1.
"""

import argparse
import csv
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import soundfile
import soxr

HERE = Path(__file__).resolve().parent
RATE = 16000


def source(name: str) -> dict[str, str]:
    """The row of sources.tsv."""
    with open(HERE / "sources.tsv", encoding="utf-8", newline="") as table:
        rows = {row["set"]: row for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)}
    if name not in rows:
        sys.exit(f"{name}: expected one of {', '.join(rows)}")
    return rows[name]


def repository(row: dict[str, str], folder: Path) -> Path:
    """The git directory that holds a set's recordings, cloned if it is not there."""
    directory = folder / row["repository"].replace("/", "+")
    if not directory.exists():
        subprocess.run(["git", "init", "--quiet", "--bare", directory], check=True)
        address = f"https://github.com/{row['repository']}"
        subprocess.run(["git", "-C", directory, "fetch", "--depth", "1", address, row["commit"]], check=True)
    return directory


def blobs(directory: Path, ids: list[str]) -> Iterator[bytes | None]:
    """The contents of git objects in order; None for one that is not there."""
    command = ["git", f"--git-dir={directory}", "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for blob in ids:
            process.stdin.write(f"{blob}\n".encode())
            process.stdin.flush()
            header = process.stdout.readline().split()
            if header[-1] == b"missing":
                yield None
            else:
                yield process.stdout.read(int(header[2]))
                process.stdout.read(1)  # the line's end
        process.stdin.close()


def convert(data: bytes, target: Path) -> None:
    """Write a sound file's bytes as mono FLAC at RATE."""
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    part = target.with_suffix(".part")
    soundfile.write(part, soxr.resample(samples.mean(axis=1), rate, RATE), RATE, format="FLAC", subtype="PCM_16")
    part.replace(target)


def main(name: str, folder: Path) -> int:
    """Write FOLDER/NAME and its text.tsv. Returns the exit status."""
    directory = repository(source(name), folder / "repositories")
    lines = (HERE / "utterances" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    utterances = [line.split("\t") for line in lines]
    out = folder / name
    out.mkdir(parents=True, exist_ok=True)
    rows, left_out = [], 0
    for (id, speaker, _, text, blob), data in zip(
        utterances, blobs(directory, [u[4] for u in utterances]), strict=True
    ):
        target = out / f"{id.replace('/', '_')}.flac"
        try:
            if data is None:
                raise FileNotFoundError(f"blob {blob} is not in {directory}")
            if not target.exists():
                convert(data, target)
        except (OSError, soundfile.SoundFileError) as error:
            print(f"{id}: left out: {error}", file=sys.stderr)
            left_out += 1
        else:
            rows.append((target.name, text, speaker))
    with open(out / "text.tsv", "w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, delimiter="\t", lineterminator="\n")
        writer.writerow(("audio", "text", "speaker"))
        writer.writerows(rows)
    print(f"{name}: {len(rows)} recordings in {out}, {left_out} left out")
    return 1 if left_out else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", help="a row of sources.tsv")
    parser.add_argument("folder", type=Path, help="for the recordings, in a folder of the set's name")
    args = parser.parse_args()
    sys.exit(main(args.set, args.folder))
