"""A training run as a model package: the ONNX graph, the tokens, the description and the card."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from speechrnn.acoustic import WINDOW_SECONDS
from speechrnn.audio import read_audio
from speechrnn.decoding.greedy import greedy
from speechrnn.errors import InputError
from speechrnn.manifest import read_manifest
from speechrnn.nn.model import CTCModel
from speechrnn.package import FORMAT, write_package
from speechrnn.recognizer import Recognizer
from speechrnn.text import BOUNDARY, Tokenizer
from speechrnn.training.checkpoint import Checkpoint, Checkpoints, read_checkpoint
from speechrnn.training.config import Config, config_from_dict
from speechrnn.training.onnx_graph import build

TOLERANCE = 1e-3  # largest difference of a log-probability between torch and the exported graph


def find_checkpoint(run: str | os.PathLike) -> Checkpoint:
    """The checkpoint itself, or of a run's folder the best one, or the last where no dev set chose a best.

    Raises:
        InputError: there is none.
    """
    path = Path(run)
    if path.is_dir():
        kept = Checkpoints(path)
        path = next(iter([*kept.by_wer(), *reversed(kept.by_step())]), kept.folder)
    return read_checkpoint(path)


def load_model(checkpoint: Checkpoint, half: bool = False) -> CTCModel:
    """The model of a checkpoint in evaluation mode; `half` rounds its matrices to float16, as a package stores them.

    Raises:
        InputError: the weights do not fit the configuration.
    """
    config = config_from_dict(checkpoint.config, "the checkpoint")
    model = CTCModel(config.model, len(checkpoint.tokens))
    try:
        model.load_state_dict(checkpoint.weights())
    except RuntimeError as error:
        raise InputError(
            f"the checkpoint's weights do not fit its configuration: {' '.join(str(error).split())}"
        ) from None
    if half:
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.data = parameter.data.half().float()
    return model.eval()


def export(run: str | os.PathLike, directory: str | os.PathLike, half: bool = True, card: str = "") -> float:
    """Write the package of a run. Returns the largest difference between the log-probabilities of the package and of torch
    with the same weights, measured on noise.

    Raises:
        InputError: there is no usable checkpoint, or the difference is larger than 1e-3.
    """
    checkpoint = find_checkpoint(run)
    config = config_from_dict(checkpoint.config, str(run))
    model = load_model(checkpoint, half)
    graph = build(model, half)
    difference = largest_difference(model, graph)
    if not difference <= TOLERANCE:
        raise InputError(f"{run}: the exported graph differs from torch by {difference:.2g}, more than {TOLERANCE}")
    description = describe(config, checkpoint, model)
    write_package(directory, graph, Tokenizer(checkpoint.tokens), description, card_text(config, description, card))
    return difference


def describe(config: Config, checkpoint: Checkpoint, model: CTCModel) -> dict:
    """The contents of model.json."""
    return {
        "format": FORMAT,
        "name": config.name,
        "sample_rate": config.model.sample_rate,
        "front_end": checkpoint.config["model"]["front_end"],
        "subsampling": config.model.subsampling,
        "seconds_per_frame": model.front_end.shift * config.model.subsampling / config.model.sample_rate,
        "token_type": "characters",
        "word_boundary": BOUNDARY,
        "normaliser": config.data.normaliser,
        "output_case": config.output_case,
        "decoder": {"method": "greedy"},
        "language": config.language,
        "training": {
            "seed": config.seed,
            "data": [Path(path).name for path in config.data.train],
            "epochs": checkpoint.position.epoch,
            "updates": checkpoint.position.step,
            "minutes": round(checkpoint.position.seconds / 60, 1),
            "parameters": sum(p.numel() for p in model.parameters()),
            "cell": config.model.cell,
            "layers": config.model.layers,
            "hidden": config.model.hidden,
            "bidirectional": config.model.bidirectional,
        },
    }


def card_text(config: Config, description: dict, card: str) -> str:
    """The model card: what its author says, then the facts that the checkpoint knows."""
    training = description["training"]
    directions = "bidirectional" if training["bidirectional"] else "forward"
    facts = {
        "Language": description["language"],
        "Audio": f"{description['sample_rate']} Hz, mono; other rates are resampled",
        "Network": f"{training['layers']} {directions} {training['cell'].upper()} layers of {training['hidden']} a direction, "
        f"x{description['subsampling']} subsampling, CTC, {training['parameters'] / 1e6:.1f} M parameters",
        "Trained on": ", ".join(training["data"]),
        "Training": f"{training['epochs']} epochs, {training['updates']} updates, {training['minutes']} minutes, "
        f"seed {training['seed']}",
    }
    author = (
        card.strip()
        or f"# {config.name}\n\nIts author has not said what it is for, nor whose recordings it was trained on."
    )
    return author + "\n\n## Facts\n\n| | |\n|---|---|\n" + "".join(f"| {k} | {v} |\n" for k, v in facts.items())


@dataclass(frozen=True)
class Agreement:
    """How a package compares with torch on recordings: the largest difference of a log-probability when each recording is run
    alone and when they are run in batches, and the ids of those whose greedy text differs."""

    recordings: int
    alone: float
    batched: float
    texts_differ: list[str]


def compare(run: str | os.PathLike, directory: str | os.PathLike, manifest: str | os.PathLike, half: bool) -> Agreement:
    """Run every recording of a manifest (of long ones the first 30 s, which are one window) through the package and through
    torch with the same weights.

    Raises:
        InputError: a recording cannot be read.
    """
    model = load_model(find_checkpoint(run), half)
    recognizer = Recognizer(directory)
    utterances = read_manifest(manifest)
    rate = recognizer.package.sample_rate
    longest = int(WINDOW_SECONDS * rate)
    waves = [read_audio(u.audio_filepath, rate, offset=u.offset, duration=u.duration)[:longest] for u in utterances]
    batched = recognizer.acoustic.log_probs(waves)
    differences, texts_differ = [], []
    for utterance, wave, together in zip(utterances, waves, batched, strict=True):
        alone = recognizer.acoustic.log_probs([wave])[0]
        with torch.inference_mode():
            theirs = model(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0][0].numpy()
        differences.append([np.abs(ours - theirs).max() for ours in (alone, together)])
        if not greedy(alone) == greedy(together) == greedy(theirs):
            texts_differ.append(utterance.id)
    worst = np.array(differences).max(axis=0)
    return Agreement(len(waves), float(worst[0]), float(worst[1]), texts_differ)


def largest_difference(model: CTCModel, graph: bytes) -> float:
    """How far the log-probabilities of the graph are from torch's, on three lengths of noise in one batch."""
    import onnxruntime

    lengths = np.array([16000, 9000, 1600], dtype=np.int64)
    waveform = np.random.default_rng(0).normal(0, 0.1, (3, 16000)).astype(np.float32)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    ours, ours_lengths = session.run(None, {"waveform": waveform, "lengths": lengths})
    with torch.inference_mode():
        theirs, their_lengths = model(torch.from_numpy(waveform), torch.from_numpy(lengths))
    if ours_lengths.tolist() != their_lengths.tolist():
        return float("inf")
    return max(float(np.abs(a[:n] - b[:n].numpy()).max()) for a, b, n in zip(ours, theirs, ours_lengths, strict=True))
