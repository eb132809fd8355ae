"""A training run as a table: how it went, what it was asked to do, and what it left."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from speechrnn.cli.tables import counted, settings, table
from speechrnn.runs.checkpoint import Checkpoint, find_checkpoint
from speechrnn.runs.config import Config
from speechrnn.runs.curves import draw_curves
from speechrnn.runs.log import Columns, Log, read_log, read_rows

RECORDED = ("date", "speechrnn", "commit", "torch", "cpu", "gpus", "world_size")  # of the environment


def show_run(target: str, folder: str | None) -> list[Path]:
    """Print how a run went and what it left, and draw its curves. Returns the pictures.

    Raises:
        InputError: the log or the checkpoint cannot be read.
    """
    run = Path(target)
    log_path = run / "log.jsonl"
    log = read_log(log_path)
    kept = checkpoints(run)
    print(progress_table(run, log))
    files = [(str(path.relative_to(run)), f"{path.stat().st_size / 1e6:.1f}") for path in kept]
    print("\n" + (table([("checkpoint", "MB"), *files], numbers=(1,)) if files else "no checkpoint yet"))
    pictures = []
    if folder and log_path.exists():
        draw_curves(log_path, Path(folder, "curves.png"))
        pictures.append(Path(folder, "curves.png"))
    if kept:  # last: what the log says is shown though the checkpoint be damaged
        checkpoint = find_checkpoint(run if any(path.parent != run for path in kept) else kept[0])
        print("\n" + settings_table(checkpoint.config) + "\n\n" + parameters_table(checkpoint))
    return pictures


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints in a run's folder, and in the one for them."""
    return sorted([*run.glob("*.pt"), *run.glob("checkpoints/*.pt")])


def progress_table(run: Path, log: Log) -> str:
    """How far the run has come, how well, how fast, and on what, as text."""
    updates, epochs = log
    skipped, starts = read_rows(run / "bad_batches.jsonl"), read_rows(run / "environment.jsonl")
    facts = [
        ("epochs", f"{_last(epochs, 'epoch', '.0f')}"),
        ("updates", f"{max([*updates['step'][-1:], *epochs['step'][-1:]], default=0):.0f}"),
        ("minutes", _last(epochs, "minutes", ".1f")),
        ("lowest dev error rate", _lowest(epochs)),
        ("hours of audio an hour", _share(updates, "audio_seconds", "seconds", ".0f")),
        ("waiting for data", _share(updates, "data_seconds", "seconds", ".1%")),
        ("updates skipped", counted([str(row.get("step")) for row in skipped])),
        ("times started", str(len(starts) or "-")),
        ("last on", settings({k: starts[-1][k] for k in RECORDED if starts[-1].get(k)}) if starts else "-"),
    ]
    return table(facts)


def _last(columns: Columns, key: str, form: str) -> str:
    values = columns.get(key, np.zeros(0))
    values = values[np.isfinite(values)]
    return format(values[-1], form) if len(values) else "-"


def _lowest(epochs: Columns) -> str:
    wer = epochs.get("dev_wer", np.zeros(0))
    if not np.isfinite(wer).any():
        return "-"
    row = np.lexsort((epochs.get("dev_loss", wer), wer))[0]  # as the best checkpoint is chosen
    when = f" after epoch {epochs['epoch'][row]:.0f}" if "epoch" in epochs else ""
    return f"{wer[row]:.2f} %{when}, update {epochs['step'][row]:.0f}"


def _share(updates: Columns, part: str, whole: str, form: str) -> str:
    if part not in updates or whole not in updates:
        return "-"
    both = np.isfinite(updates[part]) & np.isfinite(updates[whole])
    total = updates[whole][both].sum()
    return format(updates[part][both].sum() / total, form) if total else "-"


def settings_table(config: dict) -> str:
    """The settings that differ from the defaults of this version, as text."""
    defaults, found = _flat(asdict(Config())), _flat(config)
    rows = [(key, str(defaults.get(key, "-")), str(v)) for key, v in found.items() if defaults.get(key) != v]
    return table([("setting", "default", "here"), *rows]) if rows else "all settings are the defaults"


def _flat(tree: dict, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat


def parameters_table(checkpoint: Checkpoint) -> str:
    """The parameters of each part of the network, as text. The front end has none: its tables are fixed."""
    counts = {"front_end": 0}
    for name, weight in checkpoint.weights().items():
        part, *rest = name.split(".")
        if part == "normalise":
            continue  # statistics, not parameters
        if rest and rest[0].isdecimal():
            part = f"{part}.{rest[0]}"
        counts[part] = counts.get(part, 0) + weight.numel()
    rows = [(part, f"{count:,}") for part, count in counts.items()]
    return table([("part", "parameters"), *rows, ("all", f"{sum(counts.values()):,}")], numbers=(1,))
