"""Fine-tuning: a model that starts from another's weights, whatever its alphabet, and parts that stay as they are."""

import difflib
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from speechrnn.errors import InputError
from speechrnn.export.onnx_weights import read_weights
from speechrnn.nn.model import CTCModel
from speechrnn.package import bundled, read_package
from speechrnn.package_cache import find_package
from speechrnn.runs.checkpoint import find_checkpoint
from speechrnn.text import Tokenizer

SHOWN = 40  # new tokens that are listed by name


@dataclass(frozen=True)
class Initialisation:
    """What a model took over."""

    source: str
    tensors: int  # copied whole
    parameters: int  # copied, rows of the output layer among them
    of: int  # parameters that the model has
    mapped: dict[str, str]  # token: the source's token whose row it took
    new: list[str]  # tokens that the source has not
    not_loaded: list[tuple[str, str]]  # part and reason
    differences: list[str]  # settings that change what the copied weights see

    def lines(self) -> list[str]:
        """The report for people."""
        cases = sum(token != origin for token, origin in self.mapped.items())
        tokens = f"tokens: {len(self.mapped) or 'none'} mapped" + (f" ({cases} in another case)" if cases else "")
        if self.new:
            more = f" and {len(self.new) - SHOWN} more" if len(self.new) > SHOWN else ""
            tokens += f", {len(self.new)} new ({' '.join(self.new[:SHOWN])}{more})"
        line = f"init_from {self.source}: {self.parameters:,} of {self.of:,} parameters copied; {tokens}"
        if self.not_loaded:
            line += f"; not loaded: {grouped(self.not_loaded)}"
        if not self.differences:
            return [line]
        return [
            line,
            f"init_from {self.source}: the copied weights were trained otherwise: {'; '.join(self.differences)}",
        ]


@dataclass(frozen=True)
class Source:
    """What there is to start from. `settings` are the keys of `ModelConfig` that are known of it."""

    name: str
    tokens: list[str]
    weights: dict[str, Tensor]
    settings: dict


def initialise_from(model: CTCModel, tokenizer: Tokenizer, source: str | os.PathLike) -> Initialisation:
    """Copy what fits into the model, in place.

    A part (a layer, a convolution, a linear map) is copied whole, where both have the same tensors of the same shapes, or
    not at all: half a recurrence is of no use. The output layer is copied a row a token, to the same token or else to the
    one that differs in case only. The rows of new tokens stay as the model has them: started as the mean of the source's
    letters instead they learnt a little slower, and with its biases no faster.

    Args:
        model: with weights of its own, which stay where nothing fits.
        tokenizer: what the model's outputs mean.
        source: a run's folder, a checkpoint, a model package or the name of a bundled one.

    Raises:
        InputError: the source cannot be read, or nothing of it but the normaliser and the output layer fits.
    """
    found = read_source(source)
    ours, theirs = by_part(model.state_dict()), by_part(found.weights)
    output, their_output = ours.pop("output"), theirs.pop("output", {})
    copied, not_loaded = [], []
    for part in [*ours, *(part for part in theirs if part not in ours)]:
        reason = misfit(part, ours.get(part, {}), theirs.get(part, {}))
        if reason:
            not_loaded.append((part, reason))
        else:
            copied.append(part)
    if not set(copied) - {"normalise"}:
        raise InputError(f"init_from {found.name}: nothing fits this model: {grouped(not_loaded)}")
    shared = shared_tokens(tokenizer.tokens, found.tokens)
    reason = misfit("output", first_rows(output), first_rows(their_output))
    if reason:
        not_loaded.append(("output", reason))
    rows = {} if reason else shared
    with torch.no_grad():
        for part in copied:
            for name, tensor in ours[part].items():
                tensor.copy_(theirs[part][name])
        for name, tensor in output.items():
            for here, there in rows.items():
                tensor[here] = their_output[name][there]
    tensors = [tensor for part in copied for tensor in ours[part].values()]
    taken = tensors + list(first_rows(output).values()) * len(rows)
    return Initialisation(
        source=found.name,
        tensors=len(tensors),
        parameters=sum(tensor.numel() for tensor in taken),
        of=sum(tensor.numel() for tensor in model.state_dict().values()),
        mapped={tokenizer.tokens[i]: found.tokens[j] for i, j in rows.items()},
        new=[token for i, token in enumerate(tokenizer.tokens) if i not in shared],
        not_loaded=not_loaded,
        differences=differences(asdict(model.config), found.settings),
    )


def read_source(source: str | os.PathLike) -> Source:
    """Raises an InputError if there is nothing of the kind, or it is damaged."""
    name, path = os.fspath(source), Path(source)
    if name in bundled() or (path / "model.json").is_file():
        package = read_package(find_package(source))
        weights, tokens = read_weights(package.model_path), package.tokenizer.tokens
        settings = {key: getattr(package, key) for key in ("sample_rate", "subsampling", "front_end")}
    elif (path / "checkpoints").is_dir() or (path.is_file() and (path.suffix == ".pt" or zipfile.is_zipfile(path))):
        checkpoint = find_checkpoint(path)  # torch writes them as zip files
        weights, tokens, settings = checkpoint.weights(), checkpoint.tokens, checkpoint.config.get("model", {})
    else:
        found = (
            "a file of another kind"
            if path.is_file()
            else "a folder with none of it"
            if path.is_dir()
            else "none of it"
        )
        raise InputError(
            f"init_from {name}: expected a run's folder (with checkpoints/), a checkpoint (.pt), a model package's folder (with "
            f"model.json) or the name of a bundled one ({', '.join(bundled()) or 'none is bundled here'}), found {found}"
        )
    rows = len(weights["output.weight"]) if "output.weight" in weights else len(tokens)
    if rows != len(tokens):
        raise InputError(f"init_from {name}: expected an output for each of its {len(tokens)} tokens, found {rows}")
    return Source(name, tokens, weights, settings)


def by_part(weights: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The tensors grouped by what is copied whole or not at all."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in weights.items():
        path = name.split(".")
        if path[0] == "layers":  # both directions and the norm of their outputs; the lookahead may differ
            part = ".".join(path[: 3 if path[2] == "lookahead" else 2])
        elif name.startswith("subsampling.norm"):
            part = "subsampling.projection"  # whose outputs it normalises
        else:
            part = ".".join(path[:-1])
        parts.setdefault(part, {})[name] = tensor
    return parts


def misfit(part: str, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> str:
    """Why a part of the source cannot be copied; empty if it can."""
    if not ours or not theirs:
        return "not in the source" if ours else "not in this model"
    for name in [*ours, *theirs]:
        here, there = (f"{tuple(side[name].shape)}" if name in side else "none" for side in (ours, theirs))
        if here != there:
            return f"{name.removeprefix(part + '.')}: {here} here, {there} in the source"
    return ""


def first_rows(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of each tensor, what belongs to one token."""
    return {name: tensor[0] for name, tensor in tensors.items()}


def grouped(not_loaded: list[tuple[str, str]]) -> str:
    """Each reason once: `layers.2 layers.3 (not in the source)`."""
    parts: dict[str, list[str]] = {}
    for part, reason in not_loaded:
        parts.setdefault(reason, []).append(part)
    return "; ".join(f"{' '.join(names)} ({reason})" for reason, names in parts.items())


def shared_tokens(ours: list[str], theirs: list[str]) -> dict[int, int]:
    """Index of each token that the source has, too, and its index there; in another case where the same one is absent."""
    known = {token: index for index, token in enumerate(theirs)}
    rows = {}
    for index, token in enumerate(ours):
        origin = next((form for form in (token, token.upper(), token.lower()) if form in known), None)
        if origin is not None:
            rows[index] = known[origin]
    return rows


def differences(ours: dict, theirs: dict) -> list[str]:
    """Settings of the sound and its frames under which the source was trained and this model will not be."""
    found = []
    for key in ("sample_rate", "subsampling", "front_end"):
        here, there = ours[key], theirs.get(key, ours[key])
        pairs = {key: (here, there)}
        if key == "front_end":
            pairs = {f"{key}.{name}": (here[name], there[name]) for name in here if name in there}
        found += [f"{name} {b} in the source, {a} here" for name, (a, b) in pairs.items() if a != b]
    return found


def freeze(model: CTCModel, prefixes: list[str]) -> int:
    """Keep the weights of parts as they are, named as `subsampling`, `layers` or `layers.0`. Returns how many parameters.

    Only gradients are switched off: dropout inside a frozen part goes on.

    Raises:
        InputError: there is no part of that name that has weights, or nothing would be left to train.
    """
    parameters = dict(model.named_parameters())
    known = {".".join(name.split(".")[:depth]) for name in parameters for depth in range(1, name.count(".") + 1)}
    for prefix in prefixes:
        if prefix not in known:
            near = difflib.get_close_matches(prefix, sorted(known), n=1, cutoff=0.0)[0]
            raise InputError(
                f"freeze: expected a part of the model that has weights, found {prefix!r}; nearest: {near!r}"
            )
    frozen = [p for name, p in parameters.items() if any(name.startswith(prefix + ".") for prefix in prefixes)]
    if len(frozen) == len(parameters):
        raise InputError(f"freeze: {', '.join(prefixes)}: nothing would be left to train")
    for parameter in frozen:
        parameter.requires_grad_(False)
    return sum(parameter.numel() for parameter in frozen)
