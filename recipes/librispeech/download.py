"""Fetch subsets of LibriSpeech from openslr.org or a mirror of it, check them, and unpack them into DST/LibriSpeech.

  python recipes/librispeech/download.py data/corpora dev-clean test-clean train-clean-100
  python recipes/librispeech/download.py data/corpora train-clean-5 --mirror eu

What is there and complete is left alone. The same command goes on where it was interrupted. An archive that is in DST
already, under its own name, is checked and unpacked instead of fetched, and kept. Needs nothing but Python.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import sys
import tarfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen


class Archive(NamedTuple):
    """What the publisher's archive of a subset is."""

    path: str  # below the mirrors
    bytes: int
    md5: str
    recordings: int  # .flac files in it


# The sums are the publisher's, of md5sum.txt beside the archives (resources/12 and 31), as PaddleSpeech quotes them
# (dataset/librispeech/librispeech.py, dataset/mini_librispeech/mini_librispeech.py); the sizes are those of Kaldi's
# local/download_and_untar.sh (egs/librispeech, egs/mini_librispeech). They stand here, and are not read from a server: a mirror
# with other archives would have other sums to go with them.
ARCHIVES = {
    "dev-clean": Archive("12/dev-clean.tar.gz", 337926286, "42e2234ba48799c1f50f24a7926300a1", 2703),
    "dev-other": Archive("12/dev-other.tar.gz", 314305928, "c8d0bcc9cca99d4f8b62fcc847357931", 2864),
    "test-clean": Archive("12/test-clean.tar.gz", 346663984, "32fa31d27d2e1cad72775fee3f4849a9", 2620),
    "test-other": Archive("12/test-other.tar.gz", 328757843, "fb5a50374b501bb3bac4815ee91d3135", 2939),
    "train-clean-100": Archive("12/train-clean-100.tar.gz", 6387309499, "2a93770f6d5c6c964bc36631d331a522", 28539),
    "train-clean-360": Archive("12/train-clean-360.tar.gz", 23049477885, "c0e676e450a7ff2f54aeade5171606fa", 104014),
    "train-other-500": Archive("12/train-other-500.tar.gz", 30593501606, "d1a0fd59409feb2c614ce4d30c387708", 148688),
    "train-clean-5": Archive("31/train-clean-5.tar.gz", 332954390, "5df7d4e78065366204ca6845bb08f490", 1519),
    "dev-clean-2": Archive("31/dev-clean-2.tar.gz", 126046265, "6d7ab67ac6a1d2c993d050e16d61080d", 1089),
}
MIRRORS = {  # of the publisher, named on its pages; they hold the same bytes, so one goes on where another stopped
    "openslr": "https://www.openslr.org/resources",
    "us": "https://openslr.trmal.net/resources",
    "eu": "https://openslr.elda.org/resources",
    "cn": "https://openslr.magicdatatech.com/resources",
}
TRIES = 8  # without a byte more, in a row: each of the four twice, in about two minutes
BACKOFF = 1.0  # seconds before the second try; doubles with each
SECONDS = 30  # to wait for a server that says nothing
BLOCK = 1 << 20  # bytes
UNPACKED = 1.05  # times the archive: FLAC does not compress further, and files end in half-empty blocks


class DownloadError(Exception):
    """What cannot be had, expected and found, in one line."""


class Lost(Exception):
    """A server did not give all that was asked for: another try may."""


def get(folder: Path, subsets: Sequence[str], mirrors: Sequence[str]) -> None:
    """Have these subsets, complete, in ``folder/LibriSpeech``.

    Raises:
        DownloadError: one cannot be fetched, is damaged, or does not fit on the disk.
        OSError: something cannot be written.
    """
    wanted = [subset for subset in dict.fromkeys(subsets) if not is_there(folder, subset)]
    require_space(folder, wanted)
    for subset in wanted:
        path = given = folder / f"{subset}.tar.gz"
        if not given.exists():
            path = given.with_name(f"{given.name}.part")
            fetch(ARCHIVES[subset], path, mirrors)
        check(ARCHIVES[subset], path)
        unpack(subset, path, folder)
        if path != given:
            path.unlink()


def is_there(folder: Path, subset: str) -> bool:
    """Whether a subset is there. Somebody else may have put half of it there: recordings are counted."""
    place = folder / "LibriSpeech" / subset
    if not place.exists():
        return False
    found, expected = recordings(place), ARCHIVES[subset].recordings
    if found != expected:
        raise DownloadError(
            f"{place}: expected {expected:,} recordings, found {found:,}: move it away to have it fetched anew"
        )
    say(f"{place}: there and complete")
    return True


def recordings(place: Path) -> int:
    """How many recordings a subset's folder holds, below its folders of readers and chapters."""
    return sum(1 for _ in place.glob("*/*/*.flac"))


def require_space(folder: Path, wanted: Sequence[str]) -> None:
    """Subsets are fetched one after the other, each archive that was fetched removed when it is unpacked."""
    unpacked = peak = 0.0
    for subset in wanted:
        archive, given = ARCHIVES[subset], folder / f"{subset}.tar.gz"
        missing = 0 if given.exists() else archive.bytes - size(given.with_name(f"{given.name}.part"))
        unpacked += UNPACKED * archive.bytes
        peak = max(peak, unpacked + missing)
    free = shutil.disk_usage(folder).free
    if peak > free:
        raise DownloadError(
            f"{folder}: expected {peak / 1e9:.1f} GB of free space for {', '.join(wanted)}, found {free / 1e9:.1f} GB"
        )


def fetch(archive: Archive, part: Path, mirrors: Sequence[str]) -> None:
    """Write the whole archive to `part`, going on from what is there."""
    turn = failures = 0
    most = size(part)
    while size(part) != archive.bytes:
        url = f"{mirrors[turn % len(mirrors)]}/{archive.path}"
        try:
            attempt(url, archive.bytes, part)
        except Lost as error:
            if most < size(part) < archive.bytes:  # the server is shaky, but it gives
                most, failures = size(part), 1
            else:
                turn, failures = turn + 1, failures + 1
            if failures == TRIES:
                raise DownloadError(
                    f"{url}: {error}, and no other try gave more of it; {size(part):,} of {archive.bytes:,} bytes are in "
                    f"{part}: the same command goes on from there"
                ) from None
            wait = min(60.0, BACKOFF * 2 ** (failures - 1))
            say(f"{url}: {error}; next try in {wait:g} s")
            time.sleep(wait)


def attempt(url: str, total: int, part: Path) -> None:
    """One connection: append what is missing, or begin anew where the server cannot begin in the middle.

    Raises:
        Lost: it ended early, or what is there is not an archive of `total` bytes.
    """
    have = size(part) if size(part) < total else 0
    headers = {"User-Agent": "speechrnn", **({"Range": f"bytes={have}-"} if have else {})}
    with lost_connections():
        response = urlopen(Request(url, headers=headers), timeout=SECONDS)
    with response:
        resumes = response.status == 206
        if resumes:
            expected, found = f"bytes {have}-{total - 1}/{total}", response.headers.get("Content-Range", "nothing")
        else:
            expected, found, have = str(total), response.headers.get("Content-Length", "an unknown number"), 0
        if found != expected:  # a page in place of the archive, say: what is there is not thrown away for it
            raise Lost(f"expected {expected.removeprefix('bytes ')} bytes, found {found.removeprefix('bytes ')}")
        with open(part, "ab" if resumes else "wb") as file, Progress(part.stem, have, total, 1e6, "MB") as progress:
            while True:
                with lost_connections():
                    block = response.read1(BLOCK)  # what has come: it is kept if no more does
                if not block:
                    break
                file.write(block)
                have += len(block)
                progress.at(have)
    if have != total:
        raise Lost(f"the connection ended after {have:,} of {total:,} bytes")


@contextmanager
def lost_connections() -> Iterator[None]:
    """What goes wrong on the way, as Lost."""
    try:
        yield
    except HTTPError as error:
        raise Lost(f"HTTP {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise Lost(" ".join(str(reason).split()) or type(error).__name__) from None


def check(archive: Archive, path: Path) -> None:
    """The publisher's MD5. What was fetched and is something else is removed; what somebody put there is left."""
    say(f"{path}: checking")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found == archive.md5:
        return
    advice = "delete it, or call it .tar.gz.part if it is the beginning"
    if path.suffix == ".part":
        path.unlink()
        advice = "it is removed: run the same command again, perhaps with another --mirror"
    raise DownloadError(f"{path}: expected the MD5 {archive.md5}, found {found}; {advice}")


def unpack(subset: str, path: Path, folder: Path) -> None:
    """Unpack an archive beside the corpus, and move the subset into it when it is whole: it is there complete or not at all."""
    work, corpus, expected = folder / f"{subset}.unpacking", folder / "LibriSpeech", ARCHIVES[subset].recordings
    shutil.rmtree(work, ignore_errors=True)  # of one who was killed
    try:
        with (
            tarfile.open(path, "r:gz") as tar,
            Progress(f"{subset}, unpacked", 0, expected, 1, "recordings") as progress,
        ):
            done = 0
            for member in tar:
                tar.extract(member, work, filter="data")  # no links out of it, no devices, no other owners
                done += member.name.endswith(".flac")
                progress.at(done)
        found = recordings(work / "LibriSpeech" / subset)
        if found != expected:
            raise DownloadError(f"{path}: expected {expected:,} recordings of {subset} in it, found {found:,}")
        if hasattr(os, "sync"):
            os.sync()  # a power cut must not leave empty files in what is taken for complete
        corpus.mkdir(exist_ok=True)
        for source in sorted((work / "LibriSpeech").iterdir(), key=lambda source: source.name == subset):
            if (
                source.name == subset or not (corpus / source.name).exists()
            ):  # SPEAKERS.TXT and so on are in all archives
                os.rename(source, corpus / source.name)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DownloadError(f"{path}: expected a whole archive, found a damaged one: {error}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


class Progress:
    """How far something is, on stderr: one line that changes on a terminal, a line a minute elsewhere."""

    def __init__(self, what: str, begin: float, total: float, scale: float, unit: str):
        self.what, self.begin, self.total, self.scale, self.unit = what, begin, total, scale, unit
        self.done, self.terminal = begin, sys.stderr.isatty()
        self.started = self.told = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def at(self, done: float) -> None:
        self.done, now = done, time.monotonic()
        if now - self.told >= (0.5 if self.terminal else 60):
            self.told = now
            print(self.line(), end="\033[K\r" if self.terminal else "\n", file=sys.stderr, flush=True)

    def line(self) -> str:
        a_second = (self.done - self.begin) / self.scale / max(time.monotonic() - self.started, 1e-3)
        done, total = self.done / self.scale, self.total / self.scale
        left = f", {(total - done) / a_second / 60:.0f} minutes left" if a_second and done < total else ""
        return f"{self.what}: {done:,.0f} of {total:,.0f} {self.unit}, {a_second:,.1f} a second{left}"

    def __exit__(self, *error: object) -> None:
        say(self.line())


def size(path: Path) -> int:
    """In bytes; 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process fetches into a folder meanwhile. (Windows has no flock, nor have some network file systems: there it
    is up to luck, and to the MD5.)"""
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(f"{folder}: another process fetches into it; wait for it") from None
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


def say(message: str) -> None:
    print(f"{message}\033[K" if sys.stderr.isatty() else message, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("destination", metavar="DST", type=Path, help="folder for the corpus' own folder, LibriSpeech")
    parser.add_argument(
        "subsets", metavar="SUBSET", nargs="+", choices=ARCHIVES, help=f"one or more of {', '.join(ARCHIVES)}"
    )
    parser.add_argument(
        "--mirror",
        choices=MIRRORS,
        default="openslr",
        help="whom to ask first; the others are asked where it fails (default: the publisher)",
    )
    args = parser.parse_args()
    mirrors = [MIRRORS[args.mirror], *(url for name, url in MIRRORS.items() if name != args.mirror)]
    try:
        if not hasattr(tarfile, "data_filter"):
            raise DownloadError("expected Python 3.11.4 or newer, which unpacks safely, found an older one")
        args.destination.mkdir(parents=True, exist_ok=True)
        with alone(args.destination):
            get(args.destination, args.subsets, mirrors)
    except DownloadError as error:
        say(f"download.py: {error}")
        return 1
    except OSError as error:
        say(f"download.py: {error.filename or args.destination}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        say("download.py: interrupted; the same command goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
