"""`speechrnn average` end to end: what a run with AN4's settings kept, and what cannot be averaged."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_runs import tiny, tone_corpus

from speechrnn.cli import main
from speechrnn.runs.checkpoint import Checkpoints, read_checkpoint, write_checkpoint
from speechrnn.runs.config import read_config
from speechrnn.training.trainer import Trainer

AN4 = Path(__file__).parents[2] / "conf/an4.yaml"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    """A run that keeps what a run of conf/an4.yaml keeps. It learns nothing, so that the first epochs are the best ones."""
    run = tmp_path_factory.mktemp("runs") / "an4"
    kept = read_config(str(AN4)).checkpoints
    Trainer(tiny(corpus, run, checkpoints=kept, optimiser__epochs=5, optimiser__rate=1e-4)).train()
    return run


@pytest.fixture
def average(capsys):
    def average(*arguments, status=0):
        """What the command says, which is one line."""
        capsys.readouterr()
        assert main(["average", *map(str, arguments)]) == status
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1
        return err.strip().removeprefix("speechrnn average: ")

    return average


def test_what_the_readme_says_with_the_settings_that_come_along(run, average):
    """`speechrnn average RUN -o RUN/averaged.pt`, then export."""
    told = average(run, "-o", run / "averaged.pt")
    kept = Checkpoints(run).by_wer()
    assert len(kept) == 3
    assert told == f"{run / 'averaged.pt'}: the average of {', '.join(path.name for path in kept)}"
    found, sources = read_checkpoint(run / "averaged.pt"), [read_checkpoint(path) for path in kept]
    for name, value in found.weights().items():
        expected = torch.stack([source.weights()[name].double() for source in sources]).mean(0)
        torch.testing.assert_close(value.double(), expected, atol=1e-7, rtol=1e-6)
    assert main(["export", str(run / "averaged.pt"), str(run / "package")]) == 0


def test_of_a_run_without_a_dev_set_the_last_are_taken(corpus, tmp_path, average):
    Trainer(tiny(corpus, tmp_path / "run", data__dev=None, optimiser__epochs=3)).train()
    last = Checkpoints(tmp_path / "run").by_step()
    assert len(last) == 2
    assert average(tmp_path / "run", "-o", tmp_path / "mean.pt").endswith(f"{last[0].name}, {last[1].name}")


def test_what_is_not_there(tmp_path, average):
    nowhere = tmp_path / "nowhere"
    assert average(nowhere, "-o", tmp_path / "mean.pt", status=1) == (
        f"{nowhere}: expected a run's folder or a checkpoint, found nothing of that name"
    )
    nowhere.mkdir()
    assert average(nowhere, "-o", tmp_path / "mean.pt", status=1) == (
        f"{nowhere}: expected a run's folder, found no checkpoint in {nowhere / 'checkpoints'}"
    )
    assert not (tmp_path / "mean.pt").exists()


def test_one_alone_is_no_average(run, average, tmp_path):
    one = Checkpoints(run).by_step()[0]
    told = average(one, "-o", tmp_path / "mean.pt", status=1)
    assert told.startswith(f"{one}: expected two checkpoints or more, found 1")


def test_an_average_is_not_averaged_again(run, tmp_path, average):
    copy = shutil.copytree(run, tmp_path / "run")
    kept = Checkpoints(copy).by_wer()
    average(*kept, "-o", tmp_path / "mean.pt")
    message = "expected a checkpoint that training wrote, found an average of some"
    told = average(kept[0], tmp_path / "mean.pt", "-o", tmp_path / "again.pt", status=1)
    assert told == f"{tmp_path / 'mean.pt'}: {message}"
    shutil.copy(tmp_path / "mean.pt", kept[1])  # as if it were the run's own
    assert average(copy, "-o", tmp_path / "again.pt", status=1) == f"{kept[1]}: {message}"
    assert not (tmp_path / "again.pt").exists()


@pytest.mark.parametrize("name", ["averaged.pt", "step-99999999.pt"])
def test_a_run_that_goes_on_finds_no_average_among_its_checkpoints(run, tmp_path, average, name):
    kept = Checkpoints(run)
    before = sorted(kept.folder.iterdir())
    (tmp_path / "alias").symlink_to(kept.folder)
    for folder in (kept.folder, tmp_path / "alias"):
        told = average(run, "-o", folder / name, status=1)
        assert told.startswith(f"-o {folder / name}: a run that goes on would take it for its own; write it beside ")
    assert sorted(kept.folder.iterdir()) == before


def test_other_networks_and_damaged_files(run, tmp_path, average):
    one, two = Checkpoints(run).by_step()
    other = read_checkpoint(two)
    write_checkpoint(tmp_path / "other.pt", replace(other, tokens=[*other.tokens, "z"]))
    told = average(one, tmp_path / "other.pt", "-o", tmp_path / "mean.pt", status=1)
    assert told == f"{tmp_path / 'other.pt'}: expected the tokens and the shape of {one}, found another network"
    (tmp_path / "cut.pt").write_bytes(one.read_bytes()[:1000])
    told = average(one, tmp_path / "cut.pt", "-o", tmp_path / "mean.pt", status=1)
    assert told.startswith(f"{tmp_path / 'cut.pt'}: not a checkpoint, or damaged")
