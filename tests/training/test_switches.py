"""The switches of training: what each does, and that it trains."""

import numpy as np
import pytest
import torch
from tiny_runs import best, last, log, restless, tiny, tone_corpus, unlike

from speechrnn.nn.ctc import ctc_loss
from speechrnn.runs.checkpoint import read_checkpoint
from speechrnn.training.trainer import Trainer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "trained"
    Trainer(tiny(corpus, run)).train()
    return run


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser__consistency": 0.2},
        {"optimiser__intermediate": 0.3},
        {"optimiser__consistency": 0.2, "optimiser__intermediate": 0.3, "optimiser__accumulate": 2},
        {"data__shortest_first": True},
        {"precision": "float16"},
    ],
    ids=str,
)
def test_each_switch_trains(corpus, tmp_path, changes):
    Trainer(restless(corpus, tmp_path / "run", **changes)).train()
    losses = [row["train_loss"] for row in log(tmp_path / "run") if "train_loss" in row]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_the_middle_of_the_network_has_its_share_of_the_loss(corpus, tmp_path):
    """The loss is (1 - share) of the CTC loss at the end, and share of that of the first of two layers."""
    losses = {}
    for share in (0.0, 0.25, 0.5):
        trainer = Trainer(tiny(corpus, tmp_path / str(share), model__layers=2, optimiser__intermediate=share))
        indices = np.arange(4)
        batch = trainer.data.train.batch(indices)
        losses[share] = trainer.loss(batch, indices)
    x, lengths, middle = trainer.model(batch.waveform, batch.lengths, 1, True)
    alone = ctc_loss(middle, lengths, batch.labels, batch.label_lengths)
    assert not torch.allclose(alone, losses[0.0], rtol=0.01)
    for share in (0.25, 0.5):
        torch.testing.assert_close(losses[share], (1 - share) * losses[0.0] + share * alone, rtol=1e-4, atol=1e-4)


def test_float16_lowers_its_scale_and_counts_no_update_as_bad(corpus, tmp_path):
    trainer = Trainer(tiny(corpus, tmp_path / "run", precision="float16"))
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)  # every gradient overflows
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.update([np.array([3, 4])], 0.5)
    assert trainer.scaler.get_scale() == 2.0**39 and not unlike(dict(trainer.model.state_dict()), before)
    assert trainer.at.skipped == 0 and not (tmp_path / "run" / "bad_batches.jsonl").exists()


def test_it_ends_when_the_dev_set_has_not_got_better_for_long(corpus, tmp_path):
    config = tiny(corpus, tmp_path / "run", optimiser__epochs=30, optimiser__patience=2, optimiser__rate=1e-9)
    Trainer(config).train()
    epochs = [row["epoch"] for row in log(tmp_path / "run") if "train_loss" in row]
    assert epochs == [1, 2, 3]  # the first is the best, two are no better
    before = last(tmp_path / "run").read_bytes()
    Trainer(config).train()
    assert last(tmp_path / "run").read_bytes() == before


def test_what_is_frozen_keeps_the_weights_that_the_run_began_with(trained, corpus, tmp_path):
    source = read_checkpoint(best(trained)).weights()
    config = tiny(corpus, tmp_path / "run", init_from=str(trained), freeze=["subsampling"], optimiser__epochs=1)
    Trainer(config).train()
    found = read_checkpoint(last(tmp_path / "run")).model
    same = {name for name in source if torch.equal(source[name], found[name])}
    assert {name for name in source if name.startswith("subsampling.")} <= same
    assert not any(name.startswith(("layers.", "output.")) for name in same)
    first = next(row for row in log(tmp_path / "run") if "rate" in row)
    assert first["loss"] < 3 < next(row for row in log(trained) if "rate" in row)["loss"]
