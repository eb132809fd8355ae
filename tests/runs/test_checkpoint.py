"""Checkpoints: whole or not at all, and nothing in a file is executed."""

import errno
import os
import pickle
from pathlib import Path

import pytest
import torch

from speechrnn.cli import main
from speechrnn.errors import InputError
from speechrnn.runs import checkpoint as checkpoints
from speechrnn.runs.checkpoint import Checkpoint, Checkpoints, Position, read_checkpoint, write_checkpoint


def example(step=5, average=None):
    model = torch.nn.Linear(50, 30)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.randn(4, 50)).sum().backward()
    optimiser.step()
    weights = model.state_dict()
    at = Position(epoch=2, step=step, best=12.5, seconds=1.5)
    return Checkpoint({"seed": 1}, "0123", ["<blank>", "é"], at, weights, average or {}, optimiser.state_dict())


def equal(a, b):
    """Nested values with tensors, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b) and a.dtype == b.dtype
    if isinstance(a, Position):
        return a == b
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def test_what_is_written_is_read_again(tmp_path):
    written = example()
    write_checkpoint(tmp_path / "run" / "step-1.pt", written)
    assert equal(vars(read_checkpoint(tmp_path / "run" / "step-1.pt")), vars(written))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["step-1.pt"]


def test_the_average_is_what_is_exported_where_there_is_one():
    average = {"weight": torch.ones(2)}
    assert example(average=average).weights() is average
    without = example()
    assert without.weights() is without.model


@pytest.mark.parametrize("where", ["torch.save", "os.fsync", "os.replace"])
def test_a_crash_while_writing_leaves_the_previous_file(tmp_path, monkeypatch, where):
    path = tmp_path / "step-1.pt"
    write_checkpoint(path, example(step=1))

    def crash(*_args, **_kwargs):
        raise OSError("No space left on device")

    save = torch.save

    def crash_after_half(contents, file):
        save({"half": contents["model"]}, file)
        crash()

    owner, name = {"torch.save": (torch, "save"), "os.fsync": (os, "fsync"), "os.replace": (os, "replace")}[where]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crash_after_half if where == "torch.save" else crash)
        with pytest.raises(OSError, match="No space left"):
            write_checkpoint(path, example(step=2))
    assert read_checkpoint(path).position.step == 1
    assert [found.name for found in tmp_path.iterdir()] == ["step-1.pt"]


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(InputError, match="expected a checkpoint of a training run, found no such file") as error:
            read_checkpoint(path)
        assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named_as_damaged(tmp_path, share):
    path = tmp_path / "step-1.pt"
    write_checkpoint(path, example())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="not a checkpoint, or damaged") as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "contents", [b"", b"not a checkpoint", b"PK\x03\x04" + bytes(500), pickle.dumps({"format": 1})]
)
def test_another_file_is_named_as_such(tmp_path, contents):
    path = tmp_path / "step-1.pt"
    path.write_bytes(contents)
    with pytest.raises(InputError, match="not a checkpoint, or damaged"):
        read_checkpoint(path)


def test_a_checkpoint_of_another_program_is_refused(tmp_path):
    torch.save({"state_dict": {"weight": torch.ones(2)}}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="not a checkpoint, or damaged"):
        read_checkpoint(tmp_path / "other.pt")


def test_a_newer_format_is_refused_by_its_number(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "FORMAT", 99)
    write_checkpoint(tmp_path / "step-1.pt", example())
    monkeypatch.undo()
    with pytest.raises(InputError, match="checkpoint format 99; this version reads up to 3: upgrade"):
        read_checkpoint(tmp_path / "step-1.pt")


class Intruder:
    """Pickles as a call that makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_nothing_in_a_file_is_executed(tmp_path):
    path, trace = tmp_path / "step-1.pt", tmp_path / "trace"
    torch.save({"format": 2, **vars(example()), "config": Intruder(trace)}, path)
    with pytest.raises(InputError, match="not a checkpoint, or damaged"):
        read_checkpoint(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)["config"].close()
    assert trace.exists()  # the file was a trap


def names(run):
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_the_last_and_the_best_are_kept(tmp_path):
    kept = Checkpoints(tmp_path, last=2, best=2)
    for step, wer in enumerate([90.0, 9.5, 30.0, 9.5, None, 100.0], start=1):
        kept.save(example(step), wer)
    assert names(tmp_path) == [
        "best-0009.50000-00000.00000-step-00000002.pt",
        "best-0009.50000-00000.00000-step-00000004.pt",
        "step-00000005.pt",
        "step-00000006.pt",
    ]
    assert [read_checkpoint(path).position.step for path in kept.by_step()] == [5, 6]
    assert [read_checkpoint(path).position.step for path in kept.by_wer()] == [2, 4]


def test_of_equal_wer_the_lowest_loss_is_the_best(tmp_path):
    """An easy dev set has 0 % long before the model is good."""
    kept = Checkpoints(tmp_path, best=4)
    for step, loss in enumerate([3.0, float("nan"), 0.5, 10.25, float("inf")], start=1):
        kept.save(example(step), 0.0, loss)
    kept.save(example(6), 0.5, 0.1)
    assert [read_checkpoint(path).position.step for path in kept.by_wer()] == [3, 1, 4, 2]
    old = kept.by_wer()[0]
    old.rename(old.with_name("best-0000.00000-step-00000003.pt"))  # as earlier versions named them: after the others
    assert [read_checkpoint(path).position.step for path in kept.by_wer()] == [1, 4, 2, 3]


def test_the_best_is_its_own_file_when_the_step_is_written_again(tmp_path):
    kept = Checkpoints(tmp_path)
    kept.save(example(7), 50.0)
    newer = example(7)
    newer.position.epoch = 3
    kept.save(newer)
    assert kept.newest().position.epoch == 3 and read_checkpoint(kept.by_wer()[0]).position.epoch == 2


def test_a_damaged_one_is_named_and_the_one_before_used(tmp_path, capsys):
    kept = Checkpoints(tmp_path, last=3)
    assert kept.newest() is None
    for step in (1, 2, 3):
        kept.save(example(step), wer=float(step))
    for path in kept.by_step()[1:]:
        path.write_bytes(path.read_bytes()[:-100])
    assert kept.newest().position.step == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and told[0].startswith(f"{kept.by_step()[2]}: not a checkpoint, or damaged: ")
    assert told[0].endswith("; trying the one before")
    for path in [*kept.by_step(), *kept.by_wer()]:
        path.write_bytes(b"")
    with pytest.raises(InputError, match="none of its checkpoints can be read; remove them to begin again"):
        kept.newest()


def test_the_best_helps_where_the_last_are_damaged(tmp_path):
    kept = Checkpoints(tmp_path, last=1)
    kept.save(example(1), wer=5.0)
    kept.save(example(2), wer=6.0)
    kept.by_step()[0].write_bytes(b"")
    assert kept.newest().position.step == 1


@pytest.mark.parametrize("last, damaged", [(1, 1), (2, 2)])
def test_what_was_damaged_does_not_outlive_what_is_written_after_it(tmp_path, last, damaged):
    kept = Checkpoints(tmp_path, last=last)
    kept.save(example(10), wer=5.0)
    for step in (90, 100):
        kept.save(example(step))
    for path in kept.by_step()[-damaged:]:
        path.write_bytes(b"")
    assert kept.newest().position.step == 10
    for step in (20, 30):
        kept.save(example(step))
    assert [path.name for path in kept.by_step()] == ["step-00000020.pt", "step-00000030.pt"][-last:]
    assert sum(name.endswith(".damaged") for name in names(tmp_path)) == damaged
    assert kept.newest().position.step == 30


def test_one_that_cannot_be_read_now_is_not_taken_for_damaged(tmp_path, monkeypatch):
    """A network file system that stumbles: the run ends, and goes on from there when it is back."""
    kept = Checkpoints(tmp_path)
    for step in (1, 2):
        kept.save(example(step))
    read = Path.read_bytes

    def stumble(path):
        if path.name == "step-00000002.pt":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", stumble)
        with pytest.raises(OSError, match="step-00000002.pt"):
            kept.newest()
    assert kept.newest().position.step == 2


def test_one_of_a_newer_format_is_not_passed_over(tmp_path, monkeypatch):
    kept = Checkpoints(tmp_path, last=2)
    kept.save(example(1))
    monkeypatch.setattr(checkpoints, "FORMAT", 99)
    kept.save(example(2))
    monkeypatch.undo()
    with pytest.raises(InputError, match="step-00000002.pt: checkpoint format 99"):
        kept.newest()


def test_killed_between_its_two_names_the_best_is_there(tmp_path, monkeypatch):
    kept = Checkpoints(tmp_path)
    kept.save(example(1), wer=50.0)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "_copy", killed)
    with pytest.raises(KeyboardInterrupt):
        kept.save(example(2), wer=40.0)
    monkeypatch.undo()
    assert kept.newest().position.step == 2 and read_checkpoint(kept.by_wer()[0]).position.step == 2
    kept.save(example(3), wer=60.0)
    assert names(tmp_path)[0] == "best-0040.00000-00000.00000-step-00000002.pt" and kept.newest().position.step == 3


def test_files_of_other_names_are_left_alone(tmp_path):
    kept = Checkpoints(tmp_path)
    kept.save(example(1), wer=50.0)
    write_checkpoint(tmp_path / "checkpoints" / "step-mine.pt", example(9))
    write_checkpoint(tmp_path / "checkpoints" / "best-of-all.pt", example(9))
    for path in (*kept.by_step(), *kept.by_wer()):
        path.with_name(f"{path.stem}-good.pt").write_bytes(path.read_bytes())
    others = {
        "step-mine.pt",
        "best-of-all.pt",
        "step-00000001-good.pt",
        "best-0050.00000-00000.00000-step-00000001-good.pt",
    }
    kept.save(example(2), wer=40.0)
    kept.save(example(3), wer=30.0)
    assert kept.newest().position.step == 3 and others <= set(names(tmp_path))


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    kept = Checkpoints(tmp_path)
    kept.save(example(1))
    (tmp_path / "checkpoints" / "step-00000002.pt.77.part").write_bytes(b"half")
    assert kept.newest().position.step == 1 and names(tmp_path) == ["step-00000001.pt"]


def test_the_average_of_checkpoints_is_their_mean(tmp_path):
    kept, weights = Checkpoints(tmp_path / "run", best=3), []
    for step in (1, 2, 3):
        checkpoint = example(step)
        checkpoint.average = {name: value + step for name, value in checkpoint.model.items()} if step == 2 else {}
        weights.append(checkpoint.weights())
        kept.save(checkpoint, wer=float(step))
    assert main(["average", str(tmp_path / "run"), "-o", str(tmp_path / "mean.pt")]) == 0
    found = read_checkpoint(tmp_path / "mean.pt")
    for name, value in found.weights().items():
        expected = sum(each[name].double() for each in weights) / 3
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), expected, atol=1e-7, rtol=1e-6)
    assert found.position.step == 3 and found.tokens == ["<blank>", "é"]


def test_what_cannot_be_averaged_is_named(tmp_path, capsys):
    write_checkpoint(tmp_path / "a.pt", example())
    other = example()
    other.model["weight"] = torch.zeros(3, 50)
    write_checkpoint(tmp_path / "b.pt", other)
    assert main(["average", *(str(tmp_path / name) for name in ("a.pt", "b.pt")), "-o", str(tmp_path / "c.pt")]) == 1
    told = f"{tmp_path / 'b.pt'}: expected the tokens and the shape of {tmp_path / 'a.pt'}, found another network"
    assert told in capsys.readouterr().err
    assert main(["average", str(tmp_path / "a.pt"), "-o", str(tmp_path / "c.pt")]) == 1
    assert "expected two checkpoints or more, found 1" in capsys.readouterr().err and not (tmp_path / "c.pt").exists()
