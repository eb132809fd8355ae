"""Where model packages are: bundled, in a folder, or fetched when somebody asks for an address, and known by name from then on.

An address ends in the checksum of what it stands for: ``https://example.org/frisian.tar.gz#sha256=...``. The cache is a folder of
the user with a folder for each package, named as its archive. A package appears there whole and checked, or not at all.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechrnn import package as packages
from speechrnn.errors import InputError
from speechrnn.files import atomic_file, finish_replacing

if TYPE_CHECKING:
    from urllib.parse import SplitResult

SUFFIXES = (".tar.gz", ".tgz")
NAME = re.compile(r"\w[\w.+-]{0,99}")
RECORD = "fetched.json"  # beside the package's own files: where it came from, and its checksum
LARGEST = 4 << 30  # bytes of an archive, and of what is in it: with a language model of 1 GB it is far below
MOST_FILES = 100  # in an archive; a package has about six
SECONDS = 30  # to wait for a server that says nothing
BLOCK = 1 << 20  # bytes

Told = Callable[[int, int | None], None]


def find_package(name_or_path: str | os.PathLike | None = None) -> Path:
    """The directory of a package: of the default one, of a bundled or a fetched one by its name, of the one at an address,
    which is fetched, or the directory given.

    A name that is also that of a package in the current directory is refused; ``./an4`` is always the directory. A directory
    of that name that is no package does not matter.

    Raises:
        InputError: there is none of it; the names are listed. Or there are two, or the address cannot be fetched.
    """
    wanted = packages.DEFAULT if name_or_path is None else os.fspath(name_or_path)
    if "://" in wanted:
        return fetch(wanted)
    for folder in (packages.BUNDLED, cache_folder()):
        finish_replacing(folder / wanted)
    names = packages.bundled()
    fetched = cached() if wanted not in names else []
    if wanted in (*names, *fetched):
        known, here = (packages.BUNDLED if wanted in names else cache_folder()) / wanted, Path(wanted)
        if name_or_path is not None and (here / "model.json").is_file() and not here.samefile(known):
            kind = "bundled" if wanted in names else "fetched"
            raise InputError(
                f"model {wanted!r}: expected one model package of this name, found a {kind} one and the folder {wanted} here: "
                f"write {os.path.join('.', wanted)} for the folder, or {known} for the {kind} one"
            )
        return known
    finish_replacing(wanted)
    if name_or_path is not None and os.path.isdir(wanted):
        return Path(wanted)
    if os.path.isfile(wanted):
        raise InputError(f"model {wanted!r}: expected the directory of a model package, found a file: name its folder")
    others = f", a fetched one ({', '.join(fetched)})" if fetched else ""
    raise InputError(
        f"model {wanted!r}: expected the directory of a model package, its address, or a bundled name "
        f"({', '.join(names) or 'none is bundled here'}){others}, found neither"
    )


def cache_folder() -> Path:
    """Where fetched packages are: $SPEECHRNN_CACHE, else speechrnn in $XDG_CACHE_HOME, else in ~/.cache."""
    own = os.environ.get("SPEECHRNN_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "speechrnn")


def cached() -> list[str]:
    """The names of the fetched packages."""
    return sorted(path.parent.name for path in cache_folder().glob(f"*/{RECORD}") if path.parent.name[0] != ".")


def fetch(address: str, told: Told | None = None) -> Path:
    """The folder of the package at an address, which is fetched unless it is there already.

    Args:
        address: https, or file, of a .tar.gz, ending in #sha256= and the checksum; http is for this machine only.
        told: called with the bytes that have come and how many there will be, if that is known.

    Raises:
        InputError: it is no such address, cannot be fetched, has another checksum, is no package, or its name is taken.
        OSError: the cache cannot be written.
    """
    import tempfile

    url, checksum, name = _parsed(address)
    folder = cache_folder() / name
    if name in packages.bundled():
        raise InputError(f"{url}: {name!r} is the name of a bundled package: publish the archive under another name")
    if _is_held(folder, checksum):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as work:
        archive, unpacked = Path(work, "archive"), Path(work, "unpacked")
        _download(url, archive, checksum, told)
        unpacked.mkdir()
        _unpack(url, archive, unpacked)
        inner = list(unpacked.iterdir())
        package = unpacked if len(inner) != 1 else inner[0]  # archives hold a folder, or the files themselves
        try:
            packages.read_package(package)
        except InputError as error:
            raise InputError(f"{url}: not a model package: {str(error).replace(str(package), name)}") from None
        with atomic_file(package / RECORD) as file:
            file.write(json.dumps({"url": url, "sha256": checksum}, indent=2).encode() + b"\n")
        try:
            os.rename(package, folder)
        except OSError:
            if not _is_held(folder, checksum):  # by another process that was quicker
                raise
    return folder


def pack(directory: str | os.PathLike, archive: str | os.PathLike) -> str:
    """Write a package as .tar.gz, the same bytes for the same package. Returns their SHA-256 as 64 hexadecimal digits.

    Raises:
        InputError: it is not a package.
        OSError: it cannot be read or written.
    """
    import gzip
    import hashlib
    import tarfile

    directory, archive = Path(directory), Path(archive)
    packages.read_package(directory)
    stem = _stem(archive.name) or archive.stem
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != RECORD)
    with atomic_file(archive) as file:
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
            tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in files:
                member = tarfile.TarInfo(f"{stem}/{path.relative_to(directory).as_posix()}")
                member.size = path.stat().st_size
                with open(path, "rb") as contents:
                    tar.addfile(member, contents)
    with open(archive, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parsed(address: str) -> tuple[str, str, str]:
    """The address without its checksum, the checksum and the package's name."""
    from urllib.parse import unquote, urlsplit

    try:
        parts: SplitResult = urlsplit(address)
        host = parts.hostname
    except ValueError as error:
        raise InputError(f"model {address!r}: expected an address: {error}") from None
    url = parts._replace(fragment="").geturl()
    here = parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")
    if parts.scheme not in ("https", "file") and not here:
        raise InputError(f"model {url}: expected an https address, found {parts.scheme or 'none'}")
    filename = unquote(parts.path.rpartition("/")[2])
    name = _stem(filename)
    if not name or not NAME.fullmatch(name):
        raise InputError(f"model {url}: expected NAME{' or NAME'.join(SUFFIXES)} at the end, found {filename!r}")
    key, _, checksum = parts.fragment.partition("=")
    if key != "sha256" or not re.fullmatch("[0-9a-fA-F]{64}", checksum):
        raise InputError(
            f"model {url}: expected #sha256= and 64 hexadecimal digits at its end, found {parts.fragment or 'none'!r}: take "
            "them from whoever publishes it (`speechrnn models pack` prints them)"
        )
    return url, checksum.lower(), name


def _stem(filename: str) -> str:
    """The name of an archive without its suffix, empty where that is not one of ours."""
    suffix = next((suffix for suffix in SUFFIXES if filename.lower().endswith(suffix)), None)
    return filename[: -len(suffix)] if suffix else ""


def _is_held(folder: Path, checksum: str) -> bool:
    """Whether this very package is in the cache. Raises an InputError if another one has its name."""
    if not folder.exists():
        return False
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        found = "unknown"
    if found != checksum:
        raise InputError(
            f"{folder.name}: another package of this name is there already (sha256 {found}): delete {folder} first"
        )
    return True


def _download(url: str, target: Path, checksum: str, told: Told | None) -> None:
    """Write what is at an address to a file, or raise an InputError if it cannot be had whole or is something else."""
    import hashlib

    digest, done = hashlib.sha256(), 0
    with _connected(url) as response, open(target, "wb") as file:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        while True:
            if max(done, total or 0) > LARGEST:
                raise InputError(f"{url}: expected at most {LARGEST >> 30} GiB, found more")
            with _net_errors(url):
                block = response.read(BLOCK)
            if not block:
                break
            done += len(block)
            digest.update(block)
            file.write(block)
            if told is not None:
                told(done, total)
    if total is not None and done < total:
        raise InputError(f"{url}: the connection ended after {done} of {total} bytes: try again")
    if digest.hexdigest() != checksum:
        raise InputError(
            f"{url}: expected the SHA-256 {checksum}, found {digest.hexdigest()}: it is damaged, or not what was published"
        )


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    """The response, open. An address may redirect anywhere: what counts is the checksum."""
    from urllib.request import Request, urlopen

    with _net_errors(url):
        response = urlopen(Request(url, headers={"User-Agent": "speechrnn"}), timeout=SECONDS)
    with response:
        yield response


@contextmanager
def _net_errors(url: str) -> Iterator[None]:
    """What goes wrong on the way, in one line."""
    from http.client import HTTPException

    try:
        yield
    except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        code = f"HTTP {error.code} " if hasattr(error, "code") else ""
        raise InputError(f"{url}: cannot be fetched: {code}{' '.join(str(reason).split())}") from None


def _unpack(url: str, archive: Path, target: Path) -> None:
    """Write the plain files of an archive into a folder and nothing elsewhere: see tarfile's filter "data"."""
    import tarfile
    import zlib

    left, count = LARGEST, 0

    def plain(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
        nonlocal left, count
        left, count = left - member.size, count + 1
        if not (member.isreg() or member.isdir()):
            raise InputError(f"{url}: expected plain files, found a link or device in the archive: {member.name!r}")
        if left < 0:
            raise InputError(f"{url}: expected at most {LARGEST >> 30} GiB in the archive, found more")
        if count > MOST_FILES:
            raise InputError(f"{url}: expected at most {MOST_FILES} files in the archive, found more")
        return tarfile.data_filter(member, path)

    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(target, filter=plain)
    except (tarfile.TarError, zlib.error, EOFError, FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{url}: expected an archive, found a damaged one: {' '.join(str(error).split())}") from None
    for path in target.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
