"""What a run trains on and is evaluated with: utterances, alphabet, and the plan of its updates."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain

import numpy as np
import torch

from speechrnn.data.audio_cache import AudioCache
from speechrnn.data.augment import Augmentation
from speechrnn.data.dataset import Dataset
from speechrnn.data.plan import plan
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance, read_manifest
from speechrnn.nn.ctc import frames_needed
from speechrnn.nn.front_end import Count, frame_count
from speechrnn.nn.model import CTCModel, ModelConfig
from speechrnn.nn.subsampling import output_frames
from speechrnn.runs.config import Config
from speechrnn.runs.progress import progress_over
from speechrnn.text import Tokenizer, normaliser, read_pronunciations
from speechrnn.training.distributed import Processes


class TrainingData:
    """The training set, the dev set if there is one, and the tokens: `tokens` of a run that goes on, else those of the lexicon,
    else those of the texts.

    Raises:
        InputError: a manifest cannot be used, or nothing is left of it.
    """

    def __init__(
        self, config: Config, processes: Processes, augmentation: Augmentation, tokens: list[str] | None = None
    ):
        self.config, self.processes, self.augmentation = config, processes, augmentation
        train = read_manifests(config.data.train)
        normalise = normaliser(config.data.normaliser)
        pronunciations = read_pronunciations(config.data.lexicon, tokens) if config.data.lexicon else None
        if tokens:
            self.tokenizer = Tokenizer(tokens, pronunciations)
        elif pronunciations:
            self.tokenizer = Tokenizer.from_pronunciations(pronunciations)
        else:
            self.tokenizer = Tokenizer.from_texts(normalise(u.text).replace("|", " ") for u in train)
        dev = (
            read_manifest(config.data.dev) if config.data.dev else None
        )  # if it is missing, before anything is decoded
        self.train = self._dataset("train", train, augmentation.fastest)
        self.dev = self._dataset("dev", dev, 1.0) if dev is not None else None
        if self.dev and not any(self.dev.texts):
            raise InputError(f"{config.data.dev}: expected a dev set with words in it, found nonspeech only")
        self.seconds = self.train.seconds(config.model.sample_rate)  # (utterances,) of the training set
        self.fingerprints = {"train": self.train.fingerprint()}
        if self.dev:
            self.fingerprints["dev"] = self.dev.fingerprint()

    def updates(self, epoch: int) -> list[list[np.ndarray]]:
        """The updates of one epoch, each of world * accumulate batches: arrays of the utterances' indices."""
        data, accumulate, world = self.config.data, self.config.optimiser.accumulate, self.processes.world
        shortest_first = data.shortest_first and epoch == 0
        batches = plan(
            self.played_seconds(epoch), self.config.seed, epoch, data.max_seconds, world, accumulate, shortest_first
        )
        size = world * accumulate
        return [batches[first : first + size] for first in range(0, len(batches), size)]

    def played_seconds(self, epoch: int) -> np.ndarray:
        """(utterances,) durations as the augmentation of this epoch makes them."""
        rate = self.config.model.sample_rate
        generators = self.generators(epoch, range(len(self.train)))
        return self.augmentation.played_samples(self.seconds * rate, generators) / rate

    def generators(self, epoch: int, indices: Iterable[int]) -> list[np.random.Generator]:
        """The randomness of each utterance's augmentation."""
        return [np.random.default_rng([self.config.seed, epoch, index]) for index in indices]

    def dev_batches(self) -> list[np.ndarray]:
        """The dev set in batches."""
        assert self.dev is not None
        seconds = self.dev.seconds(self.config.model.sample_rate)
        return plan(seconds, seed=0, epoch=0, max_seconds=self.config.data.max_seconds)

    def _dataset(self, name: str, utterances: Sequence[Utterance], fastest: float) -> Dataset:
        model, data = self.config.model, self.config.data
        with self.processes.one_a_machine_first():
            cache = AudioCache(utterances, model.sample_rate, data.cache, progress_over(f"decoding {name}"))
        dataset = Dataset(
            utterances, cache, self.tokenizer, normaliser(data.normaliser), partial(feasible, model, fastest)
        )
        if not self.processes.local_rank:  # each machine has its files
            dataset.report(name, self.config.run)
        if not len(dataset):
            raise InputError(f"{name}: no utterance is left to use")
        return dataset


def read_manifests(paths: Sequence[str]) -> list[Utterance]:
    """The utterances of several manifests, whose ids must differ.

    Raises:
        InputError: there is none, one cannot be read, or an id stands in two.
    """
    if not paths:
        raise InputError("data.train: expected at least one manifest, such as data.train=[data/mine/all.jsonl]")
    utterances: dict[str, Utterance] = {}
    for path in paths:
        for utterance in read_manifest(path):
            if utterance.id in utterances:
                raise InputError(f"{path}: the id {utterance.id!r} stands in another training manifest, too")
            utterances[utterance.id] = utterance
    return list(utterances.values())


def model_frames(model: ModelConfig, samples: Count) -> Count:
    """How many frames the model makes of so many samples."""
    shift = round(model.front_end.shift_seconds * model.sample_rate)
    return output_frames(frame_count(samples, shift), model.subsampling)


def feasible(model: ModelConfig, fastest: float, samples: int, labels: list[int]) -> bool:
    """Whether CTC can emit the labels even when the utterance is played at the fastest speed."""
    return model_frames(model, int(samples / fastest)) >= frames_needed(labels)


@torch.no_grad()
def measure_features(model: CTCModel, data: TrainingData) -> None:
    """Set the mean and deviation of each feature to those of the training set, for `normalise: global`."""
    device = model.output.weight.device
    frames = 0
    total = squares = torch.zeros((), dtype=torch.float64, device=device)
    for indices in chain.from_iterable(data.updates(0)):
        batch = data.train.batch(indices)
        features, lengths = model.front_end(batch.waveform.to(device), batch.lengths.to(device))
        for row, length in zip(features.double(), lengths, strict=True):
            frames += int(length)
            total = total + row[:length].sum(0)
            squares = squares + row[:length].square().sum(0)
    mean = total / frames
    model.normalise.mean.copy_(mean)
    model.normalise.deviation.copy_((squares / frames - mean.square()).clamp(min=1e-5).sqrt())
