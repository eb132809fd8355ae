"""SpecAugment: spans of time and bands of frequency blanked out during training (Park et al., arXiv 1904.08779)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speechrnn.nn.front_end import frame_mask

MOST_TIME_MASKS = 20  # of an utterance whose count follows its length (Park et al., arXiv 1912.05533)


@dataclass
class SpecAugmentConfig:
    """How much is masked. No masks: SpecAugment is off."""

    freq_masks: int = 2
    freq_mask_bins: int = 27  # the widest band, in features
    time_masks: int = 2
    time_mask_frames: int = 40  # the longest span, in frames
    time_mask_share: float = 0.2  # and never more than this share of the utterance
    time_masks_per_frame: float = 0.0  # above 0: so many spans a frame, rounded down, in place of `time_masks`


class SpecAugment(nn.Module):
    """Masks with zero, which is the mean of normalised features, and only within the valid frames."""

    def __init__(self, config: SpecAugmentConfig):
        super().__init__()
        self.config = config

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, features), (batch,) -> the same shape. Draws from torch's generator of the CPU."""
        c = self.config
        frames, bins = features.shape[1:]
        longest = (lengths * c.time_mask_share).floor().clamp(max=c.time_mask_frames)
        if c.time_masks_per_frame:
            counts = (lengths * c.time_masks_per_frame).floor()
            time = spans(MOST_TIME_MASKS, longest, lengths, frames, counts)
        else:
            time = spans(c.time_masks, longest, lengths, frames)
        width = torch.full_like(longest, float(min(c.freq_mask_bins, bins)))
        band = spans(c.freq_masks, width, torch.full_like(lengths, bins), bins)
        masked = time[:, :, None] | band[:, None, :] | ~frame_mask(lengths, frames)[:, :, None]
        return features.masked_fill(masked, 0.0)


def spans(count: int, longest: Tensor, lengths: Tensor, size: int, counts: Tensor | None = None) -> Tensor:
    """(batch, size) bool: `count` random spans a row, each 0 to `longest` (batch,) long and within `lengths` (batch,).

    With `counts` (batch,), only so many of them. The draws are made on the CPU, the rest on the device of the lengths.
    """
    draw = torch.rand(2, len(lengths), count).to(lengths.device, non_blocking=True)
    width = (draw[0] * (longest[:, None] + 1)).floor()
    start = (draw[1] * (lengths[:, None] - width + 1)).floor()
    if counts is not None:
        width = width * (torch.arange(count, device=lengths.device) < counts[:, None])
    t = torch.arange(size, device=lengths.device)[None, None, :]
    return ((t >= start[:, :, None]) & (t < (start + width)[:, :, None])).any(dim=1)
