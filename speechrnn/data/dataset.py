"""The utterances of a manifest as tensors: waveforms padded to a batch, and their labels."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speechrnn.data.audio_cache import AudioCache
from speechrnn.errors import InputError
from speechrnn.files import write_atomically
from speechrnn.manifest import Utterance
from speechrnn.text import Tokenizer

LEFT_OUT_SHOWN = 10


@dataclass
class Batch:
    """Padded waveforms and what is said in them."""

    ids: list[str]
    waveform: Tensor  # (batch, samples) float32
    lengths: Tensor  # (batch,) samples
    labels: Tensor  # (sum of label_lengths,) token ids
    label_lengths: Tensor  # (batch,)


class Dataset:
    """Utterances with their audio and labels; what cannot be used is left out by name.

    `fits(samples, labels)` says whether CTC can emit the labels in so many samples.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        cache: AudioCache,
        tokenizer: Tokenizer,
        normalise: Callable[[str], str],
        fits: Callable[[int, list[int]], bool],
    ):
        self.cache = cache
        self.left_out: dict[str, str] = dict(cache.unreadable)
        self.utterances: list[Utterance] = []
        self.texts: list[str] = []
        self.labels: list[list[int]] = []
        for utterance in utterances:
            if utterance.id in self.left_out:
                continue
            text = normalise(utterance.text)
            try:
                labels = tokenizer.encode(text)
            except InputError as error:
                self.left_out[utterance.id] = str(error)
                continue
            if not fits(cache.samples(utterance.id), labels):
                self.left_out[utterance.id] = (
                    f"{len(labels)} labels do not fit in {cache.samples(utterance.id)} samples at the fastest speed: "
                    "is the text right? (less model.subsampling makes more frames)"
                )
                continue
            self.utterances.append(utterance)
            self.texts.append(text)
            self.labels.append(labels)

    def __len__(self) -> int:
        return len(self.utterances)

    def seconds(self, sample_rate: int) -> np.ndarray:
        """(utterances,) durations in seconds."""
        return np.array([self.cache.samples(u.id) for u in self.utterances]) / sample_rate

    def batch(self, indices: Sequence[int] | np.ndarray) -> Batch:
        """The utterances of these indices as one batch."""
        ids = [self.utterances[i].id for i in indices]
        waves = [torch.from_numpy(self.cache.waveform(id)) for id in ids]
        labels = [self.labels[i] for i in indices]
        return Batch(
            ids,
            torch.nn.utils.rnn.pad_sequence(waves, batch_first=True),
            torch.tensor([len(wave) for wave in waves]),
            torch.tensor([label for row in labels for label in row], dtype=torch.long),
            torch.tensor([len(row) for row in labels]),
        )

    def fingerprint(self) -> str:
        """A hash of the utterances, their lengths and labels: another one is another training set."""
        rows = [
            [u.id, self.cache.samples(u.id), labels] for u, labels in zip(self.utterances, self.labels, strict=True)
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]

    def report(self, name: str, folder: str | os.PathLike) -> None:
        """Say on stderr what was left out and why: the first of them, and all in `NAME_left_out.tsv` in the folder."""
        if not self.left_out:
            return
        table = Path(folder, f"{name}_left_out.tsv")
        write_atomically(table, "".join(f"{id}\t{reason}\n" for id, reason in self.left_out.items()))
        print(f"{name}: {len(self.left_out)} utterances left out (all in {table}):", file=sys.stderr)
        for id, reason in list(self.left_out.items())[:LEFT_OUT_SHOWN]:
            print(f"  {id}: {reason}", file=sys.stderr)
