"""A run that is killed again and again is the run that was not, bit for bit; and what else can stop a run."""

import fcntl
import json
import os
import random
import resource
import signal
import subprocess
import termios
import time

import pytest
from conftest import RATE
from tiny_runs import CONFIG, PROJECT, best, finish, has_saved, last, log, tone_corpus, train, unlike, wait_until

from speechrnn.data.audio_cache import AudioCache
from speechrnn.manifest import read_manifest
from speechrnn.runs.checkpoint import Checkpoints, read_checkpoint, step_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tone_corpus(tmp_path_factory.mktemp("corpus"))
    (folder / "tones.yaml").write_text(CONFIG)
    return folder


def half_written(run, by="*"):
    return list((run / "checkpoints").glob(f"*.{by}.part"))


def newest_step(run):
    return max(map(step_of, Checkpoints(run).by_step()), default=0)


def stop_in_a_write(run, process):
    """Halt the process while a checkpoint is half written."""
    while True:
        wait_until(lambda: half_written(run, process.pid), process, pause=0)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # a signal takes its time
        if half_written(run, process.pid):
            return
        process.send_signal(signal.SIGCONT)


def kill_again_and_again(folder, run, arguments, kills, most_updates):
    """Kill the run so often: each time it has saved at least one update more and at most about `most_updates`, every third time
    inside the writing of a checkpoint. Returns how many of them left a checkpoint half written."""
    draw, interrupted_writes = random.Random(0), 0
    for kill in range(kills):
        goal = newest_step(run) + draw.randint(1, most_updates)
        process = train(folder, *arguments)
        wait_until(lambda goal=goal: newest_step(run) >= goal, process)
        if kill % 3 == 2:
            stop_in_a_write(run, process)
        else:
            time.sleep(draw.uniform(0, 0.05))  # within an update, or within the saving of it
        process.send_signal(signal.SIGKILL)
        status, told = finish(process)
        assert status == -signal.SIGKILL, f"it ended before the kill: {told}"
        interrupted_writes += bool(half_written(run, process.pid))
    return interrupted_writes


def assert_same_run(whole, run):
    assert log(run) == log(whole)
    for which in (last, best):
        assert unlike(vars(read_checkpoint(which(whole))), vars(read_checkpoint(which(run)))) == []


def test_a_few_kills_lose_nothing(folder):
    whole, killed = folder / "whole", folder / "killed"
    arguments = ["tones.yaml", "optimiser.epochs=15"]  # of 4 updates
    assert finish(train(folder, *arguments, "run=whole"))[0] == 0
    assert kill_again_and_again(folder, killed, [*arguments, "run=killed"], kills=3, most_updates=10) >= 1
    assert 0 < newest_step(killed) < newest_step(whole)
    status, told = finish(train(folder, *arguments, "run=killed"))
    assert status == 0 and "killed: going on after " in told
    assert_same_run(whole, killed)


@pytest.mark.slow
def test_twenty_kills_of_a_real_run_lose_nothing(tmp_path):
    """AN4 with its own configuration, for 4 epochs instead of 135."""
    manifests = PROJECT / "data" / "an4"
    if not (manifests / "train.jsonl").exists():
        pytest.skip("needs AN4: its recipe, recipes/an4/run.sh, prepares data/an4")
    arguments = [
        PROJECT / "conf" / "an4.yaml",
        f"data.train=[{manifests / 'train.jsonl'},{manifests / 'nonspeech.jsonl'}]",
        f"data.dev={manifests / 'dev.jsonl'}",
        "optimiser.epochs=4",
        "data.max_seconds=60",
        "checkpoints.minutes=0.01",
    ]
    assert finish(train(tmp_path, *arguments, "run=whole"))[0] == 0
    killed = [*arguments, "run=killed"]
    updates = newest_step(tmp_path / "whole")
    writes = kill_again_and_again(tmp_path, tmp_path / "killed", killed, kills=20, most_updates=updates // 30)
    assert writes >= 6 and newest_step(tmp_path / "killed") < updates
    assert finish(train(tmp_path, *killed))[0] == 0
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_asked_to_stop_it_saves_first(folder, name):
    run = folder / f"asked-{name}"
    arguments = ["tones.yaml", f"run={run.name}", "checkpoints.minutes=10", "optimiser.epochs=400"]
    process = train(folder, *arguments)
    wait_until(lambda: has_saved(run), process)
    process.send_signal(getattr(signal, name))
    status, told = finish(process)
    assert status == 128 + getattr(signal, name)
    assert told.endswith("interrupted, and saved: the same command goes on from here\n")
    assert read_checkpoint(last(run)).position.step == log(run)[-1]["step"]


def test_asked_to_stop_while_it_evaluates_it_saves_and_goes_on_there(folder):
    """A scheduler kills half a minute after it has asked, and a dev set may take longer."""
    run = folder / "evaluating"
    rows = [json.loads(line) for line in (folder / "dev.jsonl").read_text().splitlines()]
    with open(folder / "long.jsonl", "w") as file:
        for copy in range(100):
            file.writelines(json.dumps({**row, "id": f"{row['id']}-{copy}"}) + "\n" for row in rows)
    # One update an epoch, after which it evaluates for seconds
    evaluating = ["tones.yaml", "optimiser.epochs=2", "data.dev=long.jsonl", "data.max_seconds=60"]
    process = train(folder, *evaluating, f"run={run.name}")
    wait_until((run / "checkpoints" / "step-00000002.pt").exists, process)
    process.send_signal(signal.SIGTERM)
    status, told = finish(process)
    assert status == 128 + signal.SIGTERM and "epoch 1:" in told and "epoch 2:" not in told
    at = read_checkpoint(last(run)).position
    assert (at.epoch, at.update, at.step) == (1, 1, 2)
    status, told = finish(train(folder, *evaluating, f"run={run.name}"))
    assert status == 0 and "epoch 2:" in told and read_checkpoint(last(run)).position.epoch == 2
    assert [row["step"] for row in log(run) if "rate" in row] == [1, 2]


def test_a_second_process_in_the_folder_is_refused(folder):
    first = train(folder, "tones.yaml", "run=shared", "optimiser.epochs=400")
    wait_until(lambda: (folder / "shared" / "log.jsonl").exists(), first)
    status, told = finish(train(folder, "tones.yaml", "run=shared", "optimiser.epochs=400"))
    first.kill()
    finish(first)
    assert status == 1 and told == (
        "speechrnn train: shared: another process trains here; choose another folder with run=...\n"
    )


@pytest.mark.parametrize("kind", ["tmpfs", "limit"])
def test_a_full_disk_is_said_and_the_last_checkpoint_survives(folder, tmp_path, kind):
    """A file system of 1 MB; or, where none can be mounted, a limit on the size of files, which the log does not reach."""
    run = tmp_path / "small" / "run"
    run.parent.mkdir()
    arguments = ["tones.yaml", f"run={run}"]
    assert finish(train(folder, *arguments, "optimiser.epochs=2"))[0] == 0
    size = last(run).stat().st_size
    for path in sorted(run.glob("**/*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    room = int(2.5 * size)
    limit = None
    if kind == "tmpfs":
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "none", run.parent], check=False)
        if mounted.returncode:
            pytest.skip("this user cannot mount a file system")
    else:
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size - 4096, size - 4096))  # noqa: E731
    try:
        status, told = finish(train(folder, *arguments, "optimiser.epochs=3", preexec_fn=limit))
        assert status == 1 and "Traceback" not in told
        message = "No space left on device" if kind == "tmpfs" else "File too large"
        assert message in told.splitlines()[-1] and str(run) in told.splitlines()[-1]
        assert not half_written(run)
        if kind == "tmpfs":
            assert read_checkpoint(last(run)).position.step > 0
            subprocess.run(["mount", "-o", "remount,size=64M", run.parent], check=True)
            assert finish(train(folder, *arguments, "optimiser.epochs=3"))[0] == 0
    finally:
        if kind == "tmpfs":
            subprocess.run(["umount", run.parent], check=True)


def test_a_disk_that_fills_under_the_log_is_told_of_it_in_a_line(folder, tmp_path, monkeypatch):
    """Between two checkpoints: they are written later than the log, and have more room here."""
    arguments = ["tones.yaml", f"run={tmp_path}", "data.max_seconds=0.5", "checkpoints.minutes=10"]
    monkeypatch.chdir(folder)
    for name in ("train", "dev"):  # for which there would be no room
        AudioCache(read_manifest(f"{name}.jsonl"), RATE, "cache")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))  # noqa: E731
    status, told = finish(train(folder, *arguments, preexec_fn=limit))
    assert status == 1 and "Traceback" not in told
    *others, last_line = told.splitlines()[1:]
    assert last_line == f"speechrnn train: {tmp_path / 'log.jsonl'}: File too large"
    assert all(line.startswith("no more events are written for TensorBoard: ") for line in others)


def test_a_reader_that_goes_away_ends_no_run(folder):
    """As of `2>&1 | head -1`."""
    arguments = ["tones.yaml", "run=unheard", "optimiser.epochs=3", "checkpoints.minutes=10"]
    process = train(folder, *arguments)
    assert "30 utterances" in process.stderr.readline()
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    assert [row["epoch"] for row in log(folder / "unheard") if "train_loss" in row] == [1, 2, 3]


@pytest.mark.parametrize("nohup", [False, True])
def test_a_terminal_that_is_closed(folder, nohup):
    """It says so, and the run saves and ends; with nohup the run hears nothing, and nobody sees its progress bar."""
    run = folder / f"terminal-{nohup}"
    outer, inner = os.openpty()

    def at_the_terminal():
        fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
        os.dup2(inner, 2)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)

    arguments = ["tones.yaml", f"run={run.name}", f"optimiser.epochs={4 if nohup else 400}"]
    process = train(folder, *arguments, start_new_session=True, preexec_fn=at_the_terminal)
    os.close(inner)
    wait_until(lambda: os.read(outer, 65536) and has_saved(run), process)
    os.close(outer)
    status, _ = finish(process)
    assert status == (0 if nohup else 128 + signal.SIGHUP)
    newest = read_checkpoint(last(run)).position
    assert newest.step == log(run)[-1]["step"] and (newest.epoch == 4) == nohup


def test_audio_that_is_missing_or_broken_is_named_and_the_rest_trains(folder, tmp_path):
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    for row in rows:
        row["audio_filepath"] = str(folder / row["audio_filepath"])
    (tmp_path / "broken.wav").write_bytes(b"RIFF" + bytes(100))
    rows[3]["audio_filepath"], rows[5]["audio_filepath"] = str(tmp_path / "none.wav"), str(tmp_path / "broken.wav")
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["tones.yaml", f"run={tmp_path / 'run'}", f"data.train=[{tmp_path / 'train.jsonl'}]"]
    status, told = finish(train(folder, *arguments, "optimiser.epochs=1"))
    assert status == 0, told
    table = tmp_path / "run" / "train_left_out.tsv"
    assert f"train: 2 utterances left out (all in {table}):" in told and "28 utterances" in told
    for row, name in ((rows[3], "none.wav"), (rows[5], "broken.wav")):
        assert any(line.startswith(f"  {row['id']}: ") and name in line for line in told.splitlines())
        assert any(line.startswith(f"{row['id']}\t") and name in line for line in table.read_text().splitlines())
