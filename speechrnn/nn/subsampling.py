"""Convolutional subsampling: fewer, wider frames before the recurrent layers."""

import torch
from torch import Tensor, nn

from speechrnn.errors import InputError
from speechrnn.nn.front_end import Count, frame_mask

# factor: stride in time of the first and the second convolution
STRIDES = {2: (2, 1), 3: (3, 1), 4: (2, 2)}


class Subsampling(nn.Module):
    """Two convolutions over time and frequency, then a linear layer to the width of the recurrent stack.

    Frames beyond an utterance's length are zeroed before each convolution, so the result does not depend on padding.
    """

    def __init__(self, factor: int, features: int, channels: int, width: int):
        super().__init__()
        if factor not in STRIDES:
            raise InputError(f"model.subsampling: expected 2, 3 or 4, found {factor}")
        self.strides = STRIDES[factor]
        convolutions = []
        for inputs, stride in zip((1, channels), self.strides, strict=True):
            # a stride of 3 needs a kernel of 5, or the last frame would not be seen
            kernel = 5 if stride == 3 else 3
            convolutions.append(nn.Conv2d(inputs, channels, (kernel, 3), (stride, 2), (kernel // 2, 1)))
            features = (features + 1) // 2
        self.convolutions = nn.ModuleList(convolutions)
        self.projection = nn.Linear(channels * features, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, features), (batch,) -> (batch, ceil(frames / factor), width), (batch,)."""
        x = features[:, None]  # (batch, 1, frames, features)
        for convolution, stride in zip(self.convolutions, self.strides, strict=True):
            x = x * frame_mask(lengths, x.shape[2])[:, None, :, None]
            x = torch.relu(convolution(x))  # (batch, channels, frames / stride, features / 2)
            lengths = strided(lengths, stride)
        x = x.permute(0, 2, 1, 3).flatten(2)  # (batch, frames, channels * features)
        return self.norm(self.projection(x)), lengths


def output_frames(frames: Count, factor: int) -> Count:
    """How many frames come out of `frames` frames."""
    for stride in STRIDES[factor]:
        frames = strided(frames, stride)
    return frames


def strided(frames: Count, stride: int) -> Count:
    """How many frames a convolution of that stride leaves: as many as begin a stride, the last one perhaps cut short."""
    return (frames + stride - 1) // stride
