"""Average the weights of several checkpoints of one run: often a little better than the best of them.

  speechrnn average runs/mine -o runs/mine/averaged.pt        the best ones that the run kept (checkpoints.best)
  speechrnn average runs/mine/checkpoints/step-*.pt -o averaged.pt

Of a run without a dev set, which has no best ones, the last are taken (checkpoints.last). Export and evaluate the result like any
checkpoint; choose between it and the others on a dev set.
"""

import argparse
from pathlib import Path

from speechrnn.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("inputs", nargs="+", metavar="RUN|CHECKPOINT", help="a run's folder, or checkpoints")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="where the averaged checkpoint is written"
    )


def run(args: argparse.Namespace) -> int:
    """Average."""
    import sys

    from speechrnn.runs.checkpoint import averaged, read_checkpoint, write_checkpoint

    folder = Path(args.output).resolve().parent
    if folder.name == "checkpoints":
        raise InputError(f"-o {args.output}: a run that goes on would take it for its own; write it beside {folder}")
    paths = [path for given in args.inputs for path in checkpoints(Path(given))]
    if len(paths) < 2:
        raise InputError(
            f"{' '.join(args.inputs)}: expected two checkpoints or more, found 1 (checkpoints.best says how many a run keeps)"
        )
    for path in paths:
        if not read_checkpoint(path).optimiser:
            raise InputError(f"{path}: expected a checkpoint that training wrote, found an average of some")
    write_checkpoint(args.output, averaged(paths))
    print(f"{args.output}: the average of {', '.join(path.name for path in paths)}", file=sys.stderr)
    return 0


def checkpoints(given: Path) -> list[Path]:
    """The checkpoint itself, or of a run's folder the best ones, or the last where no dev set chose a best.

    Raises:
        InputError: there is none.
    """
    from speechrnn.runs.checkpoint import Checkpoints

    if not given.is_dir():
        if not given.exists():
            raise InputError(f"{given}: expected a run's folder or a checkpoint, found nothing of that name")
        return [given]
    kept = Checkpoints(given)
    found = kept.by_wer() or kept.by_step()
    if not found:
        raise InputError(f"{given}: expected a run's folder, found no checkpoint in {kept.folder}")
    return found
