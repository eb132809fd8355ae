"""A run in its folder: what the user can mend is said in a line."""

from contextlib import nullcontext

import pytest
from tiny_runs import tiny, tone_corpus

from speechrnn.errors import InputError
from speechrnn.training.resuming import check_alike
from speechrnn.training.run import train


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"model__hidden": 10_000_000},
            "the memory does not suffice for a batch of 8 s: lower data.max_seconds, or model",
        ),
        ({"data__dev": None, "optimiser__patience": 3}, "optimiser.patience: expected a dev set (data.dev), on which"),
        ({"data__dev": "none.jsonl"}, "none.jsonl: expected a manifest"),
        ({"model__cell": "cnn"}, "model.cell: expected one of"),
    ],
)
def test_before_any_audio_is_decoded(corpus, tmp_path, changes, message, capsys):
    config = tiny(corpus, tmp_path / "run", data__cache=str(tmp_path / "cache"), **changes)
    with pytest.raises(InputError) as error:
        train(config)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
    assert not list(tmp_path.glob("cache/**/*")) and not capsys.readouterr().err


CONFIG_OF_ONE = {"optimiser": {"rate": 1e-3}, "data": {"cache": "a"}, "run": "a"}


@pytest.mark.parametrize(
    "config, data, message",
    [
        ({**CONFIG_OF_ONE, "run": "b", "data": {"cache": "b"}}, {"train": "1", "dev": "2"}, None),
        (
            {**CONFIG_OF_ONE, "optimiser": {"rate": 1.0}},
            {"train": "1", "dev": "2"},
            "another configuration .*optimiser.rate",
        ),
        (CONFIG_OF_ONE, {"train": "3", "dev": "2"}, "process 1: has other train data than process 0"),
        (CONFIG_OF_ONE, {"train": "1", "dev": "4"}, "process 1: has other dev data"),
    ],
)
def test_processes_that_would_not_be_one_run(config, data, message):
    with pytest.raises(InputError, match=message) if message else nullcontext():
        check_alike([(CONFIG_OF_ONE, {"train": "1", "dev": "2"}), (config, data)])
