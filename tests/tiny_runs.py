"""Runs of two seconds on a language of three tones, and how runs are compared."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import torch
from conftest import RATE, tones

from speechrnn.manifest import Utterance, write_manifest
from speechrnn.nn.front_end import FrontEndConfig
from speechrnn.nn.model import ModelConfig
from speechrnn.nn.spec_augment import SpecAugmentConfig
from speechrnn.runs.checkpoint import Checkpoints, Position
from speechrnn.runs.config import AugmentConfig, Config, DataConfig, OptimiserConfig

STILL = AugmentConfig(speed=[1.0], spec=SpecAugmentConfig(freq_masks=0, time_masks=0))


def spellings(count, seed, without=()):
    """Texts of two words of one or two letters from A to C."""
    random = np.random.default_rng(seed)
    words = lambda: " ".join("".join(random.choice(list("ABC"), random.integers(1, 3))) for _ in range(2))  # noqa: E731
    return [text for text in (words() for _ in range(count)) if text not in without]


def write_corpus(folder, name, texts):
    """The path of a manifest of sounds in faint noise."""
    folder.mkdir(exist_ok=True)
    utterances = []
    for number, text in enumerate(texts):
        sound = tones(text)
        sound += np.random.default_rng(number).normal(0, 1e-3, len(sound))
        path = folder / f"{name}-{number}.wav"
        soundfile.write(path, sound, RATE)
        utterances.append(Utterance(path.stem, str(path), text))
    write_manifest(folder / f"{name}.jsonl", utterances)
    return str(folder / f"{name}.jsonl")


def tone_corpus(folder):
    """The folder, with 30 utterances to train on and others, which are not among them, to listen to."""
    texts = spellings(30, seed=0)
    write_corpus(folder, "train", texts)
    write_corpus(folder, "dev", spellings(14, seed=1, without=texts))
    return folder


def tiny(folder, run, **changes):
    """A run that takes about two seconds on one core."""
    config = Config(
        run=str(run),
        device="cpu",
        precision="float32",
        data=DataConfig([str(folder / "train.jsonl")], str(folder / "dev.jsonl"), "upper", 8.0, str(folder / "cache")),
        model=ModelConfig(front_end=FrontEndConfig(num_bins=40), channels=8, layers=1, hidden=32, dropout=0.0),
        augment=replace(STILL),
        optimiser=OptimiserConfig(epochs=14, rate=1e-2, weight_decay=0.0),
    )
    for name, value in changes.items():
        part, _, key = name.rpartition("__")
        if part:
            setattr(getattr(config, part), key, value)
        else:
            setattr(config, key, value)
    return config


def restless(folder, run, **changes):
    """A short run in which everything random takes part."""
    return tiny(
        folder,
        run,
        augment=AugmentConfig(speed=[0.9, 1.0, 1.1], spec=SpecAugmentConfig(1, 10, 1, 10)),
        model__dropout=0.3,
        model__layers=2,
        optimiser__epochs=4,
        optimiser__average=0.9,
        **changes,
    )


def last(run):
    """The path of a run's newest checkpoint."""
    return Checkpoints(run).by_step()[-1]


def best(run):
    """The path of its best one."""
    return Checkpoints(run).by_wer()[0]


CLOCK = ("minutes", "seconds", "data_seconds", "audio_hours_an_hour")


def log(run):
    """What a run logged, but for what the clock says."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in CLOCK} for row in rows]


def unlike(a, b, where="", ignored=("seconds", "config")):
    """The names of what differs by a bit in two nested structures."""
    if isinstance(a, Position):
        a, b = vars(a), vars(b)
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [f"{where}: keys"]
        return [name for key in a if key not in ignored for name in unlike(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, list):
        return [name for i, (x, y) in enumerate(zip(a, b, strict=True)) for name in unlike(x, y, f"{where}[{i}]")]
    same = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    return [] if same else [where]


PROJECT = Path(__file__).parents[1]

CONFIG = """\
device: cpu
precision: float32
data: {train: [train.jsonl], dev: dev.jsonl, normaliser: upper, max_seconds: 8, cache: cache}
model: {channels: 8, layers: 2, hidden: 32, dropout: 0.2, front_end: {num_bins: 40}}
augment: {speed: [0.9, 1.0, 1.1], spec: {freq_masks: 1, freq_mask_bins: 10, time_masks: 1, time_mask_frames: 10}}
optimiser: {epochs: 40, rate: 1e-2, average: 0.9}
checkpoints: {minutes: 0}
"""


def train(folder, *arguments, before=(), **options):
    """The started process."""
    return subprocess.Popen(
        [sys.executable, *before, "-m", "speechrnn", "train", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **options,
    )


def finish(process):
    """Its exit status and what it said."""
    told = process.communicate(timeout=900)[1]
    return process.returncode, told


def has_saved(run):
    """Whether a run has come to a checkpoint."""
    return bool(Checkpoints(run).by_step())


def wait_until(condition, process, seconds=120, pause=0.005):
    """Look again and again, with a `pause` of so many seconds: 0 for what passes in a moment."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(pause)
