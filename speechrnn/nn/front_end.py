"""The audio front end: waveforms to normalised log energies, on padded batches with lengths.

Everything between a frame of samples and its spectrum (removing the mean, pre-emphasis, window, Fourier transform) is
linear, so it is one matrix, and the exported graph holds the same matrix: training and serving cannot disagree.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from speechrnn.errors import InputError

Count = TypeVar("Count", int, Tensor)  # of one utterance, or (batch,)

INT16_SCALE = 32768.0  # Kaldi works on samples in the range of int16
ENERGY_FLOOR = 1.1920928955078125e-07  # float32's epsilon, as Kaldi floors mel energies
DECIBEL = math.log(10) / 10  # in a natural logarithm of energy
DYNAMIC_RANGE = 80 * DECIBEL  # below the loudest, as librosa's power_to_db; see `Normalise`
SPEECH_RANGE = (
    20 * DECIBEL
)  # a frame's mean log energy below that of the loudest: every syllable comes nearer to it, pauses do not


@dataclass
class FrontEndConfig:
    """What the front end computes. Frequencies in hertz, times in seconds."""

    kind: str = "fbank"  # fbank and mfcc as Kaldi computes them, mel and spectrogram as librosa does
    num_bins: int = 80  # mel bins
    num_ceps: int = 13  # mfcc only
    low_hz: float = 20.0
    high_hz: float = 7600.0
    window_seconds: float = 0.025
    shift_seconds: float = 0.010
    normalise: str = (
        "utterance"  # utterance (mean and variance near speech), global (statistics of the training set) or none
    )
    speech_margin_seconds: float = 0.1  # normalise: utterance; frames this near to speech count as well


def feature_width(config: FrontEndConfig, sample_rate: int) -> int:
    """The number of features per frame."""
    if config.kind == "spectrogram":
        return fft_size(config, sample_rate) // 2 + 1
    return config.num_ceps if config.kind == "mfcc" else config.num_bins


def fft_size(config: FrontEndConfig, sample_rate: int) -> int:
    """The window's length rounded up to a power of two, in samples."""
    return 1 << (round(config.window_seconds * sample_rate) - 1).bit_length()


def frame_count(samples: Count, shift: int) -> Count:
    """How many frames so many samples make, at least one."""
    count = (samples + shift // 2) // shift
    return count + (count < 1)


class FrontEnd(nn.Module):
    """Waveforms to features, as Kaldi's `compute-fbank-feats --snip-edges=false --dither=0` computes them.

    Kinds: `fbank` (povey window, pre-emphasis 0.97, mean of the frame removed, log mel energies), `mfcc` (its cosine
    transform, liftered), `mel` and `spectrogram` (Hann window, log power, librosa's Slaney mel scale). All at int16 scale.
    """

    basis: Tensor  # (2 * (fft/2 + 1), window): real rows, then imaginary rows
    mel: Tensor | None  # (fft/2 + 1, bins)
    cosine: Tensor | None  # (bins, ceps)

    def __init__(self, config: FrontEndConfig, sample_rate: int):
        super().__init__()
        kinds = ("fbank", "mfcc", "mel", "spectrogram")
        if config.kind not in kinds:
            raise InputError(f"front_end.kind: expected one of {', '.join(kinds)}, found {config.kind!r}")
        if not 0 <= config.low_hz < config.high_hz <= sample_rate / 2:
            raise InputError(
                f"front_end: expected 0 <= low_hz < high_hz <= {sample_rate / 2:g} (half the sample rate), "
                f"found {config.low_hz:g} and {config.high_hz:g}"
            )
        self.window = round(config.window_seconds * sample_rate)
        self.shift = round(config.shift_seconds * sample_rate)
        kaldi = config.kind in ("fbank", "mfcc")
        size = fft_size(config, sample_rate)
        basis = fourier_basis(self.window, size, kaldi) * INT16_SCALE
        mel = cosine = None
        if config.kind != "spectrogram":
            filters = kaldi_mel_filters if kaldi else slaney_mel_filters
            mel = filters(config.num_bins, size, sample_rate, config.low_hz, config.high_hz).float()
        if config.kind == "mfcc":
            cosine = cosine_transform(config.num_bins, config.num_ceps).float()
        self.register_buffer("basis", basis.float(), persistent=False)
        self.register_buffer("mel", mel, persistent=False)
        self.register_buffer("cosine", cosine, persistent=False)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, samples) in [-1, 1] and (batch,) samples -> (batch, frames, features) and (batch,) frames.

        Frame t is centred on sample (t + 1/2) * shift, and the signal is mirrored at both its ends (Kaldi's snip_edges
        false). Even the shortest signal gives one frame.
        """
        frame_lengths = frame_count(lengths, self.shift)
        frames = self.frames(waveform, lengths, int(frame_lengths.max()))  # (batch, frames, window)
        real, imaginary = (frames @ self.basis.T).chunk(2, dim=-1)  # each (batch, frames, fft/2 + 1)
        features = real.square() + imaginary.square()
        if self.mel is not None:
            features = features @ self.mel
        features = features.clamp(min=ENERGY_FLOOR).log()
        if self.cosine is not None:
            features = features @ self.cosine
        return features, frame_lengths

    def frames(self, waveform: Tensor, lengths: Tensor, count: int) -> Tensor:
        """(batch, samples) -> (batch, count, window): each signal mirrored at its own ends, then cut."""
        first = self.shift // 2 - self.window // 2
        samples = (count - 1) * self.shift + self.window
        period = 2 * lengths[:, None]
        index = torch.arange(first, first + samples, device=waveform.device)[None, :] % period
        index = torch.minimum(index, period - 1 - index)  # 0 1 2 ... n-1 n-1 ... 1 0 0 1 ...
        return waveform.gather(1, index).unfold(1, self.window, self.shift)


class Normalise(nn.Module):
    """Mean and variance normalisation of each feature, per utterance over the frames near speech, or by global statistics.

    Per utterance, frames far below the loudest have no weight (see `speech_weights`), so that the statistics do not depend on
    how much silence or quiet noise surrounds the speech. Energies more than 80 dB below the loudest are raised to that floor:
    digital silence is infinitely far down, and a change of gain must not change what is seen.
    """

    mean: Tensor  # (features,)
    deviation: Tensor  # (features,)

    def __init__(self, config: FrontEndConfig, width: int):
        super().__init__()
        mode = config.normalise
        if mode not in ("utterance", "global", "none"):
            raise InputError(f"front_end.normalise: expected utterance, global or none, found {mode!r}")
        self.mode = mode
        self.floored = config.kind != "mfcc"  # cepstra are not energies
        self.bins = config.num_bins
        self.margin = round(config.speech_margin_seconds / config.shift_seconds)  # frames
        self.register_buffer("mean", torch.zeros(width), persistent=mode == "global")
        self.register_buffer("deviation", torch.ones(width), persistent=mode == "global")

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, features) and (batch,) frames -> the same shape, zero beyond each length."""
        valid = frame_mask(lengths, features.shape[1])[:, :, None]
        if self.mode != "utterance":
            return (features - self.mean) / self.deviation * valid
        if self.floored:
            loudest = features.masked_fill(~valid, -torch.inf).amax(dim=(1, 2), keepdim=True)
            features = torch.maximum(features, loudest - DYNAMIC_RANGE)
        weights = self.speech_weights(features, valid)
        total = weights.sum(1, keepdim=True)
        mean = (features * weights).sum(1, keepdim=True) / total
        # A sum of large numbers is rounded otherwise in a batch of another length: the sum of what is left corrects it
        mean = mean + ((features - mean) * weights).sum(1, keepdim=True) / total
        centred = (features - mean) * valid
        variance = (centred.square() * weights).sum(1, keepdim=True) / total
        return centred / (variance + 1e-5).sqrt()

    def speech_weights(self, features: Tensor, valid: Tensor) -> Tensor:
        """(batch, frames, 1) in [0, 1]: 1 within `speech_margin_seconds` of a frame that is nearly as loud as the loudest.

        The level of a frame is the mean of its log energies, to which the first cepstrum is in proportion. The weight falls
        from 1 to 0 between `SPEECH_RANGE` below the loudest frame and 10 dB less.
        """
        level = features.mean(2, keepdim=True) if self.floored else features[:, :, :1] / self.bins**0.5
        level = level.masked_fill(~valid, -torch.inf)
        above = (level - level.amax(1, keepdim=True) + SPEECH_RANGE) / (10 * DECIBEL) + 1
        near = nn.functional.max_pool1d(above.clamp(0, 1).transpose(1, 2), 2 * self.margin + 1, 1, self.margin)
        return near.transpose(1, 2) * valid


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """(batch,) -> (batch, frames): True on valid frames."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


def fourier_basis(window: int, size: int, kaldi: bool) -> Tensor:
    """The real DFT of a windowed frame as a matrix, (2 * (size/2 + 1), window) float64.

    For Kaldi's features the frame's mean is removed and it is pre-emphasised first: y[i] = x[i] - 0.97 x[max(i - 1, 0)].
    """
    n = torch.arange(window, dtype=torch.float64)
    if kaldi:
        hann = 0.5 - 0.5 * torch.cos(2 * math.pi * n / (window - 1))
        shape = hann.pow(0.85)  # Kaldi's povey window
        emphasis = torch.eye(window, dtype=torch.float64)
        emphasis[n.long(), (n.long() - 1).clamp(min=0)] -= 0.97
        preparation = emphasis - emphasis.mean(dim=1, keepdim=True)  # emphasis @ (I - 1/n): the mean is removed before
    else:
        shape = 0.5 - 0.5 * torch.cos(2 * math.pi * n / window)  # periodic Hann
        preparation = torch.eye(window, dtype=torch.float64)
    k = torch.arange(size // 2 + 1, dtype=torch.float64)
    angle = 2 * math.pi * k[:, None] * n[None, :] / size
    transform = torch.cat([torch.cos(angle), -torch.sin(angle)])
    return (transform * shape) @ preparation


def kaldi_mel_filters(bins: int, size: int, sample_rate: int, low_hz: float, high_hz: float) -> Tensor:
    """Kaldi's triangular filters, (size/2 + 1, bins): triangles on the mel scale 1127 ln(1 + f/700), peak 1."""

    def to_mel(hz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hz / 700.0)

    ends = to_mel(torch.tensor([low_hz, high_hz], dtype=torch.float64))
    edges = torch.linspace(float(ends[0]), float(ends[1]), bins + 2, dtype=torch.float64)
    mels = to_mel(torch.arange(size // 2 + 1, dtype=torch.float64) * sample_rate / size)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (mels[:, None] - left) / (centre - left)
    falling = (right - mels[:, None]) / (right - centre)
    filters = torch.minimum(rising, falling).clamp(min=0.0)
    filters[-1] = 0.0  # Kaldi leaves the Nyquist bin out
    return filters


def slaney_mel_filters(bins: int, size: int, sample_rate: int, low_hz: float, high_hz: float) -> Tensor:
    """librosa's default filters, (size/2 + 1, bins): Slaney's mel scale, triangles of equal area."""
    import librosa

    filters = librosa.filters.mel(sr=sample_rate, n_fft=size, n_mels=bins, fmin=low_hz, fmax=high_hz, dtype=np.float64)
    return torch.from_numpy(filters.T)


def cosine_transform(bins: int, ceps: int, lifter: float = 22.0) -> Tensor:
    """Kaldi's MFCC matrix, (bins, ceps): orthonormal DCT-II, then cepstral liftering."""
    n, k = torch.arange(bins, dtype=torch.float64), torch.arange(ceps, dtype=torch.float64)
    matrix = torch.cos(math.pi / bins * (n[:, None] + 0.5) * k) * math.sqrt(2.0 / bins)
    matrix[:, 0] = math.sqrt(1.0 / bins)
    return matrix * (1 + 0.5 * lifter * torch.sin(math.pi * k / lifter))
