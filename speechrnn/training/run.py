"""A run in its folder: no other process trains there, and what the user can mend is told once."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import filelock
import torch
import torch.distributed as dist

from speechrnn.errors import InputError
from speechrnn.runs.config import Config, check_values
from speechrnn.training.device import choose_device
from speechrnn.training.distributed import Processes, join
from speechrnn.training.trainer import Trainer


def train(config: Config) -> int:
    """One run in its folder, alone: two processes would overwrite each other's checkpoints. Returns what `Trainer.train` does.

    Raises:
        InputError: the configuration or the data cannot be used, or another process trains in the folder.
    """
    # Every batch has its own number of frames, so that what oneDNN keeps of it is hardly asked for again: with its usual 1024,
    # AN4 in batches of 60 s takes 2.8 GB after 240 updates instead of 1.6, and is no faster
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    processes = Processes()
    lock = filelock.FileLock(Path(config.run, "lock"), timeout=0)  # a killed process leaves none behind
    try:
        check_values(config)
        processes = join(choose_device(config.device).type)
        with lock if processes.first else nullcontext():
            interrupted = Trainer(config, processes).train()
    except (InputError, filelock.Timeout, torch.OutOfMemoryError, RuntimeError) as error:
        if processes.rank and (isinstance(error, dist.DistError) or "gloo" in str(error)):
            print(f"process {processes.rank}: the others cannot be reached, one of them has ended", file=sys.stderr)
            sys.exit(1)
        told = _input_error(error, config)
        if told is None:
            raise
        if not processes.first_to_say(str(told)):
            sys.exit(1)
        raise told from None
    processes.leave()
    return interrupted


def _input_error(error: Exception, config: Config) -> InputError | None:
    """What the user can do about an exception, if that is so."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, filelock.Timeout):
        return InputError(f"{config.run}: another process trains here; choose another folder with run=...")
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return InputError(
            f"the memory does not suffice for a batch of {config.data.max_seconds:g} s: lower data.max_seconds, "
            f"or model.hidden and model.layers ({' '.join(str(error).split())[:120]})"
        )
    return None
