"""A run that is killed again and again is the run that was not, bit for bit; and what else can stop a run."""

import json
import random
import resource
import signal
import subprocess
import time

import pytest
from tiny_runs import CONFIG, PROJECT, best, finish, last, log, tone_corpus, train, unlike, wait_until

from speechrnn.training.checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tone_corpus(tmp_path_factory.mktemp("corpus"))
    (folder / "tones.yaml").write_text(CONFIG)
    return folder


def half_written(run):
    return list((run / "checkpoints").glob("*.part"))


def kill_again_and_again(folder, run, arguments, kills, longest_seconds):
    """Kill the run so often: within `longest_seconds` of its start, every third time inside the writing of a checkpoint.
    Returns how many of them left a checkpoint half written."""
    draw, interrupted_writes = random.Random(0), 0
    for kill in range(kills):
        process = train(folder, *arguments)
        if kill % 3 == 2:
            wait_until(lambda: half_written(run), process)
        else:
            time.sleep(draw.uniform(0, longest_seconds))
        process.send_signal(signal.SIGKILL)
        status, told = finish(process)
        assert status == -signal.SIGKILL, f"it ended before the kill: {told}"
        interrupted_writes += bool(half_written(run))
    return interrupted_writes


def assert_same_run(whole, run):
    assert log(run) == log(whole)
    for which in (last, best):
        assert unlike(vars(read_checkpoint(which(whole))), vars(read_checkpoint(which(run)))) == []


def test_a_few_kills_lose_nothing(folder):
    assert finish(train(folder, "tones.yaml", "run=whole"))[0] == 0
    kill_again_and_again(folder, folder / "killed", ["tones.yaml", "run=killed"], kills=3, longest_seconds=6)
    status, told = finish(train(folder, "tones.yaml", "run=killed"))
    assert status == 0 and "killed: going on after " in told
    assert_same_run(folder / "whole", folder / "killed")


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
        "checkpoints.minutes=0.05",
    ]
    assert finish(train(tmp_path, *arguments, "run=whole"))[0] == 0
    killed = [*arguments, "run=killed"]
    writes = kill_again_and_again(tmp_path, tmp_path / "killed", killed, kills=20, longest_seconds=20)
    assert finish(train(tmp_path, *killed))[0] == 0
    assert writes >= 3
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_asked_to_stop_it_saves_first(folder, name):
    run = folder / f"asked-{name}"
    arguments = ["tones.yaml", f"run={run.name}", "checkpoints.minutes=10", "optimiser.epochs=400"]
    process = train(folder, *arguments)
    wait_until(lambda: (run / "checkpoints").exists() and list((run / "checkpoints").glob("step-*.pt")), process)
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
