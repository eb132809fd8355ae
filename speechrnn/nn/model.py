"""The acoustic model: waveforms to log-probabilities of tokens."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from speechrnn.nn.front_end import FrontEnd, FrontEndConfig, Normalise, feature_width
from speechrnn.nn.recurrent import Dropout, RecurrentLayer, layer_width, reversed_order
from speechrnn.nn.spec_augment import SpecAugment, SpecAugmentConfig
from speechrnn.nn.subsampling import Subsampling


@dataclass
class ModelConfig:
    """The shape of the network; `conf/` gives the reasons for values."""

    sample_rate: int = 16000
    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    subsampling: int = 4
    channels: int = 32  # of the subsampling convolutions
    cell: str = "gru"  # gru, lstm or rnn
    bidirectional: bool = True
    directions: str = "concatenate"  # or sum, which halves the width between layers
    lookahead: int = 10  # future frames that each forward-only layer sees
    layers: int = 3
    hidden: int = 256  # a direction
    dropout: float = 0.3


class CTCModel(nn.Module):
    """Front end -> SpecAugment (when training) -> subsampling -> recurrent layers -> linear -> log-softmax."""

    def __init__(self, config: ModelConfig, tokens: int, spec_augment: SpecAugmentConfig | None = None):
        super().__init__()
        self.config = config
        features = feature_width(config.front_end, config.sample_rate)
        width = layer_width(config.hidden, config.bidirectional, config.directions)
        self.front_end = FrontEnd(config.front_end, config.sample_rate)
        self.normalise = Normalise(config.front_end, features)
        self.spec_augment = SpecAugment(spec_augment or SpecAugmentConfig())
        self.subsampling = Subsampling(config.subsampling, features, config.channels, width)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(
            RecurrentLayer(
                config.cell,
                width,
                config.hidden,
                config.bidirectional,
                config.lookahead,
                config.dropout,
                config.directions,
            )
            for _ in range(config.layers)
        )
        self.output = nn.Linear(width, tokens)

    def forward(
        self, waveform: Tensor, lengths: Tensor, views: int = 1, intermediate: bool = False
    ) -> tuple[Tensor, ...]:
        """(batch, samples) in [-1, 1], (batch,) samples -> (batch, frames, tokens) natural logs in float32, (batch,) frames.

        With two `views` the batch stands twice in the result, each time with other masks and dropout. With `intermediate`
        the log-probabilities that the output layer makes of the middle of the stack follow, for intermediate CTC (Lee and
        Watanabe, arXiv 2102.03216).
        """
        with torch.autocast(waveform.device.type, enabled=False):  # energies need float32
            x, lengths = self.front_end(waveform, lengths)  # (batch, frames, features)
            x = self.normalise(x, lengths)
        x, lengths = x.repeat(views, 1, 1), lengths.repeat(views)
        if self.training:
            x = self.spec_augment(x, lengths)
        x, lengths = self.subsampling(x, lengths)  # (batch, frames / subsampling, width)
        x = self.dropout(x).transpose(0, 1).contiguous()  # a recurrence takes frame after frame
        reversal = reversed_order(lengths, len(x))
        middle: tuple[Tensor, ...] = ()
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x, lengths, reversal)  # (frames / subsampling, batch, width)
            if intermediate and number == (len(self.layers) + 1) // 2:
                middle = (self.log_probs(x),)
        return self.log_probs(x), lengths, *middle

    def log_probs(self, x: Tensor) -> Tensor:
        """(frames, batch, width) of the stack -> (batch, frames, tokens)."""
        return self.output(x).transpose(0, 1).float().log_softmax(dim=-1)
