"""Show what is in a training run, a manifest or a model package, as tables, and with -o as pictures.

  speechrnn inspect data/an4/train.jsonl              how much there is of what, and texts that look wrong
  speechrnn inspect data/an4/train.jsonl -o look      with durations.png and spectrogram.png
  speechrnn inspect runs/an4                          settings, errors, speed, parameters, checkpoints
  speechrnn inspect runs/an4 -o look                  with curves.png
  speechrnn inspect an4                               a model package, by name, address or directory
  speechrnn inspect an4 --audio talk.wav -o look      with posteriors.png: what the model hears, moment by moment

Pictures need matplotlib, a run needs torch; both come with
`pip install '.[train]'` in speechrnn's source folder.
"""

import argparse
import sys
import warnings
from pathlib import Path

from speechrnn.errors import InputError
from speechrnn.package import FILES, bundled
from speechrnn.package_cache import cached

RUN = ("log.jsonl", "lock", "*.pt", "checkpoints/*.pt")  # what a run's folder has one of; at first only the lock
MAX_SECONDS = 80.0  # of audio in a batch, as data.max_seconds has it where a configuration does not


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="a run's folder, a manifest, or a model package: its name, address or directory",
    )
    parser.add_argument("-o", dest="folder", metavar="FOLDER", help="write pictures (PNG) into this folder")
    parser.add_argument("--audio", metavar="FILE", help="of a package: what it makes of this recording")
    parser.add_argument(
        "--max-seconds",
        type=_seconds,
        metavar="S",
        help=f"of a manifest: audio in a batch, for the share of padding (default: {MAX_SECONDS:g}, as training has it)",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds above 0, found {text!r}")
    return value


def run(args: argparse.Namespace) -> int:
    kind = recognise(args.target)
    for option, value, belongs in (("--audio", args.audio, "package"), ("--max-seconds", args.max_seconds, "manifest")):
        if value is not None and kind != belongs:
            raise InputError(f"{option}: goes with a {belongs}, and {args.target} is a {kind}")
    if args.folder:
        if kind == "package" and not args.audio:
            raise InputError("-o: the picture of a package is that of a recording: give --audio FILE, too")
        _can_draw(args.folder)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_: _tell(f"warning: {message}")
        if kind == "manifest":
            from speechrnn.cli.inspect.manifest import show_manifest

            pictures = show_manifest(args.target, args.max_seconds or MAX_SECONDS, args.folder)
        elif kind == "package":
            from speechrnn.cli.inspect.package import show_package

            pictures = show_package(args.target, args.audio, args.folder)
        else:
            from speechrnn.cli.inspect.training_run import show_run

            pictures = show_run(args.target, args.folder)
        for picture in pictures:
            _tell(f"wrote {picture}")
    return 0


def recognise(target: str) -> str:
    """What kind of thing a target is: run, manifest or package.

    Raises:
        InputError: none of the three.
    """
    path = Path(target)
    if target in bundled() or "://" in target or target in cached():
        return "package"
    if path.is_file() and path.suffix in (".jsonl", ".json"):
        return "manifest"
    if path.is_dir() and any((path / name).exists() for name in FILES):
        return "package"
    if path.is_dir() and any(next(path.glob(pattern), None) for pattern in RUN):
        return "run"
    found = "a file of another kind" if path.is_file() else "nothing of that name"
    if path.is_dir():
        found = "none of that" if any(path.iterdir()) else "an empty folder"
    raise InputError(
        f"{target}: expected a manifest (.jsonl), a run's folder (with log.jsonl) or a model package's directory "
        f"(with model.json; by name: {', '.join([*bundled(), *cached()]) or 'none'}), found {found}"
    )


def _can_draw(folder: str) -> None:
    """Raise an InputError before the work, not after it, where no picture can be drawn."""
    from speechrnn.pictures import new_figure

    new_figure(1, 1)
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InputError(f"-o {folder}: expected a folder for the pictures, found a file")


def _tell(message: str) -> None:
    print(f"speechrnn inspect: {message}", file=sys.stderr)
