"""The configuration of a training run: typed, from YAML and `key=value` arguments."""

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from speechrnn.data.augment import AugmentConfig
from speechrnn.errors import InputError
from speechrnn.nn.model import ModelConfig
from speechrnn.nn.subsampling import STRIDES
from speechrnn.package import OUTPUT_CASES

UNLIMITED = ("data.max_seconds", "optimiser.clip", "checkpoints.minutes")  # infinity turns them off

REMOVED = ("pitch", "stretch")  # switches of `augment` that checkpoints of 0.1 hold: of no matter where they are off


@dataclass
class DataConfig:
    """Where the utterances are and how they are batched."""

    train: list[str] = field(default_factory=list)  # manifests
    dev: str | None = None  # a manifest of other speakers; without one only the loss is reported
    normaliser: str = "raw"
    max_seconds: float = 80.0  # of audio in a batch as it is played, padding included
    cache: str = "runs/cache"  # folder of decoded audio
    shortest_first: bool = False  # in the first epoch: a curriculum, for networks that do not find out of the blanks
    lexicon: str | None = None  # how words are pronounced: the tokens are its phones; without one, characters


@dataclass
class OptimiserConfig:
    """AdamW with linear warm-up and cosine decay."""

    epochs: int = 60
    rate: float = 1.5e-3
    warmup: float = 0.2  # share of all steps
    weight_decay: float = 0.01
    clip: float = 5.0  # largest gradient norm
    accumulate: int = 1  # batches a step
    consistency: float = 0.0  # weight of the disagreement of two augmented views (CR-CTC); 0: one view
    intermediate: float = 0.0  # share of the loss that the middle of the network has, through the same output layer
    average: float = 0.0  # decay of the running average of weights that is evaluated and exported; 0: none
    patience: int = 0  # epochs without a better one (WER, then loss, on dev) after which the run stops; 0: it goes on


@dataclass
class CheckpointConfig:
    """How often a run is saved, within epochs and at the end of each, and what is kept of that."""

    minutes: float = 10.0  # between two checkpoints within an epoch: what a crash can cost
    last: int = 2  # should the newest be damaged, there is one before
    best: int = 1  # of the epochs, by dev WER, of equal ones by loss; more of them for `speechrnn average`


@dataclass
class Config:
    """A training run."""

    name: str = "model"
    run: str = "runs/model"  # folder of the run
    seed: int = 1
    language: str = "en"
    output_case: str = "as_is"  # of transcripts: as_is, lower or upper
    device: str = "auto"  # auto, cpu or cuda
    precision: str = "auto"  # auto: bfloat16 where the device has it in hardware, else float32; float16
    init_from: str | None = None  # a run, checkpoint or package whose weights the run begins with (docs/fine_tuning.md)
    freeze: list[str] = field(
        default_factory=list
    )  # parts of the network that are not trained, such as subsampling, layers.0
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)


def read_config(path: str, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file and apply `key=value` arguments, such as ``model.layers=5``.

    Raises:
        InputError: the file cannot be read, a key is unknown (its nearest neighbour is named), or a value has the wrong type.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    for override in overrides:
        if "=" not in override:
            raise InputError(f"{override!r}: expected key=value, such as model.layers=5")
    config = OmegaConf.structured(Config)
    for where in (path, *overrides):
        try:
            part = OmegaConf.load(path) if where is path else OmegaConf.from_dotlist([where])
        except FileNotFoundError:
            raise InputError(f"{where}: expected a YAML file, found no such file") from None
        except (OSError, UnicodeDecodeError, YAMLError) as error:
            raise InputError(f"{where}: cannot be read as YAML: {' '.join(str(error).split())}") from None
        _check_keys(str(where), part, config)
        try:
            config = OmegaConf.merge(config, part)
            OmegaConf.resolve(config)
        except OmegaConfBaseException as error:
            key = f" (key {error.full_key})" if error.full_key else ""
            reason = str(error).splitlines()[0]
            if "not a ListConfig" in reason:
                reason = "expected a list, such as [a, b]"
            raise InputError(f"{where}: {reason}{key}") from None
    return cast(Config, OmegaConf.to_object(config))


def check_values(config: Config) -> None:
    """What the parts of a run would fail over later and less clearly. They check the names of kinds themselves.

    Raises:
        InputError: a number is out of its range, or the run's folder is a file.
    """
    model, optimiser, augment = config.model, config.optimiser, config.augment
    front_end, spec, run = model.front_end, augment.spec, Path(config.run)
    expectations: dict[str, tuple[Any, bool, str]] = {
        "run": (f"the file {config.run}", not run.exists() or run.is_dir(), "a folder, or a name that is free"),
        "seed": (config.seed, 0 <= config.seed < 2**63, "0 or more" if config.seed < 0 else "less than 2^63"),
        "data.max_seconds": (config.data.max_seconds, config.data.max_seconds > 0, "more than 0"),
        "model.subsampling": (
            model.subsampling,
            model.subsampling in STRIDES,
            "one of " + ", ".join(map(str, STRIDES)),
        ),
        "model.dropout": (model.dropout, 0 <= model.dropout < 1, "from 0 to below 1"),
        "model.lookahead": (model.lookahead, model.lookahead >= 0, "0 or more"),
        "optimiser.average": (optimiser.average, 0 <= optimiser.average < 1, "from 0 to below 1"),
        "optimiser.patience": (optimiser.patience, optimiser.patience >= 0, "0 or more"),
        "optimiser.intermediate": (optimiser.intermediate, 0 <= optimiser.intermediate < 1, "from 0 to below 1"),
        "checkpoints.minutes": (config.checkpoints.minutes, config.checkpoints.minutes >= 0, "0 or more"),
        "checkpoints.last": (config.checkpoints.last, config.checkpoints.last > 0, "more than 0"),
        "checkpoints.best": (config.checkpoints.best, config.checkpoints.best > 0, "more than 0"),
        "optimiser.consistency": (optimiser.consistency, optimiser.consistency >= 0, "0 or more"),
        "output_case": (config.output_case, config.output_case in OUTPUT_CASES, f"one of {', '.join(OUTPUT_CASES)}"),
        "model.front_end.num_ceps": (front_end.num_ceps, 0 < front_end.num_ceps <= front_end.num_bins, "1 to num_bins"),
        "model.front_end.shift_seconds": (
            front_end.shift_seconds,
            1 <= front_end.shift_seconds * model.sample_rate <= front_end.window_seconds * model.sample_rate,
            "at least one sample, and no more than the window",
        ),
        "model.front_end.speech_margin_seconds": (
            front_end.speech_margin_seconds,
            0 <= front_end.speech_margin_seconds <= 60,
            "from 0 to 60",
        ),
        "optimiser.warmup": (optimiser.warmup, 0 <= optimiser.warmup <= 1, "from 0 to 1"),
        "optimiser.weight_decay": (optimiser.weight_decay, optimiser.weight_decay >= 0, "0 or more"),
        "augment.clipping.offset": (augment.clipping.offset, 0 <= augment.clipping.offset <= 1, "from 0 to 1"),
        "augment.spec.time_mask_share": (spec.time_mask_share, 0 <= spec.time_mask_share <= 1, "from 0 to 1"),
        "augment.speed": (augment.speed, min(augment.speed, default=0) > 0, "factors above 0, at least one"),
        "augment.spec.time_masks_per_frame": (
            spec.time_masks_per_frame,
            0 <= spec.time_masks_per_frame <= 1,
            "from 0 to 1",
        ),
    }
    for name in ("surroundings", "reverb", "noise", "telephone", "clipping"):
        value = getattr(augment, name).probability
        expectations[f"augment.{name}.probability"] = value, 0 <= value <= 1, "from 0 to 1"
    for name, values, least, most in (
        ("gain", augment.gain, -60, 60),
        ("noise.snr", augment.noise.snr, -20, 100),
        ("noise.colour", augment.noise.colour, 0, 2),
        ("reverb.rt60", augment.reverb.rt60, 0.01, 5),
        ("reverb.direct", augment.reverb.direct, -20, 60),
        ("surroundings.seconds", augment.surroundings.seconds, 0, 60),
        ("surroundings.level", augment.surroundings.level, -120, 0),
        ("clipping.decibels", augment.clipping.decibels, -20, 40),
    ):
        holds = len(values) == 2 and least <= values[0] <= values[1] <= most
        expectations[f"augment.{name}"] = values, holds, f"[lowest, highest] between {least} and {most}"
    for name in ("sample_rate", "channels", "layers", "hidden"):
        value = getattr(model, name)
        expectations[f"model.{name}"] = value, value > 0, "more than 0"
    for name in ("freq_masks", "freq_mask_bins", "time_masks", "time_mask_frames"):
        value = getattr(spec, name)
        expectations[f"augment.spec.{name}"] = value, value >= 0, "0 or more"
    for name in ("num_bins", "window_seconds"):
        value = getattr(model.front_end, name)
        expectations[f"model.front_end.{name}"] = value, value > 0, "more than 0"
    for name in ("epochs", "rate", "clip", "accumulate"):
        value = getattr(optimiser, name)
        expectations[f"optimiser.{name}"] = value, value > 0, "more than 0"
    for key, (value, holds, expected) in expectations.items():
        if not holds:
            raise InputError(f"{key}: expected {expected}, found {value}")
    if optimiser.patience and not config.data.dev:
        raise InputError("optimiser.patience: expected a dev set (data.dev), on which the WER may fall, found none")
    for key, value in _numbers(asdict(config)):
        if not math.isfinite(value) and not (key in UNLIMITED and value == math.inf):
            raise InputError(f"{key}: expected a finite number, found {value}")


def _numbers(tree: dict, prefix: str = "") -> Iterator[tuple[str, float]]:
    """The floating-point numbers of a nested dictionary and of its lists, each with its dotted key."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{key}.")
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, float):
                yield f"{prefix}{key}", each


def _check_keys(where: str, given: Any, expected: Any) -> None:
    from omegaconf import DictConfig, OmegaConf

    if not isinstance(given, DictConfig):
        raise InputError(f"{where}: expected keys and values")
    known = _keys(cast(dict, OmegaConf.to_container(expected)))
    for key in _keys(cast(dict, OmegaConf.to_container(given))):
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            last = difflib.get_close_matches(key.split(".")[-1], [k.split(".")[-1] for k in known], n=1, cutoff=0.8)
            if last:
                near = next(k for k in known if k.split(".")[-1] == last[0])
            raise InputError(f"{where}: unknown key {key!r}; the nearest known one is {near!r}")


def _keys(tree: dict, prefix: str = "") -> list[str]:
    keys = []
    for key, value in tree.items():
        keys.append(f"{prefix}{key}")
        if isinstance(value, dict):
            keys += _keys(value, f"{prefix}{key}.")
    return keys


def config_from_dict(values: dict, where: str) -> Config:
    """The configuration that the checkpoint `where` holds.

    Raises:
        InputError: this version does not know a key of it.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    augment = values.get("augment", {})
    off = [name for name in REMOVED if not augment.get(name, {}).get("probability")]
    values = values | {"augment": {name: value for name, value in augment.items() if name not in off}}
    try:
        return cast(Config, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), values)))
    except OmegaConfBaseException as error:
        raise InputError(f"{where}: its configuration is of another version: {str(error).splitlines()[0]}") from None
