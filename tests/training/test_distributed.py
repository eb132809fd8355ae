"""Two processes of torchrun are one process with twice the accumulation, and a killed one comes back."""

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue

import numpy as np
import pytest
import torch
from conftest import RATE
from tiny_runs import CONFIG, finish, has_saved, last, log, tone_corpus, train, wait_until
from torch.distributed import HashStore

from speechrnn.data.augment import Augmentation
from speechrnn.nn.model import CTCModel
from speechrnn.runs.checkpoint import read_checkpoint
from speechrnn.runs.config import config_from_dict, read_config
from speechrnn.training.data import TrainingData
from speechrnn.training.distributed import Processes, _name_of_this_start

# Adam makes a step of any gradient that is not zero, so that rounding grows with the rate: at 1e-2, a hundredfold in 12 updates
SHORT = ("optimiser.epochs=6", "optimiser.rate=1e-4")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ACCUMULATED = "optimiser.accumulate=2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tone_corpus(tmp_path_factory.mktemp("corpus"))
    (folder / "tones.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def alone(folder):
    """The run of one process."""
    status, told = finish(train(folder, "tones.yaml", "run=alone", *SHORT, ACCUMULATED))
    assert status == 0, told
    return folder / "alone"


def workers(launcher):
    """The process ids that torchrun started, by rank."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            environment = (path / "environ").read_bytes().split(b"\0")
        except (OSError, IndexError, ValueError):  # it has ended meanwhile
            continue
        rank = next((entry[5:] for entry in environment if entry.startswith(b"RANK=")), None)
        if parent == launcher and rank is not None:
            found[int(rank)] = int(path.name)
    return found


@contextmanager
def started(folder, *arguments, before=TORCHRUN):
    """The process of torchrun, or of a run alone; however the block ends, nothing of it runs on."""
    process = train(folder, *arguments, before=before)
    try:
        yield process
    finally:
        if process.poll() is None:
            for pid in (*workers(process.pid).values(), process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            finish(process)


def assert_alike(one, two):
    """The same batches exactly, by their audio; the same losses, gradients and weights within float tolerance.

    Where both run on one kind of processor no bit differs. The limits are a hundredfold what other vector instructions or
    another number of threads make of one run: 7e-7 of what is logged, 2e-4 of the way that the weights have gone. Not compared
    is what one word may flip: the dev WER, and which checkpoint is the best by it.
    """
    ours, theirs = log(one), log(two)
    assert [(row["step"], row.get("audio_seconds")) for row in ours] == [
        (row["step"], row.get("audio_seconds")) for row in theirs
    ]
    for key in ("loss", "gradient_norm", "rate", "train_loss", "dev_loss"):
        a, b = ([row[key] for row in rows if key in row] for rows in (ours, theirs))
        assert len(a) >= 6  # epochs
        np.testing.assert_allclose(a, b, rtol=1e-4, err_msg=key)
    a, b = read_checkpoint(last(one)), read_checkpoint(last(two))
    for ours, theirs in ((a.model, b.model), (a.average, b.average)):
        assert distance(ours, theirs) < 2e-2 * distance(a.model, first_weights(a))


def distance(a, b):
    return torch.cat([(a[name] - b[name]).flatten() for name in a]).norm()


def first_weights(checkpoint):
    config = config_from_dict(checkpoint.config, "a checkpoint")
    torch.manual_seed(config.seed)
    return CTCModel(config.model, len(checkpoint.tokens)).state_dict()


def test_two_processes_are_one_with_twice_the_accumulation(folder, alone):
    with started(folder, "tones.yaml", "run=two", *SHORT) as process:
        status, told = finish(process)
    assert status == 0, told
    assert told.count("2 processes, two") == 1 and told.count("epoch 6: ") == 1
    assert_alike(alone, folder / "two")


def test_both_have_the_same_updates(folder, monkeypatch):
    """The very arrays of indices, which the log does not hold."""
    monkeypatch.chdir(folder)
    config = read_config("tones.yaml")
    augmentation = Augmentation(config.augment, RATE)
    one = TrainingData(read_config("tones.yaml", [ACCUMULATED]), Processes(), augmentation)
    two = TrainingData(config, Processes(), augmentation)
    two.processes = Processes(world=2)
    for epoch in range(3):
        for a, b in zip(one.updates(epoch), two.updates(epoch), strict=True):
            assert len(a) == len(b) == 2 and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_worker_is_restarted_and_the_run_goes_on(folder, alone, rank):
    run = folder / f"killed-{rank}"
    before = (*TORCHRUN, "--max-restarts", "2")
    with started(folder, "tones.yaml", f"run={run.name}", *SHORT, before=before) as process:
        wait_until(lambda: has_saved(run), process)
        os.kill(workers(process.pid)[rank], signal.SIGKILL)
        status, told = finish(process)
    assert status == 0, told
    assert f"{run.name}: going on after " in told
    assert_alike(alone, run)


@pytest.mark.parametrize("how", ["torchrun", "scheduler", "terminal", "a worker"])
def test_asked_to_stop_both_do_and_one_saves(folder, how):
    """torchrun hands on what it gets. A scheduler sends it to all, so that workers get it twice; so does a terminal, before
    torch 2.14: since then its workers have process groups of their own."""
    run = folder / f"asked-{how}"
    arguments = ["tones.yaml", f"run={run}", "optimiser.epochs=400", "checkpoints.minutes=10"]
    with started(folder, *arguments) as process:
        wait_until(lambda: has_saved(run), process)
        number = signal.SIGINT if how == "terminal" else signal.SIGTERM
        ranks = workers(process.pid)
        pids = {"torchrun": [process.pid], "a worker": [ranks[1]]}.get(how, [*ranks.values(), process.pid])
        for pid in pids:
            os.kill(pid, number)
        status, told = finish(process)
    assert status != 0 and told.count("interrupted, and saved") == 1
    assert read_checkpoint(last(run)).position.step == log(run)[-1]["step"]


def test_two_go_on_where_one_with_twice_the_accumulation_stopped(folder, alone):
    run = folder / "begun-alone"
    arguments = ["tones.yaml", f"run={run}", *SHORT]
    with started(folder, *arguments, ACCUMULATED, before=()) as process:
        wait_until(lambda: has_saved(run), process)
        process.send_signal(signal.SIGTERM)
        assert finish(process)[0] == 128 + signal.SIGTERM
    with started(folder, *arguments) as process:
        status, told = finish(process)
    assert status == 0, told
    assert_alike(alone, run)


def test_what_all_of_them_notice_is_told_once(folder):
    with started(folder, "tones.yaml", "run=wrong", "model.cell=cnn") as process:
        status, told = finish(process)
    assert status != 0 and told.count("model.cell: expected one of") == 1
    assert "[rank" not in told and told.count("Traceback (most") == 1  # torchrun's own


def test_a_process_that_does_not_know_its_place_is_told(folder, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, told = finish(train(folder, "tones.yaml", "run=lost"))
    assert status == 1 and told == (
        "speechrnn train: RANK: expected a number beside WORLD_SIZE, found none: start with torchrun\n"
    )


def test_a_new_start_does_not_take_the_name_of_an_earlier_one():
    """In a store that is full of what a killed start left, with its processes coming one after the other."""
    store = HashStore()
    store.set("welcome", "old one two")
    for rank, name in ((1, "one"), (2, "two")):
        store.set(f"hello/{rank}", name)
        store.set(f"old/joined/{rank}", name)
    names: Queue[str] = Queue()
    for rank in (0, 2, 1):
        threading.Thread(target=lambda rank=rank: names.put(_name_of_this_start(store, rank, 3)), daemon=True).start()
        time.sleep(0.1)
    found = {names.get(timeout=30) for _ in range(3)}
    assert len(found) == 1 and "old" not in found
