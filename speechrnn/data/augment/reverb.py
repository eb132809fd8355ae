"""Reverberation: utterances as if spoken in a room, by recorded impulse responses or simulated ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from speechrnn.data.augment.noise import device_generator
from speechrnn.data.augment.recordings import Recordings
from speechrnn.data.augment.torch_audio import torchaudio
from speechrnn.nn.front_end import frame_mask

FFT_STEP = 4096  # samples; transforms of a multiple of it are up to 6 times faster than of any length


@dataclass
class ReverbConfig:
    """Which rooms, and for how many utterances."""

    probability: float = 0.0  # of an utterance to be reverberated; 0: off
    manifest: str | None = None  # of impulse responses (mono); without one, rooms are simulated
    rt60: list[float] = field(default_factory=lambda: [0.1, 0.6])  # simulated: range of seconds to decay by 60 dB
    direct: list[float] = field(
        default_factory=lambda: [0.0, 15.0]
    )  # simulated: range of direct sound over reverberation, dB


class Reverberation(nn.Module):
    """Convolves some utterances with impulse responses. The direct sound stays in its place and the energy what it was."""

    def __init__(self, config: ReverbConfig, sample_rate: int, cache: str):
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        self.recordings = None
        if config.manifest:
            self.recordings = Recordings("augment.reverb.manifest", config.manifest, sample_rate, cache)

    def forward(
        self, waveform: Tensor, lengths: Tensor, generators: Sequence[np.random.Generator]
    ) -> tuple[Tensor, Tensor]:
        """(batch, samples), (batch,) on the CPU, and a generator an utterance -> the same shapes.

        What rings on after the end of an utterance is cut off.
        """
        functional = torchaudio("functional", "augment.reverb", "augment.reverb.probability=0")
        rows = np.flatnonzero([generator.random() < self.config.probability for generator in generators])
        if not len(rows):
            return waveform, lengths
        chosen = [generators[row] for row in rows.tolist()]
        if self.recordings is None:
            responses, direct = self.simulated(chosen, waveform.device), 0
        else:
            responses, direct = self.recorded(chosen, waveform.device)
        samples = int(lengths[rows].max())
        index = torch.from_numpy(rows).to(waveform.device, non_blocking=True)
        dry = waveform[index, :samples]
        missing = -(samples + responses.shape[1] - 1) % FFT_STEP
        wet = functional.fftconvolve(dry, nn.functional.pad(responses, (0, missing)))[:, direct : direct + samples]
        wet = wet * frame_mask(lengths[rows].to(waveform.device, non_blocking=True), samples)
        energy = wet.square().sum(dim=1, keepdim=True).clamp(min=torch.finfo(wet.dtype).tiny)
        result = waveform.clone()
        result[index, :samples] = wet * (dry.square().sum(dim=1, keepdim=True) / energy).sqrt()
        return result, lengths

    def simulated(self, generators: Sequence[np.random.Generator], device: torch.device) -> Tensor:
        """(batch, taps) impulse responses, the direct sound at 0.

        Polack's model (J.-D. Polack, La transmission de l'énergie sonore dans les salles, thesis, Le Mans 1988): the
        reverberation is white Gaussian noise under an exponential, here from the direct sound on. It has no single early
        reflections and decays alike at all frequencies.
        """
        c = self.config
        (shortest, longest), (low, high) = c.rt60, c.direct
        drawn = np.array([[each.uniform(shortest, longest), each.uniform(low, high)] for each in generators])
        rt60, direct = torch.from_numpy(drawn).to(device, torch.float32, non_blocking=True).T[:, :, None]
        taps = math.ceil(c.rt60[1] * self.sample_rate)
        noise = torch.stack(
            [
                torch.randn(taps, generator=device_generator(generator, device), device=device)
                for generator in generators
            ]
        )
        seconds = torch.arange(1, taps + 1, device=device) / self.sample_rate
        tail = noise * torch.exp(-math.log(1000) * seconds / rt60)  # an amplitude of 1/1000 is 60 dB
        tail = tail * (10 ** (-direct / 10) / tail.square().sum(dim=1, keepdim=True)).sqrt()
        return nn.functional.pad(tail, (1, 0), value=1.0)

    def recorded(self, generators: Sequence[np.random.Generator], device: torch.device) -> tuple[Tensor, int]:
        """(batch, taps) impulse responses, and where their direct sound, the largest sample, is in all of them."""
        recordings = self.recordings
        assert recordings is not None  # without any they are simulated
        found = [recordings.recording(int(generator.integers(len(recordings)))) for generator in generators]
        peaks = [int(np.abs(response).argmax()) for response in found]
        direct = max(peaks)
        taps = max(direct - peak + len(response) for peak, response in zip(peaks, found, strict=True))
        padded = torch.zeros(len(found), taps, pin_memory=device.type == "cuda")
        for row, peak, response in zip(padded.numpy(), peaks, found, strict=True):
            row[direct - peak : direct - peak + len(response)] = response
        return padded.to(device, non_blocking=True), direct
