"""The acoustic model as an ONNX graph, written node by node from the weights.

One builder for two interfaces: a package's graph begins with the waveform, sherpa-onnx's with Kaldi's filter bank energies.
"""

import math
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from speechrnn.export.weight_types import int8_rows
from speechrnn.nn.front_end import (
    DECIBEL,
    DYNAMIC_RANGE,
    ENERGY_FLOOR,
    INT16_SCALE,
    SPEECH_RANGE,
    FrontEnd,
    Normalise,
)
from speechrnn.nn.model import CTCModel
from speechrnn.nn.recurrent import Lookahead, RecurrentLayer
from speechrnn.nn.subsampling import Subsampling

OPSET = 18
# torch stacks the gates of a GRU as r z n, ONNX as z r h; of an LSTM as i f g o, ONNX as i o f c
GATES = {nn.GRU: ("GRU", [1, 0, 2]), nn.LSTM: ("LSTM", [0, 3, 1, 2]), nn.RNN: ("RNN", [0])}


def build(model: CTCModel, dtype: str) -> bytes:
    """Serialise the model in evaluation mode: `waveform` (batch, samples) and `lengths` (batch,) to `log_probs` (batch, frames,
    tokens) and `frame_lengths` (batch,). `dtype` is how matrices are stored; see `speechrnn.export.weight_types`."""
    graph = Graph(dtype)
    x, lengths, count = front_end(graph, model.front_end, "waveform", "lengths")
    network(graph, model, x, lengths, count, "frame_lengths")
    inputs = [("waveform", TensorProto.FLOAT, ["batch", "samples"]), ("lengths", TensorProto.INT64, ["batch"])]
    return graph.serialise(inputs, outputs(model, "frame_lengths"))


def build_for_features(model: CTCModel, dtype: str, metadata: dict[str, str]) -> bytes:
    """Serialise the model without its front end: `x` (batch, features' frames, features), the energies of a waveform in
    [-1, 1], and `x_lens` (batch,) to `log_probs` (batch, frames, tokens) and `log_probs_len` (batch,)."""
    graph = Graph(dtype)
    # Ours are energies at int16 scale: the sample's scale squared, which is a sum in the logarithm
    x = graph.add("Add", "x", graph.scalar(2 * math.log(INT16_SCALE)))
    count = graph.add("Squeeze", graph.add("Shape", "x", start=1, end=2), graph.integers(0))
    network(graph, model, x, "x_lens", count, "log_probs_len")
    width = len(model.normalise.mean)
    inputs = [("x", TensorProto.FLOAT, ["batch", "features", width]), ("x_lens", TensorProto.INT64, ["batch"])]
    return graph.serialise(inputs, outputs(model, "log_probs_len"), metadata)


def outputs(model: CTCModel, lengths: str) -> list[tuple]:
    """What both graphs give."""
    shape = ["batch", "frames", model.output.out_features]
    return [("log_probs", TensorProto.FLOAT, shape), (lengths, TensorProto.INT64, ["batch"])]


def network(g: "Graph", model: CTCModel, x: str, lengths: str, count: str, output_lengths: str) -> None:
    """All that follows the front end, to `log_probs` and their lengths under the name given."""
    x = normalise(g, model.normalise, x, lengths, count)
    x, lengths, count = subsampling(g, model.subsampling, x, lengths, count)
    x = g.add("Transpose", x, perm=[1, 0, 2])  # (frames, batch, width), as ONNX's recurrences want it
    for layer in model.layers:
        assert isinstance(layer, RecurrentLayer)
        x = recurrent_layer(g, layer, x, lengths, count)
    x = linear(g, x, g.weight(model.output.weight), model.output.bias)
    x = g.add("Transpose", x, perm=[1, 0, 2])
    g.add("LogSoftmax", x, axis=-1, output="log_probs")
    g.add("Identity", lengths, output=output_lengths)


class Graph:
    """Nodes and constants in the making. Values are known by their names."""

    def __init__(self, dtype: str):
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, op: str, *inputs: str, output: str | None = None, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; returns the name of its output, or a list of names if it has several."""
        stem = f"{op}_{len(self.nodes)}"
        names = [output or stem] if outputs == 1 else [f"{stem}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def integers(self, *values: int) -> str:
        """A vector of int64."""
        return self._constant(np.array(values, dtype=np.int64))

    def scalar(self, value: float | int) -> str:
        """A float32 or int64 without dimensions."""
        return self._constant(np.array(value, dtype=np.int64 if isinstance(value, int) else np.float32))

    def exact(self, tensor: Tensor) -> str:
        """A constant that is stored in float32 always."""
        return self._constant(tensor.detach().cpu().float().numpy())

    def weight(self, tensor: Tensor) -> str:
        """A weight, stored in float16 unless all shall be float32, behind a Cast that is folded at load."""
        if self.dtype == "float32":
            return self.exact(tensor)
        name = self._constant(tensor.detach().cpu().numpy().astype(np.float16))
        return self.add("Cast", name, to=TensorProto.FLOAT)

    def matrix(self, tensor: Tensor) -> str:
        """A large matrix (..., outputs, inputs), one of those that int8 is for, with a scale for each output.

        Behind a Cast and a Mul, which ONNX Runtime folds at load: a DequantizeLinear it computes anew in every run, and a
        recurrence whose weights are not constant took four times as long.
        """
        if self.dtype != "int8":
            return self.weight(tensor)
        values, scales = int8_rows(tensor.detach().cpu())
        cast = self.add("Cast", self._constant(values.numpy()), to=TensorProto.FLOAT)
        return self.add("Mul", cast, self._constant(scales.numpy()))

    def _constant(self, array: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        if array.ndim <= 1 and array.size <= 4:  # small ones are named by their value and shared
            name = f"{array.dtype}_{array.ndim}_{'_'.join(map(str, np.ravel(array)))}"
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def serialise(self, inputs: list[tuple], outputs: list[tuple], metadata: dict[str, str] | None = None) -> bytes:
        """The checked model as bytes."""
        graph = helper.make_graph(
            self.nodes,
            "speechrnn",
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for value in outputs],
            list(self.constants.values()),
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9, producer_name="speechrnn"
        )
        helper.set_model_props(model, metadata or {})
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def front_end(g: Graph, module: FrontEnd, waveform: str, lengths: str) -> tuple[str, str, str]:
    """`FrontEnd.forward`. Returns features (batch, frames, features), their lengths, and the largest of these."""
    shift, window = module.shift, module.window
    frame_lengths = g.add("Div", g.add("Add", lengths, g.scalar(shift // 2)), g.scalar(shift))
    frame_lengths = g.add("Max", frame_lengths, g.scalar(1))
    count = g.add("ReduceMax", frame_lengths, keepdims=0)
    first = shift // 2 - window // 2
    end = g.add("Add", g.add("Mul", count, g.scalar(shift)), g.scalar(first + window - shift))
    period = g.add("Unsqueeze", g.add("Mul", lengths, g.scalar(2)), g.integers(1))
    index = g.add("Mod", g.add("Range", g.scalar(first), end, g.scalar(1)), period)
    index = g.add("Min", index, g.add("Sub", g.add("Sub", period, g.scalar(1)), index))
    mirrored = g.add("Unsqueeze", g.add("GatherElements", waveform, index, axis=1), g.integers(1))
    # A convolution with the rows of the basis is the matrix product with every frame
    spectrum = g.add("Conv", mirrored, g.exact(module.basis[:, None, :]), strides=[shift])
    real, imaginary = g.add("Split", spectrum, axis=1, num_outputs=2, outputs=2)
    energy = g.add("Add", g.add("Mul", real, real), g.add("Mul", imaginary, imaginary))
    x = g.add("Transpose", energy, perm=[0, 2, 1])
    if module.mel is not None:
        x = g.add("MatMul", x, g.exact(module.mel))
    x = g.add("Log", g.add("Max", x, g.scalar(ENERGY_FLOOR)))
    if module.cosine is not None:
        x = g.add("MatMul", x, g.exact(module.cosine))
    return x, frame_lengths, count


def mask(g: Graph, lengths: str, count: str) -> str:
    """`frame_mask` as float32, (batch, count)."""
    t = g.add("Range", g.scalar(0), count, g.scalar(1))
    valid = g.add("Less", g.add("Unsqueeze", t, g.integers(0)), g.add("Unsqueeze", lengths, g.integers(1)))
    return g.add("Cast", valid, to=TensorProto.FLOAT)


def normalise(g: Graph, module: Normalise, x: str, lengths: str, count: str) -> str:
    """`Normalise.forward`."""
    valid = g.add("Unsqueeze", mask(g, lengths, count), g.integers(2))
    if module.mode != "utterance":
        centred = g.add("Sub", x, g.exact(module.mean))
        return g.add("Mul", g.add("Div", centred, g.exact(module.deviation)), valid)
    padding = g.add("Mul", g.add("Sub", valid, g.scalar(1.0)), g.scalar(1e9))  # far below any energy
    if module.floored:
        loudest = g.add("ReduceMax", g.add("Add", x, padding), g.integers(1, 2))
        x = g.add("Max", x, g.add("Sub", loudest, g.scalar(DYNAMIC_RANGE)))
    weights = speech_weights(g, module, x, valid, padding)
    total = g.add("ReduceSum", weights, g.integers(1))
    mean = g.add("Div", g.add("ReduceSum", g.add("Mul", x, weights), g.integers(1)), total)
    left = g.add("ReduceSum", g.add("Mul", g.add("Sub", x, mean), weights), g.integers(1))
    mean = g.add("Add", mean, g.add("Div", left, total))
    centred = g.add("Mul", g.add("Sub", x, mean), valid)
    squares = g.add("Mul", g.add("Mul", centred, centred), weights)
    variance = g.add("Div", g.add("ReduceSum", squares, g.integers(1)), total)
    return g.add("Div", centred, g.add("Sqrt", g.add("Add", variance, g.scalar(1e-5))))


def speech_weights(g: Graph, module: Normalise, x: str, valid: str, padding: str) -> str:
    """`Normalise.speech_weights`."""
    if module.floored:
        level = g.add("ReduceMean", x, g.integers(2))
    else:
        first = g.add("Slice", x, g.integers(0), g.integers(1), g.integers(2))
        level = g.add("Div", first, g.scalar(module.bins**0.5))
    level = g.add("Add", level, padding)
    below = g.add("Sub", level, g.add("ReduceMax", level, g.integers(1)))
    above = g.add("Add", g.add("Div", below, g.scalar(10 * DECIBEL)), g.scalar(SPEECH_RANGE / (10 * DECIBEL) + 1))
    above = g.add("Transpose", g.add("Clip", above, g.scalar(0.0), g.scalar(1.0)), perm=[0, 2, 1])
    size, pads = [2 * module.margin + 1], [module.margin, module.margin]
    near = g.add("Transpose", g.add("MaxPool", above, kernel_shape=size, pads=pads), perm=[0, 2, 1])
    return g.add("Mul", near, valid)


def subsampling(g: Graph, module: Subsampling, x: str, lengths: str, count: str) -> tuple[str, str, str]:
    """`Subsampling.forward`."""
    x = g.add("Unsqueeze", x, g.integers(1))
    for convolution, stride in zip(module.convolutions, module.strides, strict=True):
        assert isinstance(convolution, nn.Conv2d) and convolution.bias is not None
        x = g.add("Mul", x, g.add("Unsqueeze", mask(g, lengths, count), g.integers(1, 3)))
        pads = [*convolution.padding, *convolution.padding]
        weights = g.weight(convolution.weight), g.exact(convolution.bias)
        x = g.add("Relu", g.add("Conv", x, *weights, strides=convolution.stride, pads=pads))
        lengths = g.add("Div", g.add("Add", lengths, g.scalar(stride - 1)), g.scalar(stride))
        count = g.add("Div", g.add("Add", count, g.scalar(stride - 1)), g.scalar(stride))
    x = g.add("Transpose", x, perm=[0, 2, 1, 3])
    x = g.add("Reshape", x, g.integers(0, 0, module.projection.in_features))
    x = linear(g, x, g.matrix(module.projection.weight), module.projection.bias)
    return layer_norm(g, module.norm, x), lengths, count


def recurrent_layer(g: Graph, layer: RecurrentLayer, x: str, lengths: str, count: str) -> str:
    """`RecurrentLayer.forward` on (frames, batch, width). Both directions are one node, whose `sequence_lens` reverses each
    utterance within its own length."""
    op, order = GATES[type(layer.forwards)]
    directions = [layer.forwards] if layer.backwards is None else [layer.forwards, layer.backwards]
    hidden = layer.forwards.hidden_size
    stacked = [
        torch.stack([in_gate_order(getattr(d, name), order) for d in directions])
        for name in ("weight_ih_l0", "weight_hh_l0")
    ]
    biases = torch.stack(
        [torch.cat([in_gate_order(getattr(d, n), order) for n in ("bias_ih_l0", "bias_hh_l0")]) for d in directions]
    )
    attributes: dict[str, Any] = {"hidden_size": hidden, "direction": "forward"}
    if op == "GRU":
        attributes["linear_before_reset"] = 1
    if layer.backwards is not None:
        attributes["direction"] = "bidirectional"
    sequence_lens = g.add("Cast", lengths, to=TensorProto.INT32)
    y = g.add(op, x, *map(g.matrix, stacked), g.exact(biases), sequence_lens, **attributes)
    if layer.summed:
        y = g.add("ReduceSum", y, g.integers(1), keepdims=0)  # from (frames, directions, batch, hidden)
    else:
        y = g.add("Transpose", y, perm=[0, 2, 1, 3])
        y = g.add("Reshape", y, g.integers(0, 0, hidden * len(directions)))
    if layer.lookahead is not None:
        y = lookahead(g, layer.lookahead, y, lengths, count)
    y = layer_norm(g, layer.norm, y)
    return g.add("Add", x, y) if layer.residual else y


def lookahead(g: Graph, module: Lookahead, x: str, lengths: str, count: str) -> str:
    """`Lookahead.forward` on (frames, batch, width)."""
    x = g.add("Transpose", x, perm=[1, 2, 0])
    x = g.add("Mul", x, g.add("Unsqueeze", mask(g, lengths, count), g.integers(1)))
    convolution = module.convolution
    x = g.add("Conv", x, g.weight(convolution.weight), group=convolution.groups, pads=[0, module.frames])
    return g.add("Transpose", x, perm=[2, 0, 1])


def linear(g: Graph, x: str, weight: str, bias: Tensor) -> str:
    """x @ weight.T + bias; the transposition is folded at load as well."""
    return g.add("Add", g.add("MatMul", x, g.add("Transpose", weight, perm=[1, 0])), g.exact(bias))


def layer_norm(g: Graph, module: nn.LayerNorm, x: str) -> str:
    """Layer normalisation of the last axis."""
    return g.add("LayerNormalization", x, g.exact(module.weight), g.exact(module.bias), axis=-1, epsilon=module.eps)


def in_gate_order(weights: Tensor, order: list[int]) -> Tensor:
    """The gates, stacked along the first axis, in another order."""
    gates = weights.chunk(len(order))
    return torch.cat([gates[i] for i in order])
