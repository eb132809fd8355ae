"""The logs of a run: what is kept of them when it goes on, and that a run that is finished gets nothing new."""

import json
import resource

import pytest
from tiny_runs import log, tiny, tone_corpus

from speechrnn.runs.checkpoint import Position
from speechrnn.runs.progress import Progress
from speechrnn.training.trainer import Trainer

UPDATE = {"loss": 1.0, "audio_seconds": 8.0, "seconds": 0.5}
EPOCH = {"train_loss": 1.0, "minutes": 0.1, "audio_hours_an_hour": 9.0}


def write(run, first, last, updates=3):
    """Log the epochs from `first` to before `last`, in which the position moves, as a trainer does."""
    at = Position(epoch=first, step=first * updates)
    with Progress(run, at) as progress:
        for _ in range(first, last):
            for _ in range(updates):
                at.step += 1
                progress.update(at, 0.5, UPDATE)
            at.epoch += 1
            progress.epoch(at, EPOCH)
            progress.tell(at, EPOCH)


def places(run):
    return [(row["epoch"], row["step"], "train_loss" in row) for row in log(run)]


def test_a_run_that_goes_on_logs_what_an_uninterrupted_one_does(tmp_path):
    write(tmp_path / "whole", 0, 3)
    write(tmp_path / "run", 0, 2)
    path = tmp_path / "run" / "log.jsonl"
    with open(path, "a") as file:  # of the epoch that is lost, the last row cut off
        file.write(json.dumps({"step": 7, "epoch": 3, **UPDATE}) + '\n{"step": 8, "epo')
    write(tmp_path / "run", 2, 3)
    assert log(tmp_path / "run") == log(tmp_path / "whole")


@pytest.mark.parametrize("line", ["{", "7", "{}", '{"step": "two"}', '{"epoch": [], "train_loss": 1}', "\0"])
def test_a_broken_line_is_dropped_with_a_word_and_nothing_else_is_lost(tmp_path, capsys, line):
    write(tmp_path, 0, 2)
    before = places(tmp_path)
    path = tmp_path / "log.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], line, *lines[3:], ""]))
    capsys.readouterr()
    write(tmp_path, 2, 3)
    assert places(tmp_path)[: len(before)] == before and places(tmp_path)[-1] == (3, 9, True)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"{path}: cannot be read, and is dropped: line 4"
    assert not any("no curves" in line for line in told)


def test_before_the_first_update_nothing_is_written(tmp_path):
    run = tmp_path / "run"
    with Progress(run, Position()) as progress:
        progress.flush()
    assert not run.exists()
    with Progress(run, Position(), speaks=False) as progress:
        progress.update(Position(step=1), 0.5, UPDATE)
        progress.epoch(Position(step=1, epoch=1), EPOCH)
        progress.tell(Position(step=1, epoch=1), EPOCH)
    assert not run.exists()


def test_each_start_that_trains_is_recorded_once(tmp_path):
    for first in (0, 1, 2):
        write(tmp_path, first, first + 1)
        assert len((tmp_path / "environment.jsonl").read_text().splitlines()) == first + 1
        assert len(list(tmp_path.glob("*tfevents*"))) == first + 1


def test_a_finished_run_gets_nothing_new(tmp_path):
    corpus, run = tone_corpus(tmp_path / "corpus"), tmp_path / "run"
    Trainer(tiny(corpus, run, optimiser__epochs=1)).train()
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert {"environment.jsonl", "log.jsonl"} < before.keys()
    Trainer(tiny(corpus, run, optimiser__epochs=1)).train()
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_damaged_record_of_the_environment_stops_nothing(tmp_path):
    write(tmp_path, 0, 1)
    path = tmp_path / "environment.jsonl"
    path.write_bytes(path.read_bytes() + b'{"\xff": 1}\n{"date": "20')
    write(tmp_path, 1, 2)
    lines = path.read_bytes().splitlines()
    assert len(lines) == 3 and json.loads(lines[0]).keys() == json.loads(lines[2]).keys()


def test_a_picture_that_cannot_be_drawn_ends_no_run(tmp_path, capsys, monkeypatch):
    """Whatever the reason is: here the user's settings of matplotlib, which want a TeX that is not there."""
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "text.usetex", True)
    monkeypatch.setenv("PATH", str(tmp_path))
    write(tmp_path / "run", 0, 1)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and told[0].startswith("epoch 1: ") and told[1].startswith("no curves are drawn: ")
    assert places(tmp_path / "run")[-1] == (1, 3, True)


def test_events_that_cannot_be_written_are_told_of_once_and_the_log_goes_on(tmp_path, capfd):
    """Where files may grow to 3700 bytes: 99 rows of the log with one short number have 3600, and their events have 4000."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    at = Position()
    with Progress(tmp_path, at) as progress:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3700, before[1]))
        try:
            for _ in range(99):
                at.step += 1
                progress.update(at, 0.5, {"x": 1.0})
                progress.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    told = capfd.readouterr().err
    assert told.count("no more events are written for TensorBoard: [Errno 27] File too large\n") == 1
    assert len(log(tmp_path)) == 99


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OSError) as error, Progress(tmp_path, Position()) as progress:
        progress.update(Position(step=1), 0.5, UPDATE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        try:
            progress.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(error.value) == f"[Errno 27] File too large: '{tmp_path / 'log.jsonl'}'"
