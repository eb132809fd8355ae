"""Fine-tuning: what is taken over from runs and packages, to the bit; what it is worth; and what stays frozen."""

import shutil
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import DESCRIPTION, RATE, tones

from speechrnn.audio import read_audio
from speechrnn.errors import InputError
from speechrnn.export.onnx_graph import build
from speechrnn.export.onnx_weights import read_weights
from speechrnn.export.weight_types import round_weights
from speechrnn.nn.ctc import ctc_loss
from speechrnn.nn.front_end import FrontEndConfig
from speechrnn.nn.model import CTCModel, ModelConfig
from speechrnn.nn.spec_augment import SpecAugmentConfig
from speechrnn.package import write_package
from speechrnn.package_cache import find_package
from speechrnn.runs.checkpoint import Checkpoint, Checkpoints, Position
from speechrnn.runs.config import Config
from speechrnn.text import Tokenizer
from speechrnn.training.initialise import freeze, initialise_from

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = ModelConfig(front_end=FrontEndConfig(num_bins=40), channels=8, layers=2, hidden=32, dropout=0.0)
ONE_LAYER = replace(SMALL, layers=1)
LETTERS = Tokenizer.from_texts(["ABCD"])


def network(config=SMALL, tokenizer=LETTERS, seed=0):
    """A model without SpecAugment."""
    torch.manual_seed(seed)
    return CTCModel(config, len(tokenizer), SpecAugmentConfig(freq_masks=0, time_masks=0))


def scattered(config, tokenizer=LETTERS):
    """A model of which no two tensors are alike: fresh ones have zero biases and equal norms."""
    model = network(config, tokenizer)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(torch.randn_like(tensor) * 0.1)
    return model.eval()


def spoken(tokenizer, letters, seed):
    """Twelve texts of four letters as tones in faint noise: waveforms, lengths, labels and their lengths."""
    random = np.random.default_rng(seed)
    texts = ["".join(random.choice(list(letters), 4)) for _ in range(12)]
    waves = np.stack([tones(text) for text in texts])
    waves += random.normal(0, 1e-3, waves.shape).astype(np.float32)
    labels = torch.tensor([tokenizer.encode(text) for text in texts])
    return torch.from_numpy(waves), torch.full((12,), waves.shape[1]), labels, torch.full((12,), 4)


def loss_of(model, batch):
    log_probs, frames = model(*batch[:2])[:2]
    return ctc_loss(log_probs, frames, *batch[2:]).mean()


def fit(model, batches, steps):
    """The loss before each step, on the batches in turn."""
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for step in range(steps):
        loss = loss_of(model, batches[step % len(batches)])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


def write_run(folder, model, tokenizer=LETTERS):
    """A run with one checkpoint, whose average is not its weights; returns the checkpoint's path."""
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    other = {name: tensor + 1 for name, tensor in weights.items()}
    config = asdict(replace(Config(), model=model.config))
    run = Checkpoints(folder)
    run.save(Checkpoint(config, "", tokenizer.tokens, Position(), other, weights, {}))
    return run.by_step()[-1]


def write_model(folder, model, tokenizer=LETTERS, dtype="float32"):
    """A package of the model."""
    settings = {"front_end": asdict(model.config.front_end), "subsampling": model.config.subsampling}
    seconds = settings["subsampling"] * settings["front_end"]["shift_seconds"]
    description = {**DESCRIPTION, **settings, "seconds_per_frame": seconds}
    write_package(folder / "package", build(model, dtype), tokenizer, description, "# tones\n")
    return folder / "package"


@pytest.fixture(scope="module")
def trained():
    model = network(ONE_LAYER)
    losses = fit(model, [spoken(LETTERS, "ABCD", seed) for seed in range(6)], steps=72)
    assert losses[-1] < 1 < 10 < losses[0]
    return model.eval()


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize(
    "cell, bidirectional, normalise",
    [*product(["gru", "lstm", "rnn"], [True, False], ["utterance"]), ("gru", True, "global"), ("gru", True, "none")],
)
def test_a_graph_gives_back_the_weights_that_it_was_written_from(tmp_path, cell, bidirectional, normalise, dtype):
    config = ModelConfig(
        front_end=FrontEndConfig(kind="mfcc", normalise=normalise),
        cell=cell,
        bidirectional=bidirectional,
        lookahead=3,
        channels=4,
        hidden=10,
        layers=3,
    )
    model = scattered(config)
    (tmp_path / "model.onnx").write_bytes(build(model, dtype))
    weights = read_weights(tmp_path / "model.onnx")
    assert weights.keys() == model.state_dict().keys()
    round_weights(model, dtype)
    for name, tensor in model.state_dict().items():
        assert torch.equal(weights[name], tensor), name


@pytest.mark.parametrize("name", ["letters", "digits", "command"])
def test_the_bundled_model_says_the_same_in_torch(name):
    package = find_package("an4")
    tokenizer = Tokenizer.read(package / "tokens.txt")
    model = network(ModelConfig(front_end=FrontEndConfig(speech_margin_seconds=0.35)), tokenizer).eval()
    report = initialise_from(model, tokenizer, "an4")
    assert report.lines() == ["init_from an4: 3,904,380 of 3,904,380 parameters copied; tokens: 28 mapped"]
    waveform = read_audio(EXAMPLES / f"{name}.wav", RATE)[None]
    session = onnxruntime.InferenceSession(package / "model.onnx", providers=["CPUExecutionProvider"])
    expected, _ = session.run(None, {"waveform": waveform, "lengths": np.array([waveform.shape[1]])})
    with torch.inference_mode():
        found = model(torch.from_numpy(waveform), torch.tensor([waveform.shape[1]]))[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["run", "checkpoint", "package"])
def test_the_same_model_is_copied_to_the_bit_from_each_kind_of_source(tmp_path, kind):
    source, model = scattered(SMALL), network(seed=1)
    if kind == "package":
        path = write_model(tmp_path, source)
    else:
        path = write_run(tmp_path, source)
        path = tmp_path if kind == "run" else path
    report = initialise_from(model, LETTERS, path)
    for name, tensor in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    assert report.parameters == report.of and not report.not_loaded and not report.new and not report.differences
    assert report.tensors == len(source.state_dict()) - 2


def test_tokens_take_the_rows_of_the_same_tokens_or_of_another_case_and_new_ones_stay(tmp_path):
    theirs = Tokenizer(["<blank>", "B", "|", "b", "A", "É", "ß"])
    ours = Tokenizer(["<blank>", "|", "A", "Ä", "B", "a", "b", "c", "é", "ẞ"])
    source, model = scattered(SMALL, theirs), network(SMALL, ours, seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = initialise_from(model, ours, write_run(tmp_path, source, theirs))
    origins = {"<blank>": 0, "|": 2, "A": 4, "B": 1, "a": 4, "b": 3, "é": 5, "ẞ": 6}
    for name in ("output.weight", "output.bias"):
        for index, token in enumerate(ours.tokens):
            expected = source.state_dict()[name][origins[token]] if token in origins else before[name][index]
            assert torch.equal(model.state_dict()[name][index], expected), token
    assert report.mapped == {token: theirs.tokens[index] for token, index in origins.items()}
    assert report.new == ["Ä", "c"]
    assert "; tokens: 8 mapped (3 in another case), 2 new (Ä c)" in report.lines()[0]
    assert report.parameters == report.of - 2 * (2 * SMALL.hidden + 1)


def test_what_it_has_learnt_helps_with_another_alphabet(trained, tmp_path):
    ours = Tokenizer.from_texts(["abcde"])
    fresh, tuned = network(ONE_LAYER, ours, seed=1), network(ONE_LAYER, ours, seed=1)
    initialise_from(tuned, ours, write_model(tmp_path, trained, dtype="float16"))
    known, new = spoken(ours, "abcd", seed=6), spoken(ours, "abcde", seed=7)  # texts that it has not heard
    with torch.no_grad():
        assert loss_of(tuned, known) < 1 < 10 < loss_of(fresh, known)
    of_fresh, of_tuned = fit(fresh, [new], steps=12), fit(tuned, [new], steps=12)
    assert of_tuned[0] < of_fresh[0]
    assert all(tuned < fresh / 2 for tuned, fresh in zip(of_tuned[1:], of_fresh[1:], strict=True))


def test_more_layers_and_another_front_end(tmp_path):
    source = scattered(SMALL)
    front_end = FrontEndConfig(num_bins=30, normalise="global")
    model = network(replace(SMALL, layers=4, front_end=front_end, sample_rate=15300, subsampling=2), seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path = write_run(tmp_path, source)
    report = initialise_from(model, LETTERS, path)
    for name, tensor in model.state_dict().items():
        copied = name.startswith(("subsampling.convolutions", "layers.0", "layers.1", "output"))
        assert torch.equal(tensor, source.state_dict()[name] if copied else before[name]), name
    weights, rest = report.lines()
    assert weights.endswith(
        "; not loaded: normalise layers.2 layers.3 (not in the source); "
        "subsampling.projection (weight: (64, 64) here, (64, 80) in the source)"
    )
    assert rest == (
        f"init_from {path}: the copied weights were trained otherwise: sample_rate 16000 in the source, "
        "15300 here; subsampling 4 in the source, 2 here; front_end.num_bins 40 in the source, 30 here; "
        "front_end.normalise utterance in the source, global here"
    )


def test_fewer_layers_and_the_other_lookahead(tmp_path):
    forward = replace(SMALL, bidirectional=False, lookahead=4)
    source = scattered(forward)
    model = network(replace(forward, layers=1, lookahead=2), seed=1)
    report = initialise_from(model, LETTERS, write_run(tmp_path, source))
    assert torch.equal(model.layers[0].forwards.weight_hh_l0, source.layers[0].forwards.weight_hh_l0)
    assert report.not_loaded == [
        ("layers.0.lookahead", "convolution.weight: (32, 1, 3) here, (32, 1, 5) in the source"),
        ("layers.1", "not in this model"),
        ("layers.1.lookahead", "not in this model"),
    ]


def test_a_layer_of_another_cell_is_left_out_whole_though_some_of_its_tensors_fit(tmp_path):
    """The biases of a GRU of 32 and of an LSTM of 24 have the same length, and so have the norms of equal widths."""
    source, model = scattered(SMALL), network(replace(SMALL, cell="lstm", hidden=24), seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = initialise_from(model, LETTERS, write_run(tmp_path, source))
    for name, tensor in model.state_dict().items():
        convolution = name.startswith("subsampling.convolutions")
        assert torch.equal(tensor, source.state_dict()[name] if convolution else before[name]), name
    assert dict(report.not_loaded)["layers.0"] == "forwards.weight_ih_l0: (96, 48) here, (96, 64) in the source"
    assert dict(report.not_loaded)["output"] == "weight: (48,) here, (64,) in the source"
    assert "tokens: none mapped; not loaded" in report.lines()[0]


def test_where_nothing_fits_it_says_what_differs_and_changes_nothing(tmp_path):
    config = replace(SMALL, front_end=replace(SMALL.front_end, normalise="global"))
    source, model = scattered(config), network(replace(config, channels=4, hidden=12), seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path = write_run(tmp_path, source)
    with pytest.raises(InputError) as error:
        initialise_from(model, LETTERS, path)
    message = str(error.value)
    assert message.startswith(f"init_from {path}: nothing fits this model: subsampling.convolutions.0 (")
    assert "layers.0 layers.1 (forwards.weight_ih_l0: (36, 24) here, (96, 64) in the source)" in message
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_sources_that_cannot_be_used(tmp_path, package_dir):
    def message(source):
        with pytest.raises(InputError) as error:
            initialise_from(network(), LETTERS, source)
        assert "\n" not in str(error.value)
        return str(error.value)

    wanted = "a run's folder (with checkpoints/), a checkpoint (.pt), a model package's folder (with model.json)"
    config = EXAMPLES.parent / "conf/an4.yaml"
    for source, found in (
        ("no/such/run", "none of it"),
        (config, "a file of another kind"),
        (tmp_path, "a folder with none of it"),
    ):
        assert message(source) == (
            f"init_from {source}: expected {wanted} or the name of a bundled one (an4, english), found {found}"
        )
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    assert message(tmp_path / "run").startswith(f"{tmp_path / 'run/checkpoints'}: expected a checkpoint")
    (tmp_path / "notes.pt").write_text("not a checkpoint")
    assert message(tmp_path / "notes.pt").startswith(f"{tmp_path / 'notes.pt'}: not a checkpoint, or damaged")
    assert "model.onnx: expected a graph as `speechrnn export` writes it" in message(package_dir)
    broken = shutil.copytree(package_dir, tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"\x08 nothing of the kind")
    assert f"{broken / 'model.onnx'}: expected an ONNX graph" in message(broken)
    package = write_model(tmp_path, scattered(SMALL))
    (package / "tokens.txt").write_text(Tokenizer.from_texts(["AB"]).lines())
    assert message(package).endswith("expected an output for each of its 4 tokens, found 6")


def test_weights_in_a_form_of_other_tools_are_refused(tmp_path):
    graph = onnx.load_from_string(build(scattered(SMALL), dtype="float32"))
    kept = [tensor for tensor in graph.graph.initializer if tensor.dims != [2, 96, 32]]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(InputError, match="expected a graph as `speechrnn export` writes it"):
        read_weights(tmp_path / "model.onnx")


def test_frozen_parts_stay_and_the_rest_learns():
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    frozen = freeze(model, ["subsampling", "layers.0"])
    fit(model, [spoken(LETTERS, "ABCD", seed=0)], steps=2)
    after = model.state_dict()
    same = {name for name in after if torch.equal(after[name], before[name])}
    assert same == {name for name in after if name.startswith(("subsampling.", "layers.0."))}
    assert frozen == sum(after[name].numel() for name in same)
    assert freeze(network(replace(SMALL, layers=11)), ["layers.1"]) == freeze(network(), ["layers.1"])  # not layers.10
    assert freeze(network(), []) == 0


@pytest.mark.parametrize(
    "prefixes, message",
    [
        (["layer.0"], "found 'layer.0'; nearest: 'layers.0'"),
        (["layers.2"], "found 'layers.2'; nearest: 'layers.1'"),
        (["dropout"], "found 'dropout'; nearest: 'output'"),
        (["layers", "subsampling", "output"], "freeze: layers, subsampling, output: nothing would be left to train"),
    ],
)
def test_freezing_what_is_not_there_or_everything(prefixes, message):
    model = network()
    with pytest.raises(InputError) as error:
        freeze(model, prefixes)
    assert str(error.value).endswith(message)
    assert all(parameter.requires_grad for parameter in model.parameters())
