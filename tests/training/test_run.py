"""A run in its folder: what the user can mend is said in a line."""

import pytest
from tiny_runs import tiny, tone_corpus

from speechrnn.errors import InputError
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
