"""SpecAugment: stretches of time and bands of frequency blanked out during training (Park et al., arXiv 1904.08779)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speechrnn.nn.front_end import frame_mask


@dataclass
class SpecAugmentConfig:
    """How much is masked. No masks: SpecAugment is off."""

    freq_masks: int = 2
    freq_mask_bins: int = 27  # the widest band, in features
    time_masks: int = 2
    time_mask_frames: int = 40  # the longest stretch, in frames
    time_mask_share: float = 0.2  # and never more than this share of the utterance


class SpecAugment(nn.Module):
    """Masks with zero, which is the mean of normalised features, and only within the valid frames."""

    def __init__(self, config: SpecAugmentConfig):
        super().__init__()
        self.config = config

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, features), (batch,) -> the same shape. Draws from torch's generator of the CPU."""
        c = self.config
        batch, frames, bins = features.shape
        device = features.device
        longest = (lengths * c.time_mask_share).floor().clamp(max=c.time_mask_frames).cpu()
        time = stretches(c.time_masks, longest, lengths.cpu(), frames).to(device)
        width = torch.full((batch,), float(min(c.freq_mask_bins, bins)))
        band = stretches(c.freq_masks, width, torch.full((batch,), bins), bins).to(device)
        masked = time[:, :, None] | band[:, None, :] | ~frame_mask(lengths, frames)[:, :, None]
        return features.masked_fill(masked, 0.0)


def stretches(count: int, longest: Tensor, lengths: Tensor, size: int) -> Tensor:
    """(batch, size) bool: `count` random stretches a row, each 0 to `longest` (batch,) long and within `lengths` (batch,)."""
    draw = torch.rand(2, len(lengths), count)
    width = (draw[0] * (longest[:, None] + 1)).floor()
    start = (draw[1] * (lengths[:, None] - width + 1)).floor()
    t = torch.arange(size)[None, None, :]
    return ((t >= start[:, :, None]) & (t < (start + width)[:, :, None])).any(dim=1)
