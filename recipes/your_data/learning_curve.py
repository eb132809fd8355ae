"""What more recordings would give: trains on an eighth, a quarter, half and all of a training set, from random weights and from
those of `init_from`, with one configuration and about the same number of updates, and prints a row of error rates each.

  python recipes/your_data/learning_curve.py conf/your_data.yaml data/mine/train.jsonl data/mine/dev.jsonl runs/curve
  python recipes/your_data/learning_curve.py ... runs/curve optimiser.epochs=20      with other settings

Less is fewer speakers, each with all that they said; a smaller part lies within each larger one. No dev set chooses an epoch:
the last one counts. Started again, it goes on where it was interrupted.
"""

import argparse
import contextlib
import hashlib
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from speechrnn import cli
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance, read_manifest, write_manifest
from speechrnn.runs.config import read_config

SHARES = (1 / 8, 1 / 4, 1 / 2, 1)


def part_of(utterances: list[Utterance], share: float) -> list[Utterance]:
    """The utterances of speakers, or where none is known of recordings, until they have that share of the audio."""
    groups: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        groups.setdefault(utterance.speaker or utterance.audio_filepath, []).append(utterance)
    wanted, taken = share * seconds(utterances), []
    for name in sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if seconds(taken) >= wanted:
            break
        taken += groups[name]
    return taken


def seconds(utterances: list[Utterance]) -> float:
    return sum(utterance.duration for utterance in utterances)


def error_rates(config: str, changes: list[str], run: Path, evaluation: str) -> str:
    """Train, export and evaluate greedily: in percent the WER, its interval over utterances, and the CER."""
    speechrnn("train", config, *changes, f"run={run}", "data.dev=null", "optimiser.patience=0")
    speechrnn("export", str(run), str(run / "package"))
    printed = speechrnn("evaluate", str(run / "package"), evaluation, "--no-lm")
    words, characters = (re.search(rf"%{name} (\S+)", printed)[1] for name in ("WER", "CER"))
    interval = re.search(r"utterances: (\S+) to (\S+)", printed)
    return f"{words}{f' ({interval[1]} to {interval[2]})' if interval else ''}, {characters}"


def speechrnn(*arguments: str) -> str:
    """What a command prints on stdout."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = cli.main(arguments)
    if status:
        sys.exit(status)  # it has said why
    return printed.getvalue()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="with init_from")
    parser.add_argument("train", help="manifest of the training set")
    parser.add_argument("evaluation", help="manifest of other speakers")
    parser.add_argument("out", type=Path, help="folder for the runs")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="values that replace the configuration's")
    args = parser.parse_args(argv)
    try:
        config = read_config(args.config, args.overrides)
        utterances = read_manifest(args.train)
    except InputError as error:
        sys.exit(f"learning_curve.py: {error}")
    if not config.init_from or any(utterance.duration is None for utterance in utterances):
        sys.exit("learning_curve.py: expected init_from in the configuration, and durations in the manifest")
    heads = [f"WER and CER %, {weights}" for weights in ("random weights", f"init_from {config.init_from}")]
    print(f"| hours | speakers | epochs | {' | '.join(heads)} |")
    print("|---|---|---|---|---|", flush=True)
    for share in SHARES:
        part = part_of(utterances, share)
        epochs = round(config.optimiser.epochs * seconds(utterances) / seconds(part))
        manifest = args.out / f"{share:g}.jsonl"
        write_manifest(manifest, part)
        changes = [*args.overrides, f"data.train=[{manifest}]", f"optimiser.epochs={epochs}"]
        rates = [
            error_rates(args.config, [*changes, f"init_from={source}"], args.out / f"{share:g}-{name}", args.evaluation)
            for name, source in (("random", "null"), ("init_from", config.init_from))
        ]
        speakers = len({utterance.speaker for utterance in part} - {""}) or "-"
        print(f"| {seconds(part) / 3600:.2f} | {speakers} | {epochs} | {rates[0]} | {rates[1]} |", flush=True)


if __name__ == "__main__":
    main()
