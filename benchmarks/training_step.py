"""One training step (forward, CTC, backward, update) of a bidirectional GRU of 5 layers of 512 on 2 threads.

The peer is the same network written as deepspeech.pytorch writes it: every layer packs the sequences, runs torch's bidirectional
GRU, unpacks, and sums the directions. A third is speechrnn with torch's GRU in place of its own. Front end, subsampling, norm,
residual and weights are the same; there is no dropout, as in deepspeech.pytorch. Noise of 6 to 15 s, grouped by our batch plan.

    python benchmarks/training_step.py                          # batches of 10, 20, 40: the ratios, and where the time goes
    python benchmarks/training_step.py --directions concatenate
    python benchmarks/training_step.py --steps 50 --batches 10  # the losses after 50 steps, too
    python benchmarks/training_step.py --device cuda            # and hours of audio a minute
"""

import argparse
import contextlib
import copy
import statistics
import time
from collections import Counter
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from speechrnn.data.plan import padding_share, plan
from speechrnn.nn.ctc import ctc_loss
from speechrnn.nn.gru import Product
from speechrnn.nn.model import CTCModel, ModelConfig
from speechrnn.nn.recurrent import RecurrentLayer, reorder

THREADS, LAYERS, HIDDEN, TOKENS, LETTERS_A_SECOND, SAMPLE_RATE = 2, 5, 512, 29, 14, 16_000
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


class PackedLayer(nn.Module):
    """A layer as deepspeech.pytorch's BatchRNN computes it, with the weights of ours."""

    def __init__(self, ours: RecurrentLayer):
        super().__init__()
        self.norm, self.summed, self.residual = copy.deepcopy(ours.norm), ours.summed, ours.residual
        self.rnn = nn.GRU(ours.forwards.input_size, ours.forwards.hidden_size, bidirectional=True)
        for name in WEIGHTS:
            getattr(self.rnn, name).data.copy_(getattr(ours.forwards, name).data)
            getattr(self.rnn, name + "_reverse").data.copy_(getattr(ours.backwards, name).data)

    def forward(self, x: Tensor, lengths: Tensor, reversal: Tensor) -> Tensor:
        y = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu())
        y, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(y)[0])
        if self.summed:
            y = y.view(*y.shape[:2], 2, -1).sum(2)
        y = self.norm(y)
        return x + y if self.residual else y


class TorchLayer(nn.Module):
    """Our layer with torch's GRU: one a direction, over padded frames."""

    def __init__(self, ours: RecurrentLayer):
        super().__init__()
        self.ours = copy.deepcopy(ours)

    def forward(self, x: Tensor, lengths: Tensor, reversal: Tensor) -> Tensor:
        y, z = self.ours.forwards(x)[0], reorder(self.ours.backwards(reorder(x, reversal))[0], reversal)
        y = self.ours.norm(y + z if self.ours.summed else torch.cat([y, z], dim=-1))
        return x + y if self.ours.residual else y


class Contestant:
    """A network and its optimiser."""

    def __init__(self, model: CTCModel):
        self.model = model
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)

    def step(self, batch: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """The loss before the update."""
        waveform, lengths, labels, label_lengths = batch
        torch.manual_seed(0)  # SpecAugment
        with torch.autocast(waveform.device.type, dtype, enabled=dtype != torch.float32):
            log_probs, frame_lengths = self.model(waveform, lengths)
        loss = ctc_loss(log_probs, frame_lengths, labels, label_lengths).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return loss.detach()


def contestants(directions: str, device: str) -> dict[str, Contestant]:
    """The same network three times."""
    torch.manual_seed(0)
    ours = CTCModel(ModelConfig(layers=LAYERS, hidden=HIDDEN, dropout=0.0, directions=directions), TOKENS).to(device)
    models = {"speechrnn": ours, "packed": copy.deepcopy(ours), "torch's GRU": copy.deepcopy(ours)}
    models["packed"].layers = nn.ModuleList(map(PackedLayer, ours.layers)).to(device)
    models["torch's GRU"].layers = nn.ModuleList(map(TorchLayer, ours.layers))
    return {name: Contestant(model) for name, model in models.items()}


def make_batch(size: int, device: str, seed: int = 0) -> tuple[tuple[Tensor, ...], str]:
    """A batch of our plan, sorted by length (as the peer wants it), and its description."""
    random = np.random.default_rng(0)
    durations = random.uniform(6, 15, 300)  # as most of LibriSpeech's
    batches = [b for longest in np.arange(10, 13, 0.1) for b in plan(durations, 0, 0, max_seconds=size * longest)]
    chosen = min(  # neither the shortest nor the longest, and padding as on LibriSpeech
        (b for b in batches if len(b) == size and 9 < durations[b].mean() < 13),
        key=lambda b: abs(padding_share(durations, [b]) - 0.035),
    )
    seconds = np.sort(durations[chosen])[::-1]
    lengths = torch.from_numpy((seconds * SAMPLE_RATE).astype(np.int64))
    label_lengths = torch.from_numpy((seconds * LETTERS_A_SECOND).astype(np.int64))
    generator = torch.Generator().manual_seed(seed)
    waveform = torch.randn(size, int(lengths.max()), generator=generator) * 0.1
    labels = torch.randint(1, TOKENS, (int(label_lengths.sum()),), generator=generator)
    padding = padding_share(durations, [chosen])
    described = f"{size} utterances, {seconds.min():.1f} to {seconds.max():.1f} s, {padding:.1%} padding"
    return tuple(t.to(device) for t in (waveform, lengths, labels, label_lengths)), described


def seconds_of(run, device: str) -> tuple[float, object]:
    """How long a call takes, and what it gives."""
    began = time.perf_counter()
    result = run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began, result


def compare(sizes: list[int], rounds: int, directions: str, device: str) -> None:
    """The time of a step, by turns; the losses of the first step, which must agree; the ratios to the peer."""
    print(f"directions: {directions}; {rounds} rounds by turns, medians; the losses are those of the first step")
    for size in sizes:
        batch, described = make_batch(size, device)
        print(described)
        for precision, dtype in PRECISIONS.items():
            runners = contestants(directions, device)
            times: dict[str, list[float]] = {name: [] for name in runners}
            losses = {}
            for turn in range(rounds + 1):
                for name, runner in runners.items():
                    spent, loss = seconds_of(partial(runner.step, batch, dtype), device)
                    if turn:  # the first warms up
                        times[name].append(spent)
                    else:
                        losses[name] = float(loss)
            medians = {name: statistics.median(values) for name, values in times.items()}
            for name, runner in runners.items():
                parameters = sum(p.numel() for p in runner.model.parameters())
                speed = float(batch[1].sum()) / SAMPLE_RATE / 60 / medians[name]
                print(
                    f"  {precision:8}  {name:11}  {parameters:,} parameters  loss {losses[name]:9.4f}  "
                    f"{medians[name]:7.3f} s a step (fastest {min(times[name]):.3f})  {speed:.2f} hours of audio a minute  "
                    f"{medians['packed'] / medians[name]:.2f}x"
                )


def losses_after(steps: int, size: int, directions: str, device: str) -> None:
    """The loss on one batch after as many steps, each on other noise and labels, from the same weights."""
    batch, described = make_batch(size, device)
    print(f"after {steps} steps on {described}: ", end="", flush=True)
    for name, precision in (("speechrnn", "float32"), ("speechrnn", "bfloat16"), ("packed", "bfloat16")):
        runner = contestants(directions, device)[name]
        for step in range(steps):
            runner.step(make_batch(size, device, seed=step + 1)[0], PRECISIONS[precision])
        print(f"{name} {precision} {float(runner.step(batch, PRECISIONS[precision])):.3f}; ", end="", flush=True)
    print()


def breakdown(size: int, directions: str, device: str) -> None:
    """Where a step of ours spends its time, and how far the recurrent layers are from a large matrix product."""
    batch, described = make_batch(size, device)
    for precision, dtype in PRECISIONS.items():
        runner = contestants(directions, device)["speechrnn"]
        parts = {
            "front end": runner.model.front_end,
            "normalisation": runner.model.normalise,
            "convolutions": runner.model.subsampling,
        }
        with contextlib.ExitStack() as hooks:
            for name, module in parts.items():
                hooks.enter_context(labelled(module, name))
            runner.step(batch, dtype)
            with torch.profiler.profile() as profile:
                whole, _ = seconds_of(partial(runner.step, batch, dtype), device)
        found = Counter({event.key: event.cpu_time_total / 1e6 for event in profile.key_averages()})
        layer_norm = found["aten::native_layer_norm"] + found["aten::native_layer_norm_backward"]
        rows = {name: found[name] for name in parts}
        rows |= {
            "recurrence, forward": found["GRU"],
            "recurrence, backward": found["GRUBackward"],
            "convolutions, backward": found["aten::convolution_backward"],
            "layer normalisation": layer_norm,
            "CTC": found["aten::_ctc_loss"] + found["aten::_ctc_loss_backward"],
            "optimiser": sum(time for key, time in found.items() if key.startswith("Optimizer.step")),
        }
        print(f"{precision}: {whole:.3f} s a step under the profiler, {described}")
        for name, seconds in (rows | {"the rest": whole - sum(rows.values())}).items():
            print(f"  {name:24} {seconds:6.3f} s  {seconds / whole:5.1%}")
        x, matrix = torch.randn(2048, HIDDEN, dtype=dtype), torch.randn(3 * HIDDEN, HIDDEN, dtype=dtype)
        torchs, peak = rate(lambda x=x, m=matrix: x @ m.t()), rate(partial(Product(matrix), x))
        frames = size * -(-int(batch[0].shape[1] / SAMPLE_RATE * 100) // 4)
        width = runner.model.layers[0].forwards.input_size
        work = 3 * LAYERS * 2 * frames * 2 * 3 * HIDDEN * (width + HIDDEN)  # backward is twice forward; two directions
        reached = work / (found["GRU"] + found["GRUBackward"]) / 1e9
        print(
            f"  recurrence: {reached:.0f} GFLOP/s, {reached / peak:.0%} of the {peak:.0f} of a large packed product "
            f"(torch's own product: {torchs:.0f})"
        )


@contextlib.contextmanager
def labelled(module: nn.Module, name: str):
    """The module's forward pass, under a name in a profile."""
    began = []

    def before(*_):
        began.append(torch.profiler.record_function(name))
        began[-1].__enter__()

    handles = [
        module.register_forward_pre_hook(before),
        module.register_forward_hook(lambda *_: began.pop().__exit__(None, None, None)),
    ]
    yield
    for handle in handles:
        handle.remove()


def rate(product, runs: int = 20) -> float:
    """GFLOP/s of a product of (2048, 512) and (512, 1536), at its best."""
    times = [seconds_of(product, "cpu")[0] for _ in range(runs)]
    return 2 * 2048 * HIDDEN * 3 * HIDDEN / min(times) / 1e9


def on_cuda(size: int) -> None:
    """One bidirectional call of cuDNN beside two of one direction, and cuDNN's share of a step."""
    x = torch.randn(280, size, HIDDEN, device="cuda")
    order = torch.arange(279, -1, -1, device="cuda")[:, None].expand(-1, size)
    one, two = nn.GRU(HIDDEN, HIDDEN, bidirectional=True).cuda(), [nn.GRU(HIDDEN, HIDDEN).cuda() for _ in range(2)]
    calls = {
        "one bidirectional call": lambda: one(x)[0].sum().backward(),
        "two calls, one of them reversed": lambda: (
            two[0](x)[0].sum() + reorder(two[1](reorder(x, order))[0], order).sum()
        ).backward(),
    }
    for name, call in calls.items():
        times = [seconds_of(call, "cuda")[0] for _ in range(12)]
        print(f"{name}: {statistics.median(times[2:]) * 1000:.2f} ms a layer, forward and backward, float32")
    batch, _ = make_batch(size, "cuda")
    for precision, dtype in PRECISIONS.items():
        runner = contestants("sum", "cuda")["speechrnn"]
        runner.step(batch, dtype)
        with torch.profiler.profile() as profile:
            seconds_of(partial(runner.step, batch, dtype), "cuda")
        events = profile.key_averages()
        total = sum(event.self_device_time_total for event in events)
        inside = sum(event.device_time_total for event in events if event.key.startswith("aten::_cudnn_rnn"))
        print(f"{precision}: cuDNN's recurrences are {inside / total:.0%} of the device's time in a step")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[10, 20, 40])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directions", choices=["sum", "concatenate"], default="sum")
    parser.add_argument("--steps", type=int, default=0, help="compare the losses after so many steps, too")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    compare(arguments.batches, arguments.rounds, arguments.directions, arguments.device)
    if arguments.steps:
        losses_after(arguments.steps, arguments.batches[0], arguments.directions, arguments.device)
    if arguments.device == "cuda":
        on_cuda(arguments.batches[0])
    else:
        breakdown(20 if 20 in arguments.batches else arguments.batches[0], arguments.directions, arguments.device)


if __name__ == "__main__":
    main()
