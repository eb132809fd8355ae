"""Write an ARPA file in the binary form, which opens at once, or as another ARPA file.

speechrnn lm convert 3-gram.pruned.3e-7.arpa.gz -o 3-gram.lm --quantise
"""

import argparse

from speechrnn.cli.lm import tell
from speechrnn.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lm", metavar="ARPA", help="an ARPA file, plain or gzip-compressed")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="the model; .arpa and .arpa.gz names make an ARPA file"
    )
    parser.add_argument("--quantise", action="store_true", help="8 bits a probability: half the size, nearly as good")


def run(args: argparse.Namespace) -> int:
    import os

    from speechrnn.cli.lm.build import write
    from speechrnn.lm.arpa import is_arpa_name, read_arpa

    if args.quantise and is_arpa_name(args.output):
        raise InputError(f"{args.output}: an ARPA file holds no quantised values: leave out --quantise")
    write(read_arpa(args.lm), args.output, args.quantise)
    tell(f"{args.output}: {os.path.getsize(args.output) / 1e6:.1f} MB")
    return 0
