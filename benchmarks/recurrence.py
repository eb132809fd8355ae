"""One bidirectional GRU layer (512 -> 2 x 256), forward and backward pass, on 2 threads: as speechrnn runs it
(speechrnn/nn/gru.py) beside torch's own bidirectional GRU on packed sequences, for several batch sizes.

    python benchmarks/recurrence.py
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from speechrnn.nn.recurrent import RecurrentLayer, reversed_order

FRAMES, INPUTS, HIDDEN, THREADS, RUNS = 80, 512, 256, 2, 7


def milliseconds(passes: dict[str, Callable[[], None]]) -> dict[str, float]:
    """The median time of each, which take turns."""
    times: dict[str, list[float]] = {name: [] for name in passes}
    for turn in range(RUNS + 1):
        for name, run in passes.items():
            began = time.perf_counter()
            run()
            if turn:  # the first warms up
                times[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def packed(layer: nn.GRU, x: Tensor, lengths: Tensor) -> Tensor:
    """The valid outputs of torch's layer, one after the other."""
    return layer(nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False))[0].data


def both_passes(layer: Callable[[Tensor, Tensor], Tensor], x: Tensor, lengths: Tensor, bf16: bool) -> None:
    """Forward and backward."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = layer(x, lengths)
    y.float().sum().backward()


def main() -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    ours = RecurrentLayer("gru", INPUTS, HIDDEN, bidirectional=True, lookahead=0, dropout=0.0)
    peer = nn.GRU(INPUTS, HIDDEN, bidirectional=True)
    print(f"{FRAMES} frames, {INPUTS} -> 2 x {HIDDEN}, {THREADS} threads; milliseconds a pass, and an utterance")
    print("batch  precision  speechrnn            torch, packed        ratio")
    for batch in (10, 20, 50, 100):
        lengths = torch.linspace(FRAMES * 0.8, FRAMES, batch).long()
        x = torch.randn(FRAMES, batch, INPUTS, requires_grad=True)
        for bf16 in (False, True):
            found = milliseconds(
                {
                    "ours": partial(both_passes, lambda x, n: ours(x, n, reversed_order(n, FRAMES)), x, lengths, bf16),
                    "peer": partial(both_passes, lambda x, n: packed(peer, x, n), x, lengths, bf16),
                }
            )
            cells = [f"{found[name]:7.1f} {found[name] / batch:6.2f} each" for name in ("ours", "peer")]
            ratio = found["peer"] / found["ours"]
            print(f"{batch:5}  {'bfloat16' if bf16 else 'float32':9}  {cells[0]:19}  {cells[1]:19}  {ratio:.2f}x")


if __name__ == "__main__":
    main()
