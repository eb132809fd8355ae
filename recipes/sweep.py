"""Try a list of changes to a configuration, each for the same time of training, and write what came of them as a table.

  python recipes/sweep.py recipes/sweeps/mini_librispeech.yaml [KEY=VALUE for every run ...]

The configuration as it is with several seeds, whose difference is the noise floor, then the variants, one after the other:
train, export the last weights, evaluate on data.dev. The same command again goes on where it was interrupted, leaves what is
done, and tries again what failed. In runs/sweeps/NAME, NAME being the YAML file's, are rows.jsonl, EXPERIMENTS.md, which is
also printed, and a folder a run, with what it said in output.txt. Exit status 1: a run failed, and its row says why.

  config: conf/mini_librispeech.yaml
  minutes: 20         # of training, evaluations left out; null: the configuration's epochs, for full runs
  seeds: [1, 2]       # of the baseline; the variants have the first
  lm: --lm books.lm   # of `speechrnn evaluate`, which is called with it and with --no-lm; null: only with that
  variants:
    - {what: five layers, expected: worth their time, set: [model.layers=5]}

Equal time, not equal epochs: what is slower must be worth it. Some updates of each variant are timed first, and its epochs, in
which the rate comes down to zero, are as many as come nearest to the minutes, unless it sets optimiser.epochs itself.
"""

import argparse
import json
import re
import shlex
import signal
import statistics
import subprocess
import sys
from pathlib import Path

from omegaconf import OmegaConf
from yaml import YAMLError

from speechrnn.errors import InputError
from speechrnn.files import write_atomically
from speechrnn.runs.environment import command_line
from speechrnn.runs.log import is_epoch, read_rows
from speechrnn.scoring.results import is_test_set

TIMED = slice(3, 23)  # updates of the first epoch: in those before them memory is taken, and kernels are chosen
SPEECHRNN = [sys.executable, "-m", "speechrnn"]
TOLD = {"train_loss": ".1f", "dev_loss": ".1f", "epoch": "d", "minutes": ".1f", "parameters": ",d", "seed": "d"}


class Sweep:
    """The runs that a YAML file asks for, and the folder of their results; `overrides` are for all of them."""

    def __init__(self, path: str, overrides: list[str]):
        asked = OmegaConf.to_container(OmegaConf.load(path))
        if not isinstance(asked, dict) or asked.keys() != {"config", "minutes", "seeds", "lm", "variants"}:
            raise InputError(
                f"{path}: expected config, minutes, seeds, lm, variants, found {', '.join(map(str, asked))}"
            )
        for name, least in (("seeds", 1), ("variants", 0)):
            if not isinstance(asked[name], list) or len(asked[name]) < least:
                raise InputError(f"{path}: {name}: expected a list{' of at least one' * least}, found {asked[name]}")
        self.config, self.minutes, lm, self.overrides = asked["config"], asked["minutes"], asked["lm"], overrides
        base = OmegaConf.merge(OmegaConf.load(self.config), OmegaConf.from_dotlist(overrides))
        self.dev = OmegaConf.select(base, "data.dev")
        if not self.dev or is_test_set(self.dev):
            raise InputError(f"{self.config}: expected data.dev to choose by, and no test set, found {self.dev}")
        plain = {"what": "baseline", "expected": "", "set": [], "lm": lm}
        self.runs = [{"run": f"baseline-seed{seed}", **plain, "seed": seed} for seed in asked["seeds"]]
        for variant in asked["variants"]:
            if not isinstance(variant, dict) or not {"what", "expected", "set"} <= variant.keys() or not variant["set"]:
                raise InputError(f"{path}: expected variants with what, expected and set, found {variant}")
            name = re.sub(r"[^\w.=-]+", "_", "-".join(variant["set"]))
            self.runs.append({"run": name, **variant, "lm": lm, "seed": asked["seeds"][0]})
        self.folder = Path("runs/sweeps", Path(path).stem)
        known, baseline = self.folder / "baseline.json", json.dumps([self.minutes, OmegaConf.to_container(base)])
        if known.exists() and known.read_text() != baseline:
            raise InputError(f"{self.folder}: holds runs of another {self.config} or other minutes; rename {path}")
        write_atomically(known, baseline)

    def run(self) -> int:
        """Do what is not done yet, and print the table. Returns the exit status."""
        rows = {row["run"]: row for row in read_rows(self.folder / "rows.jsonl")}
        for run in self.runs:
            if "failed" in (row := rows.get(run["run"], {})) or not row.items() >= run.items():
                print(f"{run['run']}: {run['what']}", file=sys.stderr, flush=True)
                try:
                    rows[run["run"]] = run | self.result(run)
                except InputError as error:
                    rows[run["run"]] = run | {"failed": str(error)}
                    print(f"failed: {error}", file=sys.stderr, flush=True)
            write_atomically(self.folder / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows.values()))
            write_atomically(self.folder / "EXPERIMENTS.md", self.table(rows))
        print(self.table(rows), end="")
        return int(any("failed" in rows[run["run"]] for run in self.runs))

    def result(self, run: dict) -> dict:
        """Train, export, evaluate: each goes on where it was interrupted, or is done again in seconds."""
        (folder := self.folder / run["run"]).mkdir(parents=True, exist_ok=True)
        output, package, scores = folder / "output.txt", folder / "package", folder / "results.jsonl"
        overrides = [*self.overrides, *run["set"], f"seed={run['seed']}", f"run={folder}"]
        if self.minutes and not any(override.startswith("optimiser.epochs=") for override in overrides):
            overrides.append(f"optimiser.epochs={self.epochs(run, overrides, output)}")
        execute([*SPEECHRNN, "train", self.config, *overrides], output)
        last = max((folder / "checkpoints").glob("step-*.pt"))  # the best one by dev would flatter what wavers
        execute([*SPEECHRNN, "export", last, package], output)
        evaluate = [*SPEECHRNN, "evaluate", package, self.dev, "--record", scores, "--system"]
        execute([*evaluate, "no LM", "--no-lm"], output)
        if run["lm"]:
            execute([*evaluate, "LM", *shlex.split(run["lm"])], output)
        scored = {row["system"]: row for row in read_rows(scores)}
        wer = {name: 100 * row["errors"] / row["words"]["reference"] for name, row in scored.items()}
        epoch = [row for row in read_rows(folder / "log.jsonl") if is_epoch(row)][-1]
        began = read_rows(folder / "environment.jsonl")[-1]
        row = {key: epoch[key] for key in ("train_loss", "dev_loss", "epoch", "minutes")}
        row |= {"wer": wer["no LM"], "wer_lm": wer["LM"] if run["lm"] else None, "commit": began["commit"]}
        row["device"] = f"{', '.join(began['gpus']) or began['cpu']}, {began['threads']} threads"
        return row | {"parameters": scored["no LM"]["parameters"]}

    def epochs(self, run: dict, overrides: list[str], output: Path) -> int:
        """How many fit into the minutes: kept, so that an interrupted run stays the same, as the baseline's seeds are alike."""
        path, keys = self.folder / "epochs.json", " ".join(run["set"])
        known = json.loads(path.read_text()) if path.exists() else {}
        if keys not in known:
            seconds = float(execute([sys.executable, __file__, "--time", self.config, *overrides], output))
            known[keys] = max(1, round(60 * self.minutes / seconds))
            write_atomically(path, json.dumps(known))
        return known[keys]

    def table(self, rows: dict[str, dict]) -> str:
        """EXPERIMENTS.md: the noise floor and a row a run, in Markdown."""
        mine = [rows[run["run"]] for run in self.runs if run["run"] in rows]
        devices = "; ".join(sorted({row["device"] for row in mine if "device" in row}))
        budget = f"for {self.minutes:g} minutes" if self.minutes else "to the end"
        command = command_line(["speechrnn", "train", self.config, *self.overrides])
        lines = [f"# {self.folder.name}", "", f"Each row: `{command} KEYS`, {budget}; the last weights. {devices}.", ""]
        dev, lm = "/".join(Path(self.dev).parts[-2:]), self.runs[0]["lm"]
        heads = {"wer": f"WER % on {dev}, no LM", **({"wer_lm": f"with `{lm}`"} if lm else {})}
        baselines = {key: [row[key] for row in mine if not row["set"] and row.get(key) is not None] for key in heads}
        for key, wers in baselines.items():
            if len(wers) > 1:
                lines += [f"Noise floor, {heads[key]}: {len(wers)} seeds differ by {max(wers) - min(wers):.2f}.", ""]
        table = [["what", "keys", "expected", *heads.values(), *TOLD, "commit"], ["---"] * (4 + len(heads) + len(TOLD))]
        for row in mine:
            cells = [row["what"], " ".join(f"`{key}`" for key in row["set"]), row["expected"]]
            if "failed" not in row:
                cells += [found(row[key], wers) for key, wers in baselines.items()]
                cells += ["" if row[key] is None else format(row[key], form) for key, form in TOLD.items()]
            table.append([*cells, "failed: " + row["failed"] if "failed" in row else str(row["commit"])])
        lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |" for cells in table]
        return "\n".join(lines) + "\n"


def found(wer: float | None, baselines: list[float]) -> str:
    """A WER, its difference from the mean of the baseline's, and whether those of its seeds differ by as much."""
    if wer is None or len(baselines) < 2:
        return "" if wer is None else f"{wer:.2f}"
    difference, floor = wer - statistics.mean(baselines), max(baselines) - min(baselines)
    return f"{wer:.2f} ({difference:+.2f}{', within the noise' * (abs(difference) <= floor)})"


def execute(command: list[str | Path], output: Path) -> str:
    """Run a command, which ends (a training saves) if the sweep is asked to end, and add what it says to a file. Returns the
    last line of that, which is an InputError if the command fails."""
    with open(output, "a+", encoding="utf-8", errors="replace") as file:
        print("$", shlex.join(map(str, command)), file=file, flush=True)
        process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            status = process.wait()
        finally:  # Ctrl-C or SIGTERM
            process.terminate()
            process.wait()
        file.seek(0)
        last = file.read().rstrip().rpartition("\n")[2]
        if status:
            raise InputError(f"{last} (status {status})")
        return last


def seconds_an_epoch(config: str, overrides: list[str]) -> float:
    """How long an epoch of training takes, by some of its updates: batches are filled to the same length."""
    from speechrnn.runs.config import read_config
    from speechrnn.training.trainer import Trainer

    trainer = Trainer(read_config(config, overrides))
    updates = trainer.data.updates(0)
    seconds = [trainer.update(batches, share=0.0)["seconds"] for batches in updates[: TIMED.stop]]
    return statistics.mean(seconds[TIMED] or seconds) * len(updates)


def main() -> int | None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="YAML", help="what is to be tried; with --time a configuration")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="values for every run")
    parser.add_argument("--time", action="store_true", help="only print how many seconds an epoch of training takes")
    args = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        if not args.time:
            return Sweep(args.file, args.overrides).run()
        return print(seconds_an_epoch(args.file, args.overrides))
    except (InputError, OSError, YAMLError) as error:
        print(f"sweep: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
