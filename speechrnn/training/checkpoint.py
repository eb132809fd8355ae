"""Checkpoints: everything that a run needs to go on, or to be exported, in one file."""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from speechrnn.errors import InputError
from speechrnn.manifest import write_atomically

FORMAT = 1


@dataclass
class Checkpoint:
    """The state of a run after `epoch` whole epochs."""

    config: dict
    data: str  # fingerprint of the training set
    tokens: list[str]
    epoch: int
    step: int  # updates made
    seconds: float  # spent training
    best: float  # lowest dev WER so far, in percent
    model: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]  # running average of the weights; empty when it is off
    optimiser: dict

    def weights(self) -> dict[str, torch.Tensor]:
        """The weights that are evaluated and exported."""
        return self.average or self.model


def write_checkpoint(path: str | os.PathLike, checkpoint: Checkpoint) -> None:
    """Write atomically: a crash leaves the previous file."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **vars(checkpoint)}, buffer)
    write_atomically(path, buffer.getvalue())


def read_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read with `weights_only=True`: nothing in the file is executed.

    Raises:
        InputError: it is missing, damaged, or of a newer format.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: expected a checkpoint of a training run, found no such file")
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
        found = int(contents.pop("format"))
        checkpoint = Checkpoint(**contents) if found <= FORMAT else None
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not a checkpoint, or damaged: {reason}") from None
    if checkpoint is None:
        raise InputError(f"{path}: checkpoint format {found}; this version reads up to {FORMAT}: upgrade speechrnn")
    return checkpoint
