"""A trained run as a package: the same numbers, the same transcripts, and the facts on its card."""

import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import best, last, tiny, tone_corpus

import speechrnn
from speechrnn.audio import read_audio
from speechrnn.errors import InputError
from speechrnn.export import export as exports
from speechrnn.export.export import compare, export, load_model
from speechrnn.export.weight_types import DTYPES, INT8_PARTS, int8_rows
from speechrnn.manifest import read_manifest
from speechrnn.package import read_package, write_decoder
from speechrnn.runs.checkpoint import NAME, find_checkpoint, read_checkpoint, write_checkpoint
from speechrnn.search.greedy import greedy
from speechrnn.training.trainer import Trainer


@pytest.mark.parametrize("command", ["export", "average", "inspect"])
def test_the_help_names_checkpoints_as_a_run_does(command):
    text = import_module(f"speechrnn.cli.{command}").__doc__
    named = {Path(name).name for name in re.findall(r"\S+\.pt", text)} - {"averaged.pt", "step-*.pt"}
    assert all(NAME.fullmatch(name) for name in named)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "tones"
    Trainer(tiny(corpus, run, name="tones", language="x-tones", output_case="lower", optimiser__average=0.5)).train()
    return run


@pytest.fixture(scope="module", params=["float16", "float32", "int8"])
def package(request, run, tmp_path_factory):
    directory = tmp_path_factory.mktemp("packages") / "tones"
    assert export(run, directory, dtype=request.param) <= 5e-4
    return directory, request.param


def test_a_package_transcribes_what_torch_does_and_what_was_said(package, run, corpus):
    directory, dtype = package
    model, recognizer = load_model(find_checkpoint(run), dtype), speechrnn.load(directory)
    utterances = read_manifest(corpus / "dev.jsonl")
    together = recognizer.transcribe([u.audio_filepath for u in utterances])
    right = 0
    for utterance, transcript in zip(utterances, together, strict=True):
        wave = read_audio(utterance.audio_filepath, 16000)
        with torch.inference_mode():
            log_probs, _ = model(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
        text = recognizer.package.tokenizer.decode(greedy(log_probs[0].numpy()))
        assert transcript.text == text.lower() == recognizer.transcribe(utterance.audio_filepath).text
        np.testing.assert_allclose(recognizer.log_probs(utterance.audio_filepath), log_probs[0], atol=1e-4)
        right += transcript.text == utterance.text.lower()
    assert right > 0.8 * len(utterances)


def test_compare_says_so_too_and_finds_a_package_of_other_weights(package, run, corpus, tmp_path):
    directory, dtype = package
    found = compare(run, directory, corpus / "dev.jsonl", dtype)
    assert found.recordings == len(read_manifest(corpus / "dev.jsonl")) and found.texts_differ == []
    assert max(found.alone, found.batched) <= 1e-4
    checkpoint = read_checkpoint(best(run))
    checkpoint.average["output.bias"][2] += 30  # every frame an A
    write_checkpoint(tmp_path / "other.pt", checkpoint)
    other = compare(tmp_path / "other.pt", directory, corpus / "dev.jsonl", dtype)
    assert other.alone > 1 and len(other.texts_differ) == found.recordings


def test_a_package_describes_the_run(package, run):
    package = read_package(package[0])
    best_one = read_checkpoint(best(run))
    at = best_one.position
    assert (package.name, package.language, package.output_case, package.normaliser) == (
        "tones",
        "x-tones",
        "lower",
        "upper",
    )
    assert (package.sample_rate, package.subsampling, package.seconds_per_frame) == (16000, 4, 0.04)
    assert package.tokenizer.tokens == ["<blank>", "|", "A", "B", "C"]
    assert package.front_end["kind"] == "fbank" and package.front_end["num_bins"] == 40
    training = package.training
    assert (training["epochs"], training["updates"], training["seed"]) == (at.epoch, at.step, 1)
    assert training["wer"] == {"dev": round(at.best, 2)}
    assert training["parameters"] == sum(p.numel() for p in load_model(best_one).parameters())


def test_the_card_states_the_facts_below_what_its_author_says(run, package, tmp_path):
    silent = (package[0] / "MODEL_CARD.md").read_text()
    assert silent.startswith("# tones\n")
    export(run, tmp_path / "package", card="# For tone deaf people\n\nRecorded by nobody.\n")
    card = (tmp_path / "package" / "MODEL_CARD.md").read_text()
    assert card.startswith("# For tone deaf people\n\nRecorded by nobody.\n")
    epochs = read_checkpoint(best(run)).position.epoch
    for text in (silent, card):
        for fact in (
            "x-tones",
            "16000 Hz",
            "1 bidirectional GRU layers of 32",
            "x4",
            "train.jsonl",
            f"{epochs} epochs",
            "seed 1",
        ):
            assert fact in text


def test_a_type_is_as_large_as_its_numbers(run, tmp_path):
    parameters = dict(load_model(find_checkpoint(run)).named_parameters())
    matrices = sum(p.numel() for p in parameters.values() if p.dim() >= 2)
    large = [p for name, p in parameters.items() if name.endswith(INT8_PARTS)]
    sizes = {}
    for dtype in DTYPES:
        export(run, tmp_path / dtype, dtype)
        sizes[dtype] = (tmp_path / dtype / "model.onnx").stat().st_size
    assert sizes["float32"] - sizes["float16"] == pytest.approx(2 * matrices, rel=0.05)
    saved = sum(p.numel() for p in large) - 4 * sum(len(p) for p in large)  # a byte a number, less a float32 an output
    assert sizes["float16"] - sizes["int8"] == pytest.approx(saved, rel=0.05)


def test_int8_rounds_to_half_a_step_of_each_output():
    matrix = torch.randn(2, 5, 40) * torch.logspace(-3, 1, 5)[:, None]
    matrix[1, 3] = 0.0
    values, scales = int8_rows(matrix)
    assert values.dtype == torch.int8 and scales.shape == (2, 5, 1)
    assert ((values * scales - matrix).abs() <= matrix.abs().amax(-1, keepdim=True) / 254 * 1.001).all()
    again, same = int8_rows(values * scales)
    assert torch.equal(again, values) and torch.allclose(same, scales)


def test_a_package_is_exported_once_more(package, corpus, tmp_path):
    directory, _ = package
    tuned = tmp_path / "tuned"
    decoder = {"method": "beam", "beam": 4}
    write_decoder(
        read_package(directory), decoder, tuned, lambda folder: (folder.mkdir(), (folder / "x").write_text("x"))
    )
    export(tuned, tmp_path / "int8", "int8")
    first, second = (read_package(tmp_path / name) for name in ("tuned", "int8"))
    assert [vars(first)[key] == vars(second)[key] for key in ("training", "decoder", "front_end", "name")] == [True] * 4
    assert (tmp_path / "int8" / "lm" / "x").read_text() == "x"
    assert (tmp_path / "int8" / "MODEL_CARD.md").read_text() == (directory / "MODEL_CARD.md").read_text()
    found = compare(directory, tmp_path / "int8", corpus / "dev.jsonl", "int8")
    assert max(found.alone, found.batched) <= 1e-4 and not found.texts_differ
    export(directory, tmp_path / "other", card="# Another card")
    assert (tmp_path / "other" / "MODEL_CARD.md").read_text() == "# Another card"


def test_the_best_checkpoint_is_taken_the_last_one_or_the_one_named(run, tmp_path):
    newest = read_checkpoint(last(run)).position
    assert find_checkpoint(last(run)).position == newest
    older = min(run.glob("checkpoints/step-*.pt"))
    assert read_checkpoint(older).position.epoch < newest.epoch
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / last(run).name).write_bytes(last(run).read_bytes())
    assert find_checkpoint(tmp_path).position == newest
    (tmp_path / "checkpoints" / best(run).name).write_bytes(older.read_bytes())
    assert find_checkpoint(tmp_path).position == read_checkpoint(older).position


def test_the_average_of_weights_is_exported(run):
    checkpoint = find_checkpoint(run)
    state = load_model(checkpoint).state_dict()
    assert all(torch.equal(state[name], value) for name, value in checkpoint.average.items())
    assert not torch.equal(state["output.weight"], checkpoint.model["output.weight"])


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(InputError) as error:
        export(tmp_path, tmp_path / "package")
    assert str(error.value).startswith(f"{tmp_path / 'checkpoints'}: expected a checkpoint")
    assert not (tmp_path / "package").exists()


def test_what_is_neither_run_nor_checkpoint_nor_package_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for source, message in [
        ("absent", "model 'absent': expected the directory of a model package.*nor a run's folder or a checkpoint"),
        ("absent.pt", "absent.pt: expected a checkpoint of a training run, found no such file"),
        (tmp_path / "notes.txt", "notes.txt: not a checkpoint, or damaged"),
        ("https://example.org/a.tgz", "expected #sha256="),
    ]:
        with pytest.raises(InputError, match=message):
            export(source, tmp_path / "package")


def test_a_graph_that_differs_from_torch_is_not_written(run, tmp_path, monkeypatch):
    def other_weights(model, dtype):
        with torch.no_grad():
            model.output.bias[0] += 0.01
        graph = exports_build(model, dtype)
        with torch.no_grad():
            model.output.bias[0] -= 0.01
        return graph

    exports_build = exports.build
    monkeypatch.setattr(exports, "build", other_weights)
    with pytest.raises(InputError, match="the exported graph differs from torch by 0.0"):
        export(run, tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_a_package_names_no_place_on_the_machine_that_trained_it(package, corpus, run):
    directory, _ = package
    for path in directory.iterdir():
        contents = path.read_bytes()
        for place in (corpus, run, Path.cwd()):
            assert str(place).encode() not in contents, path.name
    assert json.loads((directory / "model.json").read_text())["training"]["data"] == ["train.jsonl"]
