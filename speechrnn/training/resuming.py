"""What a run goes on from, and what must be as it was: otherwise it would not be the same run."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from speechrnn.errors import InputError
from speechrnn.runs.checkpoint import Checkpoint, Checkpoints
from speechrnn.runs.config import Config, config_from_dict
from speechrnn.runs.log import is_epoch, read_lines

# These may change: they do not change what is computed. Of `accumulate` its product with the processes counts.
MAY_CHANGE = ("name", "run", "language", "output_case", "data.cache", "optimiser.accumulate", "checkpoints")


def previous_checkpoint(checkpoints: Checkpoints, config: Config, batches_an_update: int) -> Checkpoint | None:
    """The newest checkpoint of the run, or None if it begins.

    Raises:
        InputError: the folder holds another run, or one that has lost its checkpoints, or none of them can be read.
    """
    run = checkpoints.folder.parent
    elsewhere = "choose another folder with run=..., or remove this one"
    previous = checkpoints.newest()
    if previous is None:
        if next(run.glob("*.pt"), None) or _has_ended_epochs(run):
            raise InputError(f"{run}: holds a run, but {checkpoints.folder} holds no checkpoint of it; {elsewhere}")
        return None
    if not previous.optimiser:
        raise InputError(f"{checkpoints.folder}: holds an average, which cannot be trained on; {elsewhere}")
    before = asdict(config_from_dict(previous.config, str(checkpoints.folder)))
    changed = [key for key in differing(before, asdict(config)) if not key.startswith(MAY_CHANGE)]
    if changed:
        raise InputError(f"{run}: holds a run with another configuration ({', '.join(changed)}); {elsewhere}")
    if previous.batches_an_update != batches_an_update:
        raise InputError(
            f"{run}: was begun with {previous.batches_an_update} batches an update (processes * optimiser.accumulate), "
            f"found {batches_an_update}; go on with as many, or {elsewhere}"
        )
    return previous


def check_alike(processes: Sequence[tuple[dict, dict]]) -> None:
    """Whether all processes, each with its configuration and the fingerprints of its data, take part in the same run.

    Raises:
        InputError: one has other settings or other data.
    """
    (config, data), *others = processes
    for rank, (its_config, its_data) in enumerate(others, start=1):
        changed = [key for key in differing(config, its_config) if not key.startswith(MAY_CHANGE + ("data.",))]
        if changed:
            raise InputError(f"process {rank}: has another configuration than process 0 ({', '.join(changed)})")
        if its_data != data:
            names = " and ".join(differing(data, its_data))
            raise InputError(
                f"process {rank}: has other {names} data than process 0: the machines need the same manifests and audio "
                "(what one of them left out is in *_left_out.tsv in the run's folder there)"
            )


def differing(a: dict, b: dict, prefix: str = "") -> list[str]:
    """The dotted keys whose values differ in two nested dictionaries."""
    keys = []
    for key in sorted(a.keys() | b.keys()):
        left, right = a.get(key), b.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            keys += differing(left, right, f"{prefix}{key}.")
        elif left != right:
            keys.append(f"{prefix}{key}")
    return keys


def _has_ended_epochs(run: Path) -> bool:
    """Whether the log tells of two: there was a checkpoint after the first."""
    return sum(is_epoch(line.row or {}) for line in read_lines(run / "log.jsonl")) > 1
