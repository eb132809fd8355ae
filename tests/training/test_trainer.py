"""Training on a language of three tones: it learns to spell, and what it leaves out, averages and keeps."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import soundfile
import torch
from conftest import RATE
from tiny_runs import STILL, best, last, log, restless, tiny, tone_corpus, unlike

from speechrnn.data.plan import padding_share
from speechrnn.errors import InputError
from speechrnn.export.export import load_model
from speechrnn.manifest import Utterance, read_manifest, write_manifest
from speechrnn.nn.ctc import ctc_loss
from speechrnn.nn.front_end import FrontEndConfig
from speechrnn.runs.checkpoint import Checkpoints, averaged, find_checkpoint, read_checkpoint, write_checkpoint
from speechrnn.runs.config import AugmentConfig
from speechrnn.search.greedy import greedy
from speechrnn.training.data import model_frames
from speechrnn.training.device import choose_device, choose_precision
from speechrnn.training.trainer import Trainer


def json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "trained"
    Trainer(tiny(corpus, run)).train()
    return run


def test_it_learns_to_spell_texts_it_has_not_heard(trained):
    epochs = [row for row in log(trained) if "train_loss" in row]
    assert [row["epoch"] for row in epochs] == list(range(1, 15))
    assert epochs[0]["dev_wer"] > 80 and epochs[-1]["dev_wer"] < 20
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"] / 20 and epochs[-1]["dev_loss"] < 1
    assert 0.2 < epochs[-1]["blank_share"] < 0.9
    reference, hypothesis = epochs[-1]["samples"][0]
    assert set(reference) <= set("ABC ") and hypothesis


def test_what_a_run_leaves_in_its_folder(trained):
    files = sorted(path.name for path in trained.iterdir())
    assert [name for name in files if "tfevents" not in name] == [
        "checkpoints",
        "curves.png",
        "environment.jsonl",
        "log.jsonl",
    ]
    assert len(list((trained / "checkpoints").iterdir())) == 3
    epochs = [row for row in log(trained) if "train_loss" in row]
    newest, lowest = read_checkpoint(last(trained)), read_checkpoint(best(trained))
    end, then = newest.position, lowest.position
    assert (end.epoch, end.update) == (14, 0) and end.step == sum("rate" in row for row in log(trained))
    assert end.best == then.best == min(row["dev_wer"] for row in epochs)
    assert epochs[then.epoch - 1]["dev_wer"] == then.best and end.best_epoch == then.epoch
    assert newest.tokens == ["<blank>", "|", "A", "B", "C"]
    assert find_checkpoint(trained).position == then


def test_of_epochs_of_equal_dev_wer_that_with_the_lowest_loss_is_the_best(corpus, tmp_path):
    """On an easy dev set the first epoch without an error is far from the best model."""
    trainer = Trainer(tiny(corpus, tmp_path / "run", optimiser__epochs=5, optimiser__patience=2))
    losses = [(50.0, 9.0), (0.0, 4.0), (0.0, 2.0), (0.0, 3.0), (0.5, 1.0)]
    rows = iter(
        {"dev_wer": wer, "dev_loss": loss, "dev_counts": "", "blank_share": 0.5, "samples": []} for wer, loss in losses
    )
    trainer.evaluate = lambda stopped: next(rows)
    assert trainer.train() == 0
    assert find_checkpoint(tmp_path / "run").position.epoch == trainer.at.best_epoch == 3
    assert (trainer.at.best, trainer.at.best_loss, trainer.at.epoch) == (0.0, 2.0, 5)


def test_tensorboard_shows_what_the_log_holds(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained))
    events.Reload()
    for tag in ("loss", "rate", "gradient_norm", "train_loss", "dev_loss", "dev_wer", "blank_share"):
        logged = [(row["step"], row[tag]) for row in log(trained) if tag in row]
        shown = [(event.step, event.value) for event in events.Scalars(tag)]
        assert len(shown) == len(logged) > 10
        np.testing.assert_allclose(shown, logged, rtol=1e-6)


def test_a_finished_run_is_left_as_it_is(trained, corpus):
    before = (last(trained)).read_bytes()
    Trainer(tiny(corpus, trained)).train()
    assert (last(trained)).read_bytes() == before


@pytest.mark.parametrize(
    "changes, key",
    [
        ({"optimiser__epochs": 20}, "optimiser.epochs"),
        ({"model__hidden": 16, "seed": 9}, "model.hidden, seed"),
        ({"data__dev": None}, "data.dev"),
    ],
)
def test_another_configuration_in_the_same_folder_is_refused_by_its_keys(trained, corpus, changes, key):
    with pytest.raises(InputError) as error:
        Trainer(tiny(corpus, trained, **changes))
    assert str(error.value).startswith(f"{trained}: holds a run with another configuration ({key});")


def test_another_number_of_batches_an_update_is_refused(trained, corpus):
    with pytest.raises(InputError) as error:
        Trainer(tiny(corpus, trained, optimiser__accumulate=2))
    assert str(error.value).startswith(
        f"{trained}: was begun with 1 batches an update (processes * optimiser.accumulate), found 2; go on with as many"
    )


def test_a_run_that_lost_its_checkpoints_is_not_begun_anew(trained, corpus, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    before = (run / "log.jsonl").read_text()
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="run: holds a run, but .*checkpoints holds no checkpoint of it; choose"):
        Trainer(tiny(corpus, run))
    assert (run / "log.jsonl").read_text() == before


def test_a_checkpoint_that_no_run_can_go_on_from_is_named(trained, corpus, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    for path in sorted((run / "checkpoints").iterdir())[:-1]:
        path.unlink()
    write_checkpoint(last(run), averaged([last(trained), last(trained)]))
    with pytest.raises(InputError, match="checkpoints: holds an average, which cannot be trained on; choose another"):
        Trainer(tiny(corpus, run))
    other = read_checkpoint(last(trained))
    other.model["output.weight"] = torch.zeros(9, 9)
    write_checkpoint(last(run), other)
    with pytest.raises(InputError, match="checkpoints: the newest does not fit the network: .*output.weight"):
        Trainer(tiny(corpus, run))


class Recorded(Trainer):
    """Keeps the weights after each update."""

    def update(self, *arguments, **named):
        row = super().update(*arguments, **named)
        self.history.append({name: p.detach().clone() for name, p in self.model.named_parameters()})
        return row


def test_the_average_of_weights_is_what_is_evaluated_and_exported(corpus, tmp_path):
    trainer = Recorded(restless(corpus, tmp_path / "run"))
    trainer.history = [{name: p.detach().clone() for name, p in trainer.model.named_parameters()}]
    trainer.train()
    expected = trainer.history[0]
    for step, weights in enumerate(trainer.history[1:]):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = {name: decay * expected[name] + (1 - decay) * weights[name] for name in expected}
    checkpoint = read_checkpoint(last(tmp_path / "run"))
    assert unlike(checkpoint.average, checkpoint.model)
    for name, value in expected.items():
        torch.testing.assert_close(checkpoint.average[name], value, atol=1e-6, rtol=1e-5)
    model = load_model(checkpoint)
    assert not unlike(dict(model.state_dict()), checkpoint.average)

    texts, losses = [], []
    for index in range(len(trainer.data.dev)):
        batch = trainer.data.dev.batch([index])
        with torch.inference_mode():
            log_probs, frames = model(batch.waveform, batch.lengths)
        texts.append(trainer.data.tokenizer.decode(greedy(log_probs[0].numpy())))
        losses.append(float(ctc_loss(log_probs, frames, batch.labels, batch.label_lengths)))
    row = [row for row in log(tmp_path / "run") if "dev_loss" in row][-1]
    assert row["dev_loss"] == pytest.approx(np.mean(losses), abs=1e-3)
    assert row["samples"][0] == [trainer.data.dev.texts[0], texts[0]]


def test_accumulated_batches_are_one_large_batch(corpus, tmp_path):
    rows = []
    for batches in ([np.arange(12)], [np.arange(5), np.arange(5, 12)], [np.array([i]) for i in range(12)]):
        trainer = Trainer(tiny(corpus, tmp_path / "run"))
        row = trainer.update(batches, 1e-3)
        rows.append([row["loss"], row["gradient_norm"]])
    np.testing.assert_allclose(rows[1:], rows[:1] * 2, rtol=1e-4)


def test_batches_are_made_of_utterances_as_they_will_be_played(corpus, tmp_path):
    """Sorted by their own durations, half of a batch at half the speed would be a third of padding."""
    trainer = Trainer(tiny(corpus, tmp_path / "run", augment=AugmentConfig(speed=[0.5, 1.0])))
    for epoch in range(3):
        trainer.at.epoch = epoch
        played, batches = trainer.data.played_seconds(epoch), [b for (b,) in trainer.data.updates(epoch)]
        assert len(set(np.round(played / trainer.data.seconds, 3))) == 2
        for batch in batches:
            assert len(batch) == 1 or played[batch].max() * len(batch) <= 8.0
            _, lengths = trainer.augmented(trainer.data.train.batch(batch), batch)
            np.testing.assert_allclose(lengths / RATE, played[batch], atol=2 / RATE)
        assert padding_share(played, batches) < 0.15


def test_an_update_without_a_finite_gradient_is_named_and_skipped(corpus, tmp_path, capsys):
    trainer = Trainer(tiny(corpus, tmp_path / "run"))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    loss = trainer.loss
    trainer.loss = lambda *arguments: loss(*arguments) * torch.inf
    trainer.update([np.array([3, 4])], 0.5)
    assert not unlike(dict(trainer.model.state_dict()), before)
    assert "update 0: the gradient is not finite, skipped: train-3 train-4" in capsys.readouterr().err
    assert (tmp_path / "run" / "bad_batches.jsonl").read_text() == (
        '{"step": 0, "not_finite": ["train-3", "train-4"], "ids": ["train-3", "train-4"]}\n'
    )
    trainer.loss = loss
    trainer.update([np.array([3, 4])], 0.5)
    assert unlike(dict(trainer.model.state_dict()), before)
    trainer.loss = lambda *arguments: loss(*arguments) * torch.inf
    trainer.save()
    for _ in range(3):
        trainer.update([np.array([3, 4])], 0.5)
    again = Trainer(tiny(corpus, tmp_path / "run"))  # it drops the rows of what it will do again
    assert [row["step"] for row in json_lines(tmp_path / "run" / "bad_batches.jsonl")] == [0] and again.at.skipped == 1
    finite = again.loss
    again.loss = lambda *arguments: finite(*arguments) * torch.inf
    with pytest.raises(
        InputError, match="20 updates of an epoch had no finite gradient: see the utterances in .*bad_b"
    ):
        for _ in range(19):
            again.update([np.array([3, 4])], 0.5)


def test_a_loss_that_is_not_finite_is_no_step_even_where_its_gradient_is(corpus, tmp_path):
    trainer = Trainer(tiny(corpus, tmp_path / "run"))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    loss = trainer.loss
    trainer.loss = lambda *arguments: loss(*arguments) + torch.inf
    trainer.update([np.array([3, 4])], 0.5)
    assert trainer.at.skipped == 1 and not unlike(dict(trainer.model.state_dict()), before)


def test_skipped_updates_are_counted_by_the_epoch(corpus, tmp_path):
    """Over a week a few are no reason to stop."""
    trainer = Trainer(tiny(corpus, tmp_path / "run", data__dev=None, optimiser__epochs=30))
    update, loss = trainer.update, trainer.loss

    def first_of_the_epoch_is_bad(*arguments, **named):
        trainer.loss = loss if trainer.at.update else lambda *arguments: loss(*arguments) * torch.inf
        return update(*arguments, **named)

    trainer.update = first_of_the_epoch_is_bad
    assert trainer.train() == 0 and len(json_lines(tmp_path / "run" / "bad_batches.jsonl")) == 30


def test_utterances_that_do_not_fit_at_the_fastest_speed_are_left_out(corpus, tmp_path, capsys):
    """10,880 samples are 17 frames at x4, and 16 frames at speed 1.1: enough for 17 letters, or 16."""
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 10_880), RATE)
    texts = {"16": "AB" * 8, "17": "AB" * 8 + "C", "repeats": "A" * 9}
    manifest = tmp_path / "tight.jsonl"
    write_manifest(manifest, [Utterance(id, str(tmp_path / "a.wav"), text) for id, text in texts.items()])
    left_out = {}
    for speed in (1.0, 1.1):
        config = tiny(corpus, tmp_path / "run", data__train=[str(manifest), str(corpus / "train.jsonl")])
        config.augment = AugmentConfig([speed], STILL.spec)
        trainer = Trainer(config)
        left_out[speed] = sorted(trainer.data.train.left_out)
        tight = [i for i, u in enumerate(trainer.data.train.utterances) if u.id in texts]
        batch = trainer.data.train.batch(tight)
        losses = trainer.loss(batch, np.array(tight))
        assert torch.isfinite(losses).all()
    assert left_out == {1.0: [], 1.1: ["17", "repeats"]}
    assert "_left_out.tsv):\n  17: 17 labels do not fit" in capsys.readouterr().err


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_frames_that_are_planned_are_those_that_the_model_makes(corpus, tmp_path, factor):
    trainer = Trainer(tiny(corpus, tmp_path / "run", model__subsampling=factor))
    for samples in (1, 79, 80, 239, 240, 641, 12_345, 16_000):
        _, frames = trainer.model(torch.zeros(1, samples), torch.tensor([samples]))
        assert model_frames(trainer.config.model, samples) == int(frames[0])


def test_global_statistics_are_those_of_the_training_set_and_are_kept(corpus, tmp_path):
    config = tiny(corpus, tmp_path / "run", optimiser__epochs=1)
    config.model.front_end = FrontEndConfig(num_bins=40, normalise="global")
    trainer = Trainer(config)
    rows = []
    for index in range(len(trainer.data.train)):
        batch = trainer.data.train.batch([index])
        rows.append(trainer.model.front_end(batch.waveform, batch.lengths)[0][0].double())
    rows = torch.cat(rows)
    trainer.train()
    found = load_model(find_checkpoint(tmp_path / "run")).normalise
    torch.testing.assert_close(found.mean, rows.mean(0).float(), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.deviation, rows.std(0, correction=0).float(), atol=1e-4, rtol=0)


def test_without_a_dev_set_there_is_a_last_checkpoint_only(corpus, tmp_path):
    run = tmp_path / "run"
    Trainer(tiny(corpus, run, data__dev=None, optimiser__epochs=1)).train()
    assert last(run).exists() and not Checkpoints(run).by_wer()
    assert find_checkpoint(run).position.epoch == 1
    assert not any("dev_wer" in row for row in log(run))


def test_texts_are_normalised_and_the_boundary_symbol_is_no_letter(corpus, tmp_path):
    utterances = [replace(u, text=u.text.lower()) for u in read_manifest(corpus / "train.jsonl")]
    utterances[0] = replace(utterances[0], text="a|b")
    write_manifest(tmp_path / "lower.jsonl", utterances)
    trainer = Trainer(tiny(corpus, tmp_path / "run", data__train=[str(tmp_path / "lower.jsonl")]))
    assert trainer.data.tokenizer.tokens == ["<blank>", "|", "A", "B", "C"]
    assert trainer.data.train.left_out == {"train-0": "'A|B': characters outside the alphabet: '|'"}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"data__train": []}, "data.train: expected at least one manifest"),
        ({"data__train": ["none.jsonl"]}, "none.jsonl: expected a manifest"),
        ({"data__normaliser": "greek"}, "normaliser 'greek': expected one of"),
        ({"model__cell": "cnn"}, "model.cell: expected one of"),
        ({"model__subsampling": 5}, "model.subsampling: expected one of 2, 3, 4, found 5"),
        ({"model__hidden": 0}, "model.hidden: expected more than 0, found 0"),
        ({"augment__speed": []}, "augment.speed: expected factors above 0, at least one, found []"),
        ({"optimiser__epochs": 0}, "optimiser.epochs: expected more than 0, found 0"),
        ({"seed": -1}, "seed: expected 0 or more, found -1"),
        ({"device": "tpu"}, "device: expected auto, cpu or cuda, found 'tpu'"),
        ({"precision": "int8"}, "precision: expected auto, float32, bfloat16, float16, found 'int8'"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(corpus, tmp_path, changes, message):
    with pytest.raises(InputError) as error:
        Trainer(tiny(corpus, tmp_path / "run", **changes))
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_a_training_set_without_a_usable_utterance(corpus, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), RATE)
    write_manifest(tmp_path / "short.jsonl", [Utterance("short", str(tmp_path / "a.wav"), "ABCABC")])
    with pytest.raises(InputError, match="^train: no utterance is left to use$"):
        Trainer(tiny(corpus, tmp_path / "run", data__train=[str(tmp_path / "short.jsonl")]))
    assert "short: 6 labels do not fit in 1000 samples" in capsys.readouterr().err


def test_precision_and_device_by_name():
    cpu = torch.device("cpu")
    assert choose_device("cpu") == cpu
    assert choose_precision("float32", cpu) == "float32" and choose_precision("bfloat16", cpu) == "bfloat16"
    assert choose_precision("auto", cpu) in ("float32", "bfloat16")


def test_a_configuration_as_a_checkpoint_holds_it_is_plain(trained, corpus):
    assert read_checkpoint(last(trained)).config == asdict(tiny(corpus, trained))
