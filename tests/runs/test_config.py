"""Configurations: what may be written, and what is said of what may not."""

from dataclasses import asdict
from pathlib import Path

import pytest

from speechrnn.cli import main
from speechrnn.errors import InputError
from speechrnn.runs.config import Config, check_values, config_from_dict, read_config

CONFIGS = sorted(Path(__file__).parents[2].glob("conf/*.yaml"))


@pytest.fixture
def yaml(tmp_path):
    def write(text):
        path = tmp_path / "model.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_configuration_that_comes_along_loads(path):
    config = read_config(str(path))
    assert config.data.train and config.data.dev and config.optimiser.epochs > 0
    assert config.run != Config().run and config.name != Config().name


def test_there_are_configurations():
    assert "an4.yaml" in [path.name for path in CONFIGS]


def test_a_file_and_arguments_replace_the_defaults_in_this_order(yaml):
    path = yaml("seed: 7\nmodel:\n  layers: 5\n  front_end: {num_bins: 40}\ndata:\n  train: [a.jsonl, b.jsonl]\n")
    config = read_config(path, ["model.layers=2", "optimiser.rate=1e-3", "data.dev=d.jsonl", "augment.speed=[1.0]"])
    assert (config.seed, config.model.layers, config.model.front_end.num_bins) == (7, 2, 40)
    assert (config.optimiser.rate, config.data.dev, config.augment.speed) == (1e-3, "d.jsonl", [1.0])
    assert config.data.train == ["a.jsonl", "b.jsonl"]
    assert config.model.hidden == Config().model.hidden  # what is not named keeps its default
    assert read_config(yaml("")) == Config()


def test_what_a_checkpoint_holds_is_the_same_configuration(yaml):
    config = read_config(yaml("seed: 7\nmodel: {layers: 5, cell: lstm}\naugment: {spec: {time_masks: 0}}"))
    assert config_from_dict(asdict(config), "last.pt") == config


def test_switches_that_are_gone_matter_to_no_checkpoint_that_had_them_off(yaml):
    values = asdict(read_config(yaml("seed: 7")))
    values["augment"] |= {"pitch": {"probability": 0.0, "semitones": [-2.0, 2.0]}, "stretch": {"probability": 0.3}}
    with pytest.raises(InputError, match="^last.pt: its configuration is of another version: Key 'stretch'"):
        config_from_dict(values, "last.pt")
    values["augment"]["stretch"]["probability"] = 0.0
    assert config_from_dict(values, "last.pt").seed == 7


@pytest.mark.parametrize(
    "text, unknown, near",
    [
        ("optimizer: {rate: 1}", "optimizer", "optimiser"),
        ("optimiser: {rates: 1}", "optimiser.rates", "optimiser.rate"),
        ("model: {layer: 3}", "model.layer", "model.layers"),
        ("model: {front_end: {kinds: mfcc}}", "model.front_end.kinds", "model.front_end.kind"),
        ("epochs: 3", "epochs", "optimiser.epochs"),
        ("layers: 3", "layers", "model.layers"),
        ("data: {max_second: 3}", "data.max_second", "data.max_seconds"),
        ("augment: {freq_masks: 3}", "augment.freq_masks", "augment.spec.freq_masks"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(yaml, text, unknown, near):
    path = yaml(text)
    with pytest.raises(InputError) as error:
        read_config(path)
    assert str(error.value) == f"{path}: unknown key {unknown!r}; the nearest known one is {near!r}"


def test_an_unknown_key_among_the_arguments_is_named_by_its_argument(yaml):
    with pytest.raises(InputError) as error:
        read_config(yaml("seed: 1"), ["seed=2", "optimizer.rate=1e-3"])
    assert str(error.value).startswith("optimizer.rate=1e-3: unknown key 'optimizer'; ")
    assert str(error.value).endswith("'optimiser'")


@pytest.mark.parametrize(
    "text, key",
    [
        ("model: {layers: three}", "model.layers"),
        ("model: {layers: 2.5}", "model.layers"),
        ("model: {bidirectional: perhaps}", "model.bidirectional"),
        ("optimiser: {rate: fast}", "optimiser.rate"),
        ("augment: {speed: [1.0, fast]}", r"augment.speed[1]"),
        ("data: {train: a.jsonl}", "data.train"),
        ("seed: null", "seed"),
    ],
)
def test_a_value_of_the_wrong_type_is_one_line_with_its_key(yaml, text, key):
    path = yaml(text)
    with pytest.raises(InputError) as error:
        read_config(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and f"(key {key}" in message


@pytest.mark.parametrize(
    "text", ["model: 5", "model: [1", "a: b: c", b"\xff\xfe\x00\x81", "seed: 1\nseed: 2", "- model", "\0"]
)
def test_what_is_not_a_configuration_is_one_line(yaml, text):
    path = yaml(text)
    with pytest.raises(InputError) as error:
        read_config(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_a_missing_file_and_a_bare_argument(tmp_path, yaml):
    with pytest.raises(InputError, match=r"none\.yaml: expected a YAML file, found no such file"):
        read_config(str(tmp_path / "none.yaml"))
    with pytest.raises(InputError, match=r"^'seed': expected key=value, such as model\.layers=5$"):
        read_config(yaml(""), ["seed"])


def test_the_command_line_prints_the_line_and_no_traceback(yaml, capsys):
    assert main(["train", yaml("model: {layer: 3}")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("speechrnn train: ") and err.count("\n") == 1 and "'model.layers'" in err


@pytest.mark.parametrize(
    "text, message",
    [
        ("optimiser: {rate: .inf}", "optimiser.rate: expected a finite number, found inf"),
        ("optimiser: {rate: .nan}", "optimiser.rate: expected more than 0, found nan"),
        ("optimiser: {clip: .nan}", "optimiser.clip: expected more than 0, found nan"),
        ("data: {max_seconds: -.inf}", "data.max_seconds: expected more than 0, found -inf"),
        ("model: {front_end: {high_hz: .inf}}", "model.front_end.high_hz: expected a finite number, found inf"),
        ("augment: {speed: [1.0, .inf]}", "augment.speed: expected a finite number, found inf"),
        ("augment: {speed: [1.0, .nan]}", "augment.speed: expected a finite number, found nan"),
        ("model: {front_end: {low_hz: .nan}}", "model.front_end.low_hz: expected a finite number, found nan"),
        ("seed: -1", "seed: expected 0 or more, found -1"),
        (f"seed: {2**63}", f"seed: expected less than 2^63, found {2**63}"),
        ("checkpoints: {best: 0}", "checkpoints.best: expected more than 0, found 0"),
    ],
)
def test_a_value_that_cannot_be_is_named(yaml, text, message):
    config = read_config(yaml(text))
    with pytest.raises(InputError) as error:
        check_values(config)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"seed: {2**63 - 1}",
        "data: {max_seconds: .inf}\noptimiser: {clip: .inf}\ncheckpoints: {minutes: .inf}",
        "run: a/new/folder",
    ],
)
def test_what_can_be_is_let_through(yaml, text):
    check_values(read_config(yaml(text)))


def test_a_run_is_a_folder(yaml, tmp_path):
    path = yaml("seed: 1")
    check_values(read_config(path, [f"run={tmp_path}"]))
    with pytest.raises(InputError) as error:
        check_values(read_config(path, [f"run={path}"]))
    assert str(error.value) == f"run: expected a folder, or a name that is free, found the file {path}"
