"""Train an acoustic model from a configuration file.

  speechrnn train conf/an4.yaml
  speechrnn train conf/an4.yaml seed=2 run=runs/an4-2 optimiser.epochs=30

The run's folder receives last.pt, best.pt (lowest WER on the dev set), log.jsonl and TensorBoard events. The same command
again goes on where the run was interrupted. A run cannot be lengthened, for its learning rate has come down to zero at its end:
start another one in another folder. The keys are those of conf/an4.yaml and of the README's table.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("config", help="YAML file, such as conf/an4.yaml")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="values that replace the file's")


def run(args: argparse.Namespace) -> int:
    """Train."""
    from speechrnn.training.config import read_config
    from speechrnn.training.trainer import Trainer

    Trainer(read_config(args.config, args.overrides)).train()
    return 0
