"""Checkpoints: everything that a run needs to go on, or to be exported, in one file; and which of them a run keeps."""

import io
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from speechrnn.errors import InputError
from speechrnn.files import write_atomically

FORMAT = 3
NAME = re.compile(r"(?:best-[\d.-]+-)?step-(\d+)\.pt")  # of a checkpoint of a run, with its step
WORST = 99_999.0  # of losses in names


@dataclass
class Position:
    """How far a run has come: what its loop counts."""

    epoch: int = 0  # whole epochs, evaluated
    update: int = 0  # updates made in the epoch that has begun
    step: int = 0  # updates made in all
    loss_sum: float = 0.0  # of the updates of the epoch that has begun
    loss_count: int = 0
    skipped: int = 0  # updates of the epoch that has begun that were left out, for their gradient was not finite
    best: float = float("inf")  # lowest dev WER, in percent
    best_loss: float = float("inf")  # lowest dev loss with that WER
    best_epoch: int = 0  # with both
    seconds: float = 0.0  # spent training
    epoch_seconds: float = 0.0  # of them, in the epoch that has begun
    epoch_audio: float = 0.0  # seconds of audio in its updates


@dataclass
class Checkpoint:
    """The state of a run between two updates."""

    config: dict
    data: str  # fingerprint of the training set
    tokens: list[str]
    position: Position
    model: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]  # running average of the weights; empty when it is off
    optimiser: dict
    scaler: dict = field(default_factory=dict)  # of the loss, in float16
    batches_an_update: int = 0  # processes * optimiser.accumulate

    def weights(self) -> dict[str, torch.Tensor]:
        """The weights that are evaluated and exported."""
        return self.average or self.model


def write_checkpoint(path: str | os.PathLike, checkpoint: Checkpoint) -> None:
    """Write atomically: a crash leaves the previous file.

    Raises:
        OSError: it cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **vars(checkpoint), "position": asdict(checkpoint.position)}, buffer)
    write_atomically(path, buffer.getbuffer())


def read_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read with `weights_only=True`: nothing in the file is executed.

    Raises:
        InputError: it is missing, damaged, or of a newer format.
        OSError, MemoryError: it may be whole, and cannot be read now.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: expected a checkpoint of a training run, found no such file")
    file = io.BytesIO(Path(path).read_bytes())  # first: a file system that stumbles is no damage
    try:
        contents = torch.load(file, map_location="cpu", weights_only=True)
        found = int(contents.pop("format"))
        if found <= FORMAT:
            contents["position"] = Position(**contents["position"])
            checkpoint = Checkpoint(**contents)
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not a checkpoint, or damaged: {reason}") from None
    if found > FORMAT:
        raise NewerFormat(f"{path}: checkpoint format {found}; this version reads up to {FORMAT}: upgrade speechrnn")
    return checkpoint


class NewerFormat(InputError):
    """A checkpoint that a later version wrote."""


class Checkpoints:
    """Those of one run, in RUN/checkpoints: `step-N.pt` after N updates, the `last` of them, and `best-WER-LOSS-step-N.pt`,
    the `best` by WER on the dev set, and of equal WER by loss. Names sort by step, and among the best by WER and loss."""

    def __init__(self, run: str | os.PathLike, last: int = 2, best: int = 1):
        self.folder = Path(run, "checkpoints")
        self.last, self.best = last, best

    def save(self, checkpoint: Checkpoint, wer: float | None = None, loss: float = 0.0) -> None:
        """Write a checkpoint, and drop what is too many. With a `wer` in percent and a `loss` on the dev set it may become one of
        the best.

        Raises:
            OSError: it cannot be written; those that were there are there still.
        """
        step = checkpoint.position.step
        path = self.folder / f"step-{step:08d}.pt"
        if wer is None:
            write_checkpoint(path, checkpoint)
        else:  # in this order: whoever is killed in between goes on from a best one that is there
            loss = loss if loss < WORST else WORST  # so that infinity and NaN sort last, too
            best = self.folder / f"best-{wer:010.5f}-{loss:011.5f}-{path.name}"
            write_checkpoint(best, checkpoint)
            _copy(best, path)
        for other in (*self.by_step(), *self.by_wer()):
            if step_of(other) > step:  # it could not be read: otherwise the run would have gone on from there
                other.rename(other.with_name(f"{other.name}.damaged"))
        for surplus in (*self.by_step()[: -self.last], *self.by_wer()[self.best :]):
            surplus.unlink()

    def by_step(self) -> list[Path]:
        """The last ones, the newest at the end."""
        return sorted(path for path in self.folder.glob("step-*.pt") if NAME.fullmatch(path.name))

    def by_wer(self) -> list[Path]:
        """The best ones, the best first; of equal WER and loss the earlier."""
        return sorted(path for path in self.folder.glob("best-*.pt") if NAME.fullmatch(path.name))

    def newest(self) -> Checkpoint | None:
        """The newest that can be read, or None where there is none. A damaged one is named on stderr.

        Raises:
            InputError: there are some, and none can be read, or one is of a newer format.
        """
        for partial in self.folder.glob("*.part"):  # of a process that was killed while it wrote
            partial.unlink()
        found = sorted([*self.by_step(), *self.by_wer()], key=lambda path: (step_of(path), path.name), reverse=True)
        for path in found:
            try:
                return read_checkpoint(path)
            except NewerFormat:
                raise
            except InputError as error:
                print(f"{error}; trying the one before", file=sys.stderr)
        if found:
            raise InputError(f"{self.folder}: none of its checkpoints can be read; remove them to begin again")
        return None


def find_checkpoint(run: str | os.PathLike) -> Checkpoint:
    """The checkpoint itself, or of a run's folder the best one, or the last where no dev set chose a best.

    Raises:
        InputError: there is none.
    """
    path = Path(run)
    if path.is_dir():
        kept = Checkpoints(path)
        path = next(iter([*kept.by_wer(), *reversed(kept.by_step())]), kept.folder)
    return read_checkpoint(path)


def averaged(paths: Sequence[str | os.PathLike]) -> Checkpoint:
    """The mean of the evaluated weights of several checkpoints of one run, as a checkpoint that can be exported.

    Raises:
        InputError: one cannot be read, or they are of different networks or alphabets.
    """
    first, *others = (read_checkpoint(path) for path in paths)
    mean = {name: value.double() for name, value in first.weights().items()}
    for path, other in zip(paths[1:], others, strict=True):
        weights = other.weights()
        alike = other.tokens == first.tokens and weights.keys() == mean.keys()
        if not alike or any(weights[name].shape != value.shape for name, value in mean.items()):
            raise InputError(f"{path}: expected the tokens and the shape of {paths[0]}, found another network")
        for name, value in mean.items():
            value += weights[name]
    last = max((first, *others), key=lambda checkpoint: checkpoint.position.step)
    model = {name: (value / len(paths)).to(first.weights()[name].dtype) for name, value in mean.items()}
    return replace(last, model=model, average={}, optimiser={}, scaler={})


def step_of(path: Path) -> int:
    """The number of updates in a checkpoint's name."""
    match = NAME.fullmatch(path.name)
    assert match, f"{path} is not named as a checkpoint"
    return int(match[1])


def _copy(source: Path, target: Path) -> None:
    """The same file under a second name, without writing it twice where the file system can do that."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    os.replace(partial, target)
