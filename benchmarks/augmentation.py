"""What each augmentation costs, every utterance augmented: milliseconds for 50 utterances of 3 s on 2 threads, and as a share of
a training step (AN4's network and settings, two views) on the same batch.

    python benchmarks/augmentation.py
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch

from speechrnn.data.augment import (
    Augmentation,
    AugmentConfig,
    NoiseConfig,
    ReverbConfig,
    TelephoneConfig,
)
from speechrnn.nn.ctc import consistency_loss, ctc_loss
from speechrnn.nn.model import CTCModel
from speechrnn.nn.spec_augment import SpecAugment
from speechrnn.runs.config import read_config

RATE, BATCH, SECONDS, LABELS, THREADS, RUNS = 16000, 50, 3, 15, 2, 9


def milliseconds(run: Callable[[], object]) -> float:
    """The median time, after one run that warms up."""
    times = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        run()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:])


def recordings(folder: Path, seconds: float) -> str:
    """A manifest of ten made recordings."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    lines = []
    for number in range(10):
        decay = np.exp(-np.arange(int(seconds * RATE)) / (0.1 * RATE))
        soundfile.write(folder / f"{number}.wav", 0.1 * rng.normal(size=len(decay)) * decay, RATE)
        lines.append(json.dumps({"audio_filepath": f"{number}.wav", "text": "", "nonspeech": True}))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return str(folder / "manifest.jsonl")


def training_step(waveform: torch.Tensor, lengths: torch.Tensor) -> Callable[[], None]:
    """One forward and backward pass of conf/an4.yaml's network, without augmentation."""
    config = read_config(str(Path(__file__).parents[1] / "conf/an4.yaml"))
    model = CTCModel(config.model, 30, config.augment.spec)
    labels, label_lengths = torch.randint(1, 30, (2 * BATCH * LABELS,)), torch.full((2 * BATCH,), LABELS)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            log_probs, frames = model(waveform, lengths, 2)
        loss = ctc_loss(log_probs, frames, labels, label_lengths).mean() + consistency_loss(log_probs, frames).mean()
        loss.backward()
        model.zero_grad()

    return step


def main() -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    waveform, lengths = torch.randn(BATCH, SECONDS * RATE) * 0.1, torch.full((BATCH,), SECONDS * RATE)
    step = milliseconds(training_step(waveform, lengths))
    with tempfile.TemporaryDirectory() as folder:
        noise, rooms = recordings(Path(folder, "noise"), 20), recordings(Path(folder, "rooms"), 0.6)
        kinds = {
            "speed, 7 factors": {"speed": [0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15]},
            "speed between 0.85 and 1.15": {"speed": [0.85, 1.15], "speed_between": True},
            "reverberation, simulated": {"reverb": ReverbConfig(1.0)},
            "reverberation, recorded": {"reverb": ReverbConfig(1.0, rooms)},
            "noise, generated": {"noise": NoiseConfig(1.0)},
            "noise, recorded": {"noise": NoiseConfig(1.0, manifest=noise)},
            "telephone": {"telephone": TelephoneConfig(1.0)},
            "gain": {"gain": [-10.0, 10.0]},
        }
        rows = {}
        for name, config in kinds.items():
            augment = Augmentation(AugmentConfig(**{"speed": [1.0], **config}), RATE, folder)
            seeds = [[1, 0, utterance] for utterance in range(BATCH)]
            rows[name] = lambda augment=augment, seeds=seeds: augment(
                waveform, lengths, [np.random.default_rng(seed) for seed in seeds]
            )
        features, frames = torch.randn(BATCH, SECONDS * 100, 80), torch.full((BATCH,), SECONDS * 100)
        mask = SpecAugment(AugmentConfig().spec)
        rows["SpecAugment"] = lambda: mask(features, frames)
        print(f"a training step: {step:.0f} ms")
        print(f"{'augmentation':28} {'ms':>7} {'of a step':>10}")
        for name, run in rows.items():
            found = milliseconds(run)
            print(f"{name:28} {found:7.1f} {found / step:10.1%}")


if __name__ == "__main__":
    main()
