"""What stands before and after the speech: digital silence, quiet noise, or the room tone of the recording itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from speechrnn.data.augment.noise import coloured_noise

TONE = 0.2  # seconds of the quietest part of an utterance, of which room tone is made


@dataclass
class SurroundingsConfig:
    """How many utterances get more to listen to before and after the speech."""

    probability: float = 0.0  # of an utterance; 0: off
    seconds: list[float] = field(default_factory=lambda: [0.1, 2.0])  # at each end, a range
    level: list[float] = field(default_factory=lambda: [-80.0, -50.0])  # of noise, dB of full scale, a range


class Surroundings(nn.Module):
    """Puts silence, noise or room tone, each as often as the others, before and after some utterances."""

    def __init__(self, config: SurroundingsConfig, sample_rate: int):
        super().__init__()
        self.config, self.sample_rate = config, sample_rate

    def draw(self, generators: Sequence[np.random.Generator]) -> np.ndarray:
        """(batch, 2) samples before and after each utterance: the first draws of this stage."""
        low, high = self.config.seconds
        lengths = [
            generator.uniform(low, high, 2) * (generator.random() < self.config.probability) for generator in generators
        ]
        return np.round(np.array(lengths).reshape(-1, 2) * self.sample_rate).astype(np.int64)

    def forward(
        self, waveform: Tensor, lengths: Tensor, generators: Sequence[np.random.Generator]
    ) -> tuple[Tensor, Tensor]:
        """(batch, samples), (batch,) on the CPU, and a generator an utterance -> the same, longer."""
        around = self.draw(generators)
        if not around.any():
            return waveform, lengths
        longer = lengths + torch.from_numpy(around.sum(1))
        result = waveform.new_zeros(len(waveform), int(longer.max()))
        for row, speech, samples, (before, after), generator in zip(
            result, waveform, lengths.tolist(), around.tolist(), generators, strict=True
        ):
            row[before : before + samples] = speech[:samples]
            if before + after:
                sound = self.sound(speech[:samples], before + after, generator)
                row[:before], row[before + samples : before + samples + after] = sound[:before], sound[before:]
        return result, longer

    def sound(self, speech: Tensor, samples: int, generator: np.random.Generator) -> Tensor:
        """(samples,) of one kind of surroundings of an utterance (its samples,)."""
        kind = generator.integers(3)
        if kind == 0:
            return speech.new_zeros(samples)
        if kind == 1:
            noise = coloured_noise(generator, samples, generator.uniform(0, 2), self.sample_rate, speech.device)
            low, high = self.config.level
            level = 10 ** (generator.uniform(low, high) / 20)
            return noise * (level / noise.square().mean().sqrt())
        return room_tone(speech, samples, int(TONE * self.sample_rate))


def room_tone(speech: Tensor, samples: int, piece: int) -> Tensor:
    """(samples,) of the quietest `piece` samples of an utterance (its samples,), forward and backward in turn."""
    pieces = speech[: len(speech) // piece * piece].view(-1, piece) if len(speech) >= piece else speech[None]
    quietest = pieces[pieces.square().sum(1).argmin()]
    there_and_back = torch.cat([quietest, quietest.flip(0)])
    return there_and_back.repeat(samples // len(there_and_back) + 1)[:samples]
