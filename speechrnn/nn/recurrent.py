"""The recurrent stack: GRU, LSTM or plain tanh RNN layers, in both directions or forward with a lookahead."""

import torch
from torch import Tensor, nn

from speechrnn.errors import InputError
from speechrnn.nn.front_end import frame_mask

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


class RecurrentLayer(nn.Module):
    """One layer: recurrence, layer normalisation, dropout, and a residual where the widths agree.

    Two directions are two recurrences, the second over each utterance reversed within its own length: equal to packed
    sequences, faster on a CPU, and independent of padding. A forward-only layer is followed by a lookahead convolution
    ("row convolution", Deep Speech 2, arXiv 1512.02595, section 3.7) over `lookahead` future frames.
    """

    def __init__(self, cell: str, inputs: int, hidden: int, bidirectional: bool, lookahead: int, dropout: float):
        super().__init__()
        if cell not in CELLS:
            raise InputError(f"model.cell: expected one of {', '.join(CELLS)}, found {cell!r}")
        self.forwards = CELLS[cell](inputs, hidden, batch_first=True)
        self.backwards = CELLS[cell](inputs, hidden, batch_first=True) if bidirectional else None
        self.lookahead = None if bidirectional else Lookahead(hidden, lookahead)
        width = 2 * hidden if bidirectional else hidden
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = inputs == width
        initialise(self.forwards)
        if self.backwards is not None:
            initialise(self.backwards)

    def forward(self, x: Tensor, lengths: Tensor, reversal: Tensor) -> Tensor:
        """(batch, frames, inputs) -> (batch, frames, width). `reversal` is from `reversed_order`."""
        y, _ = self.forwards(x)
        if self.backwards is not None:
            z, _ = self.backwards(reorder(x, reversal))
            y = torch.cat([y, reorder(z, reversal)], dim=-1)
        else:
            y = self.lookahead(y, lengths)
        y = self.dropout(self.norm(y))
        return x + y if self.residual else y


class Lookahead(nn.Module):
    """Each feature of a frame as a weighted sum of itself and its `frames` successors, zero beyond the utterance's end."""

    def __init__(self, width: int, frames: int):
        super().__init__()
        self.frames = frames
        self.convolution = nn.Conv1d(width, width, frames + 1, groups=width, bias=False)
        with torch.no_grad():  # starts as the identity
            self.convolution.weight.zero_()
            self.convolution.weight[:, :, 0] = 1.0

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, width) -> the same shape."""
        x = x * frame_mask(lengths, x.shape[1])[:, :, None]
        x = nn.functional.pad(x.transpose(1, 2), (0, self.frames))
        return self.convolution(x).transpose(1, 2)


def reversed_order(lengths: Tensor, frames: int) -> Tensor:
    """(batch, frames) indices that turn each utterance round within its own length and leave its padding in place."""
    t = torch.arange(frames, device=lengths.device)[None, :]
    last = lengths[:, None] - 1
    return torch.where(t <= last, last - t, t)


def reorder(x: Tensor, order: Tensor) -> Tensor:
    """(batch, frames, width) with its frames in the given order, (batch, frames)."""
    return x.gather(1, order[:, :, None].expand(-1, -1, x.shape[2]))


def initialise(recurrence: nn.RNNBase) -> None:
    """Orthogonal recurrent matrices, one a gate, against vanishing and exploding gradients (Saxe et al., arXiv 1312.6120);
    Glorot input matrices; zero biases, but 1 for the LSTM's forget gate (Jozefowicz et al., ICML 2015)."""
    hidden = recurrence.hidden_size
    with torch.no_grad():
        for gate in recurrence.weight_hh_l0.split(hidden):
            nn.init.orthogonal_(gate)
        for gate in recurrence.weight_ih_l0.split(hidden):
            nn.init.xavier_uniform_(gate)
        recurrence.bias_ih_l0.zero_()
        recurrence.bias_hh_l0.zero_()
        if isinstance(recurrence, nn.LSTM):
            recurrence.bias_ih_l0[hidden : 2 * hidden] = 1.0
