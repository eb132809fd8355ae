"""Say which model packages are here, fetch one, pack one for others, or make one
ready for a quick start.

  speechrnn models
  speechrnn models fetch https://example.org/frisian.tar.gz#sha256=2c26b46b...
  speechrnn transcribe talk.wav --model frisian
  speechrnn models pack models/frisian -o frisian.tar.gz
  speechrnn models index models/frisian

An address works as --model, too. A package is fetched once, checked, and kept
in $SPEECHRNN_CACHE, or else in speechrnn below $XDG_CACHE_HOME or ~/.cache; to
forget it, delete its folder there. `pack` prints what is to stand behind the
address of the file that it writes. `index` writes lm/lexicon.bin, which export
and tune do as well: it is for when lexicon.txt, tokens.txt or lm/ngram.lm of a
package were replaced by hand.
"""

import argparse
import sys
from pathlib import Path

from speechrnn.cli.tables import table
from speechrnn.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", title="actions (none lists the packages)")
    fetching = commands.add_parser("fetch", help="fetch a package; prints its name")
    fetching.add_argument("address", metavar="URL", help="https address of a .tar.gz, then #sha256=CHECKSUM")
    packing = commands.add_parser("pack", help="write a package as one file; prints its name and checksum")
    packing.add_argument("package", metavar="PACKAGE", help="the folder of a package, or its name")
    packing.add_argument("-o", "--output", metavar="FILE", help="a .tar.gz file (default: the folder's name, here)")
    indexing = commands.add_parser("index", help="make the lexicon of a package anew, for a quick start")
    indexing.add_argument("package", metavar="PACKAGE", help="the folder of a package, or its name")


def run(args: argparse.Namespace) -> int:
    """List, fetch, pack or index."""
    if args.action == "fetch":
        return _fetch(args.address)
    if args.action == "pack":
        return _pack(args.package, args.output)
    if args.action == "index":
        return _index(args.package)
    return _list()


def _list() -> int:
    """A line a package. One that cannot be read is named."""
    from speechrnn.package import BUNDLED, DEFAULT, bundled, read_package
    from speechrnn.package_cache import cache_folder, cached

    rows = [("name", "MB", "language", "WER %", "from")]
    failures = 0
    found = [(BUNDLED / name, "bundled" + (", the default" * (name == DEFAULT))) for name in bundled()]
    for directory, origin in [*found, *((cache_folder() / name, "fetched") for name in cached())]:
        try:
            package = read_package(directory)
        except InputError as error:
            print(f"speechrnn models: {error}", file=sys.stderr)
            failures += 1
            continue
        rows.append(
            (directory.name, f"{size(directory) / 1e6:.1f}", package.language, figures(package.training), origin)
        )
    print(table(rows))
    return 1 if failures else 0


def figures(training: dict) -> str:
    """The word error rates that a training record holds, `8.28 (AN4 test)`, or of phones alone `54.2 (dev, phones)`."""
    rates = training.get("wer") or training.get("per")
    if not isinstance(rates, dict):
        return "-"
    known = [
        f"{rate:g} ({name}{', phones' * ('wer' not in training)})"
        for name, rate in rates.items()
        if isinstance(rate, int | float)
    ]
    return ", ".join(known) or "-"


def size(directory: Path) -> int:
    """Bytes of all the files."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def _fetch(address: str) -> int:
    from speechrnn.package_cache import fetch

    terminal = sys.stderr.isatty()

    def told(done: int, total: int | None) -> None:
        print(f"\r{done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f}" if total else ""), end="", file=sys.stderr)

    try:
        directory = fetch(address, told if terminal else None)
    finally:
        if terminal:
            print(file=sys.stderr)
    print(f"{directory}: {size(directory) / 1e6:.1f} MB; --model {directory.name} uses it", file=sys.stderr)
    print(directory.name)
    return 0


def _pack(name: str, output: str | None) -> int:
    from speechrnn.package_cache import find_package, pack

    directory = find_package(name)
    archive = Path(output or f"{directory.resolve().name}.tar.gz")
    if not archive.name.endswith(".tar.gz"):
        raise InputError(f"-o {output}: expected the name of a .tar.gz file")
    checksum = pack(directory, archive)
    print(
        f"{archive}: {archive.stat().st_size / 1e6:.1f} MB; publish it, and give people its address as", file=sys.stderr
    )
    print(f"{archive.name}#sha256={checksum}")
    return 0


def _index(name: str) -> int:
    from speechrnn.package import LEXICON_BIN, read_package
    from speechrnn.package_cache import find_package
    from speechrnn.search.language_model import index_packaged

    package = read_package(find_package(name))
    folder = package.lm_directory
    if folder is None or not index_packaged(package, folder):
        raise InputError(
            f"{package.directory}: expected phones and a language model for any of their words, found others"
        )
    path = folder / LEXICON_BIN
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
    return 0
