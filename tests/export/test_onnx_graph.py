"""The exported graph on ONNX Runtime against torch, for every shape of network."""

from itertools import cycle, product

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from speechrnn.export.onnx_graph import build
from speechrnn.export.weight_types import round_weights
from speechrnn.nn.front_end import FrontEndConfig
from speechrnn.nn.model import CTCModel, ModelConfig

SHAPES = list(product(["gru", "lstm", "rnn"], [True, False], [2, 3, 4]))
FRONT_ENDS = list(product(["fbank", "mfcc", "mel", "spectrogram"], ["utterance", "global", "none"]))
# Not below 5 frames: where only 2 or 3 decide a variance, it may be so small that it magnifies float32's rounding 300 times
BATCHES = ([5001, 801, 3333], [16_000], [901, 1111, 2047, 4096], [800, 800])


def network(cell, bidirectional, subsampling, kind, normalise, layers=2, directions="concatenate"):
    """A small network whose weights all matter."""
    torch.manual_seed(0)
    config = ModelConfig(
        front_end=FrontEndConfig(kind=kind, normalise=normalise, num_bins=40),
        subsampling=subsampling,
        channels=4,
        cell=cell,
        bidirectional=bidirectional,
        directions=directions,
        lookahead=3,
        layers=layers,
        hidden=12,
    )
    model = CTCModel(config, tokens=9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        if normalise == "global":
            model.normalise.mean.copy_(10 + torch.randn_like(model.normalise.mean))
            model.normalise.deviation.copy_(1 + torch.rand_like(model.normalise.deviation))
    return model.eval()


def largest_difference(model, graph, lengths, padding=0.5):
    """Of any log-probability on noise, with something else in the padding for ONNX Runtime than for torch."""
    random = np.random.default_rng(sum(lengths))
    waveform = random.normal(0, 0.1, (len(lengths), max(lengths))).astype(np.float32)
    other = waveform.copy()
    for row, length in zip(other, lengths, strict=True):
        row[length:] = padding
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    ours, frames = session.run(None, {"waveform": other, "lengths": np.array(lengths, np.int64)})
    with torch.inference_mode():
        theirs, their_frames = model(torch.from_numpy(waveform), torch.tensor(lengths))
    assert ours.dtype == np.float32 and frames.dtype == np.int64
    assert ours.shape == tuple(theirs.shape) and frames.tolist() == their_frames.tolist()
    return max(np.abs(a[:n] - b[:n].numpy()).max() for a, b, n in zip(ours, theirs, frames, strict=True))


@pytest.mark.parametrize(
    "shape, front_end, lengths",
    [
        *zip(SHAPES, cycle(FRONT_ENDS), cycle(BATCHES), strict=False),
        *zip(cycle(SHAPES[::-1]), FRONT_ENDS, cycle(BATCHES), strict=False),
    ],
    ids=str,
)
def test_the_graph_equals_torch(shape, front_end, lengths):
    model = network(*shape, *front_end)
    assert largest_difference(model, build(model, dtype="float32"), lengths) <= 1e-4


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_the_graph_equals_torch_with_summed_directions(cell):
    model = network(cell, True, 4, "fbank", "utterance", directions="sum")
    assert largest_difference(model, build(model, dtype="float32"), [5001, 801, 3333]) <= 1e-4


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("cell, bidirectional", list(product(["gru", "lstm", "rnn"], [True, False])))
def test_a_smaller_type_equals_torch_with_rounded_weights(cell, bidirectional, dtype):
    exact = network(cell, bidirectional, 4, "fbank", "utterance")
    rounded = network(cell, bidirectional, 4, "fbank", "utterance")
    round_weights(rounded, dtype)
    graph = build(exact, dtype)
    assert largest_difference(rounded, graph, [5001, 801, 3333]) <= 1e-4
    assert largest_difference(exact, graph, [5001, 801, 3333]) > 1e-4  # rounding is there, and seen


def test_float16_halves_the_matrices_and_leaves_the_front_end_alone():
    model = network("gru", True, 4, "fbank", "utterance")
    full, half = (onnx.load_from_string(build(model, dtype)) for dtype in ("float32", "float16"))
    kinds = {t.name: t.data_type for t in half.graph.initializer}
    matrices = [t for t in half.graph.initializer if kinds[t.name] == onnx.TensorProto.FLOAT16]
    assert sum(np.prod(t.dims) for t in matrices) == sum(p.numel() for p in model.parameters() if p.dim() >= 2)
    assert half.ByteSize() < full.ByteSize()
    basis = [t for t in half.graph.initializer if list(t.dims) == [514, 1, 400]]
    assert [kinds[t.name] for t in basis] == [onnx.TensorProto.FLOAT]


@pytest.mark.parametrize("samples", [1, 7, 79, 80, 159, 241])
@pytest.mark.parametrize("subsampling", [2, 3, 4])
def test_the_shortest_signals(samples, subsampling):
    model = network("gru", True, subsampling, "fbank", "utterance")
    graph = onnxruntime.InferenceSession(build(model, dtype="float32"), providers=["CPUExecutionProvider"])
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, samples)).astype(np.float32)
    log_probs, frames = graph.run(None, {"waveform": waveform, "lengths": np.array([samples])})
    with torch.inference_mode():
        theirs, their_frames = model(torch.from_numpy(waveform), torch.tensor([samples]))
    assert log_probs.shape == tuple(theirs.shape) and frames.tolist() == their_frames.tolist()
    np.testing.assert_allclose(np.exp(log_probs).sum(-1), 1, atol=1e-5)


def test_silence_gives_the_same_probabilities_as_torch():
    model = network("gru", True, 4, "fbank", "utterance")
    waveform = np.zeros((2, 4000), np.float32)
    waveform[1, :1500] = np.random.default_rng(0).normal(0, 0.1, 1500)  # digital silence within the second's length
    session = onnxruntime.InferenceSession(build(model, dtype="float32"), providers=["CPUExecutionProvider"])
    ours, _ = session.run(None, {"waveform": waveform, "lengths": np.array([4000, 4000])})
    with torch.inference_mode():
        theirs, _ = model(torch.from_numpy(waveform), torch.tensor([4000, 4000]))
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)


def test_the_interface_is_the_contract():
    graph = onnx.load_from_string(build(network("gru", True, 4, "fbank", "utterance"), dtype="float16")).graph

    def described(values):
        tensors = {value.name: value.type.tensor_type for value in values}
        return {n: (t.elem_type, [d.dim_param or d.dim_value for d in t.shape.dim]) for n, t in tensors.items()}

    float32, int64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    assert described(graph.input) == {"waveform": (float32, ["batch", "samples"]), "lengths": (int64, ["batch"])}
    assert described(graph.output) == {
        "log_probs": (float32, ["batch", "frames", 9]),
        "frame_lengths": (int64, ["batch"]),
    }
