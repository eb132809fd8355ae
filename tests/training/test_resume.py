"""One seed, one run: an interrupted run is the uninterrupted one, bit for bit."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_runs import best, last, log, restless, tone_corpus, unlike

from speechrnn.runs.checkpoint import read_checkpoint
from speechrnn.training.trainer import Trainer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("corpus"))


def differences(one, other, which=last):
    return unlike(vars(read_checkpoint(which(one))), vars(read_checkpoint(which(other))))


class Interrupted(Trainer):
    """Is stopped before an update, as by Ctrl-C."""

    stop = 0

    def update(self, *arguments, **named):
        if self.at.step == self.stop:
            raise KeyboardInterrupt
        return super().update(*arguments, **named)


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def uninterrupted(request, corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "whole"
    config = restless(corpus, run, precision=request.param)
    Trainer(config).train()
    return config


@pytest.mark.parametrize(
    "stops", [[0], ["epoch 2"], ["within epoch 3"], ["epoch 1", "within epoch 2", "epoch 3"]], ids=str
)
def test_an_interrupted_run_is_the_uninterrupted_one_bit_for_bit(uninterrupted, stops, tmp_path):
    whole, run = Path(uninterrupted.run), tmp_path / "resumed"
    config = replace(uninterrupted, run=str(run))
    ends = {row["epoch"]: row["step"] for row in log(whole) if "train_loss" in row}
    for stop in stops:
        trainer = Interrupted(config)
        if stop:
            epoch = int(stop[-1])
            trainer.stop = ends[epoch] if stop.startswith("epoch") else ends[epoch - 1] + 2
            assert stop.startswith("epoch") or trainer.stop < ends[epoch]
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
    Trainer(config).train()
    assert differences(whole, run) == [] and differences(whole, run, best) == []
    assert log(run) == log(whole)  # updates after the last checkpoint are done, and logged, again


def test_the_same_seed_is_the_same_run_and_another_is_not(uninterrupted, tmp_path):
    whole = Path(uninterrupted.run)
    for name, seed in (("same", uninterrupted.seed), ("other", uninterrupted.seed + 1)):
        Trainer(replace(uninterrupted, run=str(tmp_path / name), seed=seed)).train()
    assert differences(whole, tmp_path / "same") == [] and log(whole) == log(tmp_path / "same")
    assert differences(whole, tmp_path / "other")
