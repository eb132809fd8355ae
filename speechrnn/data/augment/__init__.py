"""Augmentation of waveforms: on the batch, on its device. See docs/augmentation.md for what each switch does and costs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn

from speechrnn.data.augment.clipping import Clipping, ClippingConfig
from speechrnn.data.augment.gain import Gain
from speechrnn.data.augment.noise import Noise, NoiseConfig
from speechrnn.data.augment.reverb import ReverbConfig, Reverberation
from speechrnn.data.augment.speed import SpeedPerturbation, steps_between
from speechrnn.data.augment.surroundings import Surroundings, SurroundingsConfig
from speechrnn.data.augment.telephone import Telephone, TelephoneConfig
from speechrnn.nn.spec_augment import SpecAugmentConfig


@dataclass
class AugmentConfig:
    """What is done to the audio of each batch. Ranges are [lowest, highest], drawn from uniformly."""

    speed: list[float] = field(default_factory=lambda: [0.9, 1.0, 1.1])  # factors, one drawn for each utterance
    speed_between: bool = False  # every factor from the least of `speed` to the greatest, in steps of 1 %
    spec: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)  # masks in the features
    surroundings: SurroundingsConfig = field(default_factory=SurroundingsConfig)
    reverb: ReverbConfig = field(default_factory=ReverbConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    telephone: TelephoneConfig = field(default_factory=TelephoneConfig)
    clipping: ClippingConfig = field(default_factory=ClippingConfig)
    gain: list[float] = field(default_factory=lambda: [0.0, 0.0])  # a range in dB; [0, 0]: off


class Augmentation(nn.Module):
    """Speed, surroundings, room, noise, telephone, clipping, gain: the voice, the place, then the channel.

    Everything random is drawn from the generator of each utterance, so it is augmented alike in whatever batch it is.
    """

    def __init__(self, config: AugmentConfig, sample_rate: int, cache: str = "runs/cache"):
        """`cache` is the folder of decoded audio, for the recordings of manifests.

        Raises:
            InputError: a manifest is missing or empty, or none of its recordings can be read.
        """
        super().__init__()
        factors = config.speed
        if config.speed_between:
            factors = steps_between(min(factors), max(factors))
        self.speed = SpeedPerturbation(factors)
        self.stages = nn.ModuleList()
        self.fastest = max(factors)  # the factor by which an utterance may become shorter
        if config.surroundings.probability:
            self.stages.append(Surroundings(config.surroundings, sample_rate))
        if config.reverb.probability:
            self.stages.append(Reverberation(config.reverb, sample_rate, cache))
        if config.noise.probability:
            self.stages.append(Noise(config.noise, sample_rate, cache))
        if config.telephone.probability:
            self.stages.append(Telephone(config.telephone, sample_rate))
        if config.clipping.probability:
            self.stages.append(Clipping(config.clipping))
        if any(config.gain):
            self.stages.append(Gain(config.gain))

    def forward(
        self, waveform: Tensor, lengths: Tensor, generators: Sequence[np.random.Generator]
    ) -> tuple[Tensor, Tensor]:
        """(batch, samples) float32, (batch,) int64 on the CPU and a generator an utterance -> the same, augmented.

        The result is zero beyond each length. The lengths stay on the CPU, so that nothing waits for a GPU.
        """
        waveform, lengths = self.speed(waveform, lengths, self._speed_choice(generators))
        for stage in self.stages:
            waveform, lengths = stage(waveform, lengths, generators)
        return waveform, lengths

    def played_samples(self, samples: np.ndarray, generators: Sequence[np.random.Generator]) -> np.ndarray:
        """(utterances,) samples -> how many `forward` makes of them with generators of the same seeds, to a few samples: batches
        are made of utterances that are equally long when they are played."""
        samples = samples / np.array(self.speed.factors)[self._speed_choice(generators)]
        for (
            stage
        ) in self.stages:  # the one that changes lengths comes first, and draws the new ones before anything else
            if isinstance(stage, Surroundings):
                samples = samples + stage.draw(generators).sum(1)
        return samples

    def _speed_choice(self, generators: Sequence[np.random.Generator]) -> np.ndarray:
        return np.array([generator.integers(len(self.speed.factors)) for generator in generators])
