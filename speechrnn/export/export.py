"""A training run as a model package: the ONNX graph, the tokens, the description and the card."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from speechrnn.acoustic import WINDOW_SECONDS, AcousticModel
from speechrnn.audio import read_audio
from speechrnn.errors import InputError
from speechrnn.export.onnx_graph import build
from speechrnn.export.onnx_weights import read_model
from speechrnn.export.sherpa_onnx import build_for_sherpa, check_slot, sherpa_tokens, write_for_sherpa
from speechrnn.export.weight_types import round_weights
from speechrnn.files import read_json
from speechrnn.manifest import read_manifest
from speechrnn.nn.front_end import INT16_SCALE
from speechrnn.nn.model import CTCModel
from speechrnn.package import CHARACTERS, FORMAT, PHONES, read_package, write_package
from speechrnn.package_cache import find_package
from speechrnn.runs.checkpoint import Checkpoint, find_checkpoint
from speechrnn.runs.config import Config, config_from_dict
from speechrnn.search.greedy import greedy
from speechrnn.search.language_model import copy_packaged
from speechrnn.text import BOUNDARY, Tokenizer, read_pronunciations

TOLERANCE = 1e-3  # largest difference of a log-probability between torch and the exported graph


def load_model(checkpoint: Checkpoint, dtype: str = "float32") -> CTCModel:
    """The model of a checkpoint in evaluation mode, with its weights rounded as a package of that type stores them.

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
    round_weights(model, dtype)
    return model.eval()


@dataclass(frozen=True)
class Trained:
    """What can be exported: a run, or a package once more. `card` is None for a run, which has none yet."""

    model: CTCModel
    tokenizer: Tokenizer
    description: dict
    card: str | None = None
    write_lm: Callable[[Path], None] | None = None


def read_trained(source: str | os.PathLike, dtype: str) -> Trained:
    """The model of a run's folder, a checkpoint, or a package, with its weights rounded as `dtype`.

    Raises:
        InputError: there is none, or it cannot be used.
    """
    path = Path(source)
    if path.is_file() or path.suffix == ".pt" or (path.is_dir() and not (path / "model.json").is_file()):
        checkpoint = find_checkpoint(path)
        model = load_model(checkpoint, dtype)
        config = config_from_dict(checkpoint.config, str(source))
        pronunciations = _pronunciations(source, config, checkpoint.tokens)
        return Trained(model, Tokenizer(checkpoint.tokens, pronunciations), describe(config, checkpoint, model))
    try:
        package = read_package(find_package(source))
    except InputError as error:
        if path.is_dir() or "://" in str(source):
            raise
        raise InputError(f"{error}, nor a run's folder or a checkpoint") from None
    model = read_model(package)
    round_weights(model, dtype)
    description = read_json(package.directory / "model.json")
    card = package.directory / "MODEL_CARD.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    write_lm = partial(copy_packaged, package) if package.lm_directory else None
    return Trained(model, package.tokenizer, description, text, write_lm)


def _pronunciations(source: str | os.PathLike, config: Config, tokens: list[str]) -> dict[str, list[str]] | None:
    """Those of the lexicon that the run was trained with; None if it was none."""
    if not config.data.lexicon:
        return None
    try:
        return read_pronunciations(config.data.lexicon, tokens)
    except InputError as error:
        raise InputError(f"{source}: its data.lexicon goes into the package: {error}") from None


def export(
    source: str | os.PathLike,
    directory: str | os.PathLike,
    dtype: str = "float16",
    card: str = "",
    form: str = "package",
) -> float:
    """Write a run, a checkpoint or a package as a package or for sherpa-onnx. Returns the largest difference between the
    log-probabilities of what is written and of torch with the same weights, measured on noise.

    Args:
        source: what is exported.
        directory: where it goes.
        dtype: how matrices are stored; see `speechrnn.export.weight_types`.
        card: what MODEL_CARD.md begins with, or instead of a package's card; empty leaves that as it is.
        form: "package", or "sherpa-onnx", see `speechrnn.export.sherpa_onnx`.

    Raises:
        InputError: there is nothing usable, the difference is larger than 1e-3, or sherpa-onnx cannot hold the model.
    """
    trained = read_trained(source, dtype)
    model, tokenizer, description = trained.model, trained.tokenizer, trained.description
    if form == "sherpa-onnx":
        if tokenizer.has_phones:
            raise InputError(f"{source}: sherpa-onnx would print the phones of this model: train one with characters")
        check_slot(model, tokenizer.tokens)
        graph = build_for_sherpa(model, dtype, description["name"])
    else:
        graph = build(model, dtype)
    difference = largest_difference(model, graph)
    if not difference <= TOLERANCE:
        raise InputError(f"{source}: the exported graph differs from torch by {difference:.2g}, more than {TOLERANCE}")
    if trained.card is None:
        card = card_text(description, card)
    elif not card.strip():
        card = trained.card
    if form == "sherpa-onnx":
        write_for_sherpa(directory, graph, sherpa_tokens(tokenizer.tokens, description["output_case"]), card)
    else:
        write_package(directory, graph, tokenizer, description, card, trained.write_lm)
    return difference


def describe(config: Config, checkpoint: Checkpoint, model: CTCModel) -> dict:
    """The contents of model.json."""
    at = checkpoint.position
    # Of the checkpoint itself, which an average of several (it has no optimiser) and a later one are not
    is_best = checkpoint.optimiser and at.best_epoch == at.epoch and at.best < float("inf")
    return {
        "format": FORMAT,
        "name": config.name,
        "sample_rate": config.model.sample_rate,
        "front_end": checkpoint.config["model"]["front_end"],
        "subsampling": config.model.subsampling,
        "seconds_per_frame": model.front_end.shift * config.model.subsampling / config.model.sample_rate,
        "token_type": PHONES if config.data.lexicon else CHARACTERS,
        "word_boundary": BOUNDARY,
        "normaliser": config.data.normaliser,
        "output_case": config.output_case,
        "decoder": {"method": "greedy"},
        "language": config.language,
        "training": {
            "seed": config.seed,
            "data": [Path(path).name for path in config.data.train],
            "epochs": at.epoch,
            "updates": at.step,
            "minutes": round(at.seconds / 60, 1),
            "parameters": sum(p.numel() for p in model.parameters()),
            "cell": config.model.cell,
            "layers": config.model.layers,
            "hidden": config.model.hidden,
            "bidirectional": config.model.bidirectional,
            # percent, of sets by their names; of a model with phones the phone error rate
            **({"per" if config.data.lexicon else "wer": {"dev": round(at.best, 2)}} if is_best else {}),
        },
    }


def card_text(description: dict, author: str) -> str:
    """The model card of a run: what its author says, then the facts that model.json holds."""
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
    begin = (
        author.strip()
        or f"# {description['name']}\n\nIts author has not said what it is for, nor whose recordings it was trained on."
    )
    return begin + "\n\n## Facts\n\n| | |\n|---|---|\n" + "".join(f"| {k} | {v} |\n" for k, v in facts.items())


@dataclass(frozen=True)
class Agreement:
    """How a package compares with torch on recordings: the largest difference of a log-probability when each recording is run
    alone and when they are run in batches, and the ids of those whose greedy text differs."""

    recordings: int
    alone: float
    batched: float
    texts_differ: list[str]


def compare(run: str | os.PathLike, directory: str | os.PathLike, manifest: str | os.PathLike, dtype: str) -> Agreement:
    """Run every recording of a manifest (of long ones the first 30 s, which are one window) through the package and through
    torch with the same weights.

    Raises:
        InputError: a recording cannot be read.
    """
    model = read_trained(run, dtype).model
    package = read_package(directory)
    acoustic = AcousticModel(package)
    utterances = read_manifest(manifest)
    rate = package.sample_rate
    longest = int(WINDOW_SECONDS * rate)
    waves = [read_audio(u.audio_filepath, rate, offset=u.offset, duration=u.duration)[:longest] for u in utterances]
    batched = acoustic.log_probs(waves)
    differences, texts_differ = [], []
    for utterance, wave, together in zip(utterances, waves, batched, strict=True):
        alone = acoustic.log_probs([wave])[0]
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

    lengths = torch.tensor([16000, 9000, 1600])
    waveform = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (3, 16000)).astype(np.float32))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        theirs, their_lengths = model(waveform, lengths)
        inputs = [waveform, lengths]
        if session.get_inputs()[0].name == "x":  # energies of samples in [-1, 1]
            features, frames = model.front_end(waveform, lengths)
            inputs = [features - 2 * math.log(INT16_SCALE), frames]
    names = [value.name for value in session.get_inputs()]
    ours, ours_lengths = session.run(None, dict(zip(names, (value.numpy() for value in inputs), strict=True)))
    if ours_lengths.tolist() != their_lengths.tolist():
        return float("inf")
    return max(float(np.abs(a[:n] - b[:n].numpy()).max()) for a, b, n in zip(ours, theirs, ours_lengths, strict=True))
