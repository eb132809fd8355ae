"""Train an acoustic model from a configuration file.

  speechrnn train conf/an4.yaml
  speechrnn train conf/an4.yaml seed=2 run=runs/an4-2 optimiser.epochs=30

The run's folder receives its checkpoints, log.jsonl, curves.png, TensorBoard events and a record of the environment. The same
command again goes on where the run was interrupted: Ctrl-C and SIGTERM save first, and a crash costs the time since the last
checkpoint (checkpoints.minutes). A run cannot be lengthened, for its learning rate has come down to zero at its end: start
another one in another folder. The keys are those of conf/an4.yaml and of the README's table.

Several processes train one model when torchrun starts them, each with its own batches:

  torchrun --nproc-per-node 8 --max-restarts 3 -m speechrnn train conf/an4.yaml
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("config", help="YAML file, such as conf/an4.yaml")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="values that replace the file's")


def run(args: argparse.Namespace) -> int:
    """Train."""
    from speechrnn.runs.config import read_config
    from speechrnn.training.run import train

    interrupted = train(read_config(args.config, args.overrides))
    return 128 + interrupted if interrupted else 0  # as a shell reports a process that a signal ended
