"""The log-mel front end on ONNX Runtime: how its transform is best written.

Three graphs of the same features, timed in turn in one process: the windowed DFT basis as a convolution, which is what
packages hold; the same basis as a matrix product with gathered frames; and ONNX's own STFT operator, with pre-emphasis of
the whole signal and a symmetric povey window as its peer (it cannot remove a frame's mean, so its features differ a little).

  python benchmarks/front_end.py
  python benchmarks/front_end.py --seconds 30 --threads 1 4
"""

import argparse
import time

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto

from speechrnn.export import onnx_graph
from speechrnn.export.onnx_graph import Graph
from speechrnn.nn.front_end import INT16_SCALE, FrontEnd, FrontEndConfig

RATE = 16000
SIZE = 512


def mirrored(g: Graph, module: FrontEnd) -> tuple[str, str]:
    """The waveform mirrored at its ends, (batch, samples), and the number of frames, as the front end has them."""
    shift, window = module.shift, module.window
    frame_lengths = g.add("Div", g.add("Add", "lengths", g.scalar(shift // 2)), g.scalar(shift))
    count = g.add("ReduceMax", g.add("Max", frame_lengths, g.scalar(1)), keepdims=0)
    first = shift // 2 - window // 2
    end = g.add("Add", g.add("Mul", count, g.scalar(shift)), g.scalar(first + window - shift))
    period = g.add("Unsqueeze", g.add("Mul", "lengths", g.scalar(2)), g.integers(1))
    index = g.add("Mod", g.add("Range", g.scalar(first), end, g.scalar(1)), period)
    index = g.add("Min", index, g.add("Sub", g.add("Sub", period, g.scalar(1)), index))
    return g.add("GatherElements", "waveform", index, axis=1), count


def log_mel(g: Graph, module: FrontEnd, power: str) -> None:
    """Power (batch, frames, bins of the spectrum) to the output."""
    mel = g.add("MatMul", power, g.exact(module.mel))
    g.add("Log", g.add("Max", mel, g.scalar(1.2e-7)), output="features")


def convolution(g: Graph, module: FrontEnd) -> None:
    """What `speechrnn export` writes."""
    x, _, _ = onnx_graph.front_end(g, module, "waveform", "lengths")
    g.add("Identity", x, output="features")


def matrix_product(g: Graph, module: FrontEnd) -> None:
    """Frames gathered from the mirrored signal, then one matrix product."""
    signal, count = mirrored(g, module)
    starts = g.add("Mul", g.add("Range", g.scalar(0), count, g.scalar(1)), g.scalar(module.shift))
    offsets = g.integers(*range(module.window))
    index = g.add("Add", g.add("Unsqueeze", starts, g.integers(1)), offsets)  # (frames, window)
    frames = g.add("Gather", signal, index, axis=1)  # (batch, frames, window)
    spectrum = g.add("MatMul", frames, g.exact(module.basis.T))
    real, imaginary = g.add("Split", spectrum, axis=2, num_outputs=2, outputs=2)
    log_mel(g, module, g.add("Add", g.add("Mul", real, real), g.add("Mul", imaginary, imaginary)))


def stft(g: Graph, module: FrontEnd) -> None:
    """Pre-emphasis as a difference of the whole signal, then the STFT operator."""
    signal, _ = mirrored(g, module)
    kernel = g.exact(torch.tensor([[[-0.97, 1.0]]]) * INT16_SCALE)
    emphasised = g.add("Conv", g.add("Unsqueeze", signal, g.integers(1)), kernel, pads=[1, 0])
    emphasised = g.add("Squeeze", emphasised, g.integers(1))
    # The operator takes a window of the frame's length: 400 samples and 112 zeros; the signal grows by as many
    padded = g.add("Pad", emphasised, g.integers(0, 0, 0, SIZE - module.window))
    window = torch.zeros(SIZE)
    window[: module.window] = torch.from_numpy(np.hanning(module.window) ** 0.85)
    spectrum = g.add("STFT", padded, g.scalar(module.shift), g.exact(window), g.scalar(SIZE), onesided=1)
    log_mel(g, module, g.add("ReduceSum", g.add("Mul", spectrum, spectrum), g.integers(3), keepdims=0))


FORMS = {"convolution (ours)": convolution, "frames, matrix product": matrix_product, "STFT operator": stft}


def session(write, threads: int) -> onnxruntime.InferenceSession:
    """A graph of one form, loaded."""
    g = Graph(dtype="float32")
    write(g, FrontEnd(FrontEndConfig(), RATE))
    graph = g.serialise(
        [("waveform", TensorProto.FLOAT, ["batch", "samples"]), ("lengths", TensorProto.INT64, ["batch"])],
        [("features", TensorProto.FLOAT, ["batch", "frames", 80])],
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of audio, batch 1 (default: 10)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    parser.add_argument("--rounds", type=int, default=30, help="default: 30; the fastest and the median are shown")
    arguments = parser.parse_args()
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, round(arguments.seconds * RATE))).astype(np.float32)
    inputs = {"waveform": waveform, "lengths": np.array([waveform.shape[1]])}
    print(f"{'form':24}{'threads':>8}{'us a second, median':>21}{'fastest':>9}{'ratio':>7}{'mean difference':>17}")
    for threads in arguments.threads:
        sessions = {name: session(write, threads) for name, write in FORMS.items()}
        results = {name: each.run(None, inputs)[0] for name, each in sessions.items()}
        times: dict[str, list[float]] = {name: [] for name in FORMS}
        for _ in range(arguments.rounds):  # in turn, so that what else the machine does meets all of them
            for name, each in sessions.items():
                began = time.perf_counter()
                each.run(None, inputs)
                times[name].append((time.perf_counter() - began) / arguments.seconds * 1e6)
        ours = np.median(times["convolution (ours)"])
        for name, taken in times.items():
            difference = np.abs(results[name] - results["convolution (ours)"]).mean()
            print(
                f"{name:24}{threads:8}{np.median(taken):21.0f}{min(taken):9.0f}{np.median(taken) / ours:7.2f}{difference:17.2g}"
            )


if __name__ == "__main__":
    main()
