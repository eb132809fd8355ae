"""Average the weights of several checkpoints of one run: often a little better than the best of them.

  speechrnn average runs/mine -o runs/mine/averaged.pt        the best ones that the run kept (checkpoints.best)
  speechrnn average runs/mine/checkpoints/step-*.pt -o averaged.pt

Export and evaluate the result like any checkpoint; choose between it and the others on a dev set.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("inputs", nargs="+", metavar="RUN|CHECKPOINT", help="a run's folder, or checkpoints")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="where the averaged checkpoint is written"
    )


def run(args: argparse.Namespace) -> int:
    """Average."""
    import sys
    from pathlib import Path

    from speechrnn.errors import InputError
    from speechrnn.training.checkpoint import Checkpoints, averaged, write_checkpoint

    paths: list[Path] = []
    for path in map(Path, args.inputs):
        kept = Checkpoints(path)
        paths += (kept.by_wer() or kept.by_step()) if path.is_dir() else [path]
    if len(paths) < 2:
        raise InputError(f"{' '.join(args.inputs)}: expected two checkpoints or more, found {len(paths)}")
    write_checkpoint(args.output, averaged(paths))
    print(f"{args.output}: the average of {', '.join(path.name for path in paths)}", file=sys.stderr)
    return 0
