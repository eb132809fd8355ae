"""The dev set, recognised greedily during training."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch

from speechrnn.data.dataset import Dataset
from speechrnn.nn.ctc import ctc_loss
from speechrnn.nn.model import CTCModel
from speechrnn.scoring.errors import ErrorCounts, word_errors
from speechrnn.search.greedy import greedy
from speechrnn.text import Tokenizer
from speechrnn.training.distributed import Processes

SAMPLES_SHOWN = 3  # hypotheses printed each epoch


@torch.inference_mode()
def evaluate(
    model: CTCModel,
    dataset: Dataset,
    batches: Sequence[np.ndarray],
    tokenizer: Tokenizer,
    autocast: Callable[[], AbstractContextManager],
    processes: Processes,
    stopped: Callable[[], bool],
) -> dict | None:
    """Loss and word error rate of the dataset, each process computing its share of the batches.

    Of a model with phones it is the phone error rate, by the first pronunciation of each word.

    Returns dev_loss (an utterance's mean), dev_wer (percent), dev_counts (Kaldi's line), blank_share (0 to 1) and samples
    ([reference, hypothesis], ...), the same on every process; None if one of them was `stopped` meanwhile.
    """
    model.eval()
    device = model.output.weight.device
    results: dict[int, tuple[str, float, float]] = {}  # utterance: text, loss, share of blank frames
    for first in range(0, len(batches), processes.world):
        if processes.any(stopped(), device):
            return None
        if first + processes.rank >= len(batches):
            break
        indices = batches[first + processes.rank]
        batch = dataset.batch(indices)
        with autocast():
            log_probs, frame_lengths = model(batch.waveform.to(device), batch.lengths.to(device))
        log_probs, frame_lengths = log_probs.cpu(), frame_lengths.cpu()
        losses = ctc_loss(log_probs, frame_lengths, batch.labels, batch.label_lengths)
        for index, frames, length, loss in zip(indices, log_probs, frame_lengths, losses, strict=True):
            frames = frames[:length].numpy()
            blanks = float((frames.argmax(-1) == 0).mean())
            results[int(index)] = tokenizer.decode(greedy(frames)), float(loss), blanks
    model.train()
    everybody = {index: result for share in processes.gathered(results) for index, result in share.items()}
    hypotheses, dev_losses, blank_shares = zip(*(everybody[i] for i in range(len(dataset))), strict=True)
    phones = tokenizer.has_phones
    references = [tokenizer.decode(labels) for labels in dataset.labels] if phones else dataset.texts
    units = [[text.replace("-", " ") for text in texts] if phones else texts for texts in (references, hypotheses)]
    counts = sum(word_errors(*units), ErrorCounts())
    shown = np.unique(np.linspace(0, len(hypotheses) - 1, SAMPLES_SHOWN).astype(int))
    return {
        "dev_loss": float(np.mean(dev_losses)),
        "dev_wer": counts.rate,
        "dev_counts": counts.line("PER" if phones else "WER"),
        "blank_share": float(np.mean(blank_shares)),
        "samples": [[references[i], hypotheses[i]] for i in shown.tolist()],
    }
