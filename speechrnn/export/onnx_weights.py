"""The way back from `speechrnn.export.onnx_graph`: the weights of an exported graph under the names of the model."""

import os
from collections.abc import Callable

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from speechrnn.errors import InputError
from speechrnn.export.onnx_graph import GATES, in_gate_order
from speechrnn.nn.front_end import FrontEndConfig
from speechrnn.nn.model import CTCModel, ModelConfig
from speechrnn.package import Package

GATE_ORDERS = dict(GATES.values())
# float16 stands behind a Cast, int8 behind a Cast and a Mul, and the matrix of a linear map behind a Transpose
UNPACKED: dict[str, Callable[..., Tensor]] = {"Cast": lambda x: x, "Mul": torch.mul, "Transpose": torch.t}


def read_weights(path: str | os.PathLike) -> dict[str, Tensor]:
    """The `state_dict` of the model that a graph was written from, in float32; matrices as they were rounded.

    The nodes that hold weights stand in the order of the network, so each is named by its kind and by what came before it:
    nothing depends on the names of nodes, nor on what a version of the writer puts between them.

    Raises:
        InputError: the file is not ONNX, or not a graph that `speechrnn export` writes.
    """
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # protobuf and onnx have kinds of their own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: expected an ONNX graph: {reason}") from None
    try:
        weights = _collect(graph)
    except (KeyError, RuntimeError, ValueError):
        weights = {}
    if not {"subsampling.projection.weight", "layers.0.norm.weight", "output.weight"} <= weights.keys():
        raise InputError(f"{path}: expected a graph as `speechrnn export` writes it, found another: weights not read")
    return weights


def read_model(package: Package) -> CTCModel:
    """The model of a package, in evaluation mode. Its shape is that of its weights.

    Raises:
        InputError: its graph is not one that `speechrnn export` writes, or does not fit its model.json.
    """
    weights = read_weights(package.model_path)
    recurrent = weights["layers.0.forwards.weight_hh_l0"]  # (gates * hidden, hidden)
    hidden, width = recurrent.shape[1], len(weights["subsampling.projection.weight"])
    bidirectional = "layers.0.backwards.weight_hh_l0" in weights
    lookahead = weights.get("layers.0.lookahead.convolution.weight", torch.zeros(1))
    try:
        config = ModelConfig(
            sample_rate=package.sample_rate,
            front_end=FrontEndConfig(**package.front_end),
            subsampling=package.subsampling,
            channels=len(weights["subsampling.convolutions.0.weight"]),
            cell={1: "rnn", 3: "gru", 4: "lstm"}[len(recurrent) // hidden],
            bidirectional=bidirectional,
            directions="sum" if bidirectional and width == hidden else "concatenate",
            lookahead=lookahead.shape[-1] - 1,
            layers=sum(name.endswith(".forwards.weight_hh_l0") for name in weights),
            hidden=hidden,
        )
        model = CTCModel(config, len(package.tokenizer))
        model.load_state_dict(weights)
    except (KeyError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{package.directory}: model.onnx does not fit model.json and tokens.txt: {reason}") from None
    return model.eval()


def _collect(graph: onnx.GraphProto) -> dict[str, Tensor]:
    constants = {tensor.name: _float32(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    for node in graph.node:  # what stands between a stored weight and its use
        if node.op_type in UNPACKED and all(name in constants for name in node.input):
            constants[node.output[0]] = UNPACKED[node.op_type](*(constants[name] for name in node.input))
    biases = {
        node.input[0]: node.input[1] for node in graph.node if node.op_type == "Add" and node.input[1] in constants
    }
    means = {
        node.output[0]: node.input[1] for node in graph.node if node.op_type == "Sub" and node.input[1] in constants
    }

    weights: dict[str, Tensor] = {}
    layers = convolutions = 0
    for node in graph.node:
        inputs, part = node.input, f"layers.{layers - 1}" if layers else "subsampling"
        if node.op_type in GATE_ORDERS:
            weights |= _recurrences(f"layers.{layers}", GATE_ORDERS[node.op_type], *(constants[i] for i in inputs[1:4]))
            layers += 1
        elif node.op_type == "Conv" and layers:
            weights[f"{part}.lookahead.convolution.weight"] = constants[inputs[1]]
        elif node.op_type == "Conv" and len(inputs) == 3:  # the front end's, a matrix of the configuration, has no bias
            weights[f"{part}.convolutions.{convolutions}.weight"] = constants[inputs[1]]
            weights[f"{part}.convolutions.{convolutions}.bias"] = constants[inputs[2]]
            convolutions += 1
        elif node.op_type == "MatMul" and node.output[0] in biases:
            name = "output" if layers else "subsampling.projection"
            weights[f"{name}.weight"] = constants[inputs[1]].T.contiguous()
            weights[f"{name}.bias"] = constants[biases[node.output[0]]]
        elif node.op_type == "LayerNormalization":
            weights[f"{part}.norm.weight"], weights[f"{part}.norm.bias"] = (constants[i] for i in inputs[1:3])
        elif node.op_type == "Div" and inputs[0] in means and inputs[1] in constants:
            weights["normalise.mean"], weights["normalise.deviation"] = (
                constants[means[inputs[0]]],
                constants[inputs[1]],
            )
    mean = weights.get("normalise.mean")
    if mean is not None and not mean.any():  # `normalise: none` is written as mean 0 and deviation 1
        del weights["normalise.mean"], weights["normalise.deviation"]
    return weights


def _recurrences(layer: str, order: list[int], inputs: Tensor, hidden: Tensor, biases: Tensor) -> dict[str, Tensor]:
    """One or two directions: (directions, gates * hidden, ...) and biases (directions, 2 * gates * hidden) in ONNX's order."""
    back = np.argsort(order).tolist()
    weights: dict[str, Tensor] = {}
    for name, ih, hh, bias in zip(("forwards", "backwards"), inputs, hidden, biases, strict=False):
        tensors = {"weight_ih_l0": ih, "weight_hh_l0": hh}
        tensors["bias_ih_l0"], tensors["bias_hh_l0"] = bias.chunk(2)
        weights |= {f"{layer}.{name}.{key}": in_gate_order(tensor, back) for key, tensor in tensors.items()}
    return weights


def _float32(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
