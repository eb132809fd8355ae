"""The recurrent layers against torch's bidirectional ones on packed sequences, and the lookahead against a loop."""

import pytest
import torch
from torch import nn

from speechrnn.errors import InputError
from speechrnn.nn.recurrent import CELLS, Lookahead, RecurrentLayer, reorder, reversed_order

LENGTHS = torch.tensor([9, 1, 14, 5])


def perturbed(module):
    """The module in evaluation mode with weights that all matter."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return module.eval()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("inputs", [12, 16], ids=["no residual", "residual"])
def test_two_directions_are_torchs_bidirectional_layer_on_packed_sequences(cell, inputs):
    layer = perturbed(RecurrentLayer(cell, inputs, 8, bidirectional=True, lookahead=0, dropout=0.5))
    peer = CELLS[cell](inputs, 8, batch_first=True, bidirectional=True)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        getattr(peer, name).data = getattr(layer.forwards, name).data
        getattr(peer, name + "_reverse").data = getattr(layer.backwards, name).data
    x = torch.randn(4, 14, inputs)
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    theirs, _ = nn.utils.rnn.pad_packed_sequence(peer(packed)[0], batch_first=True)
    theirs = layer.norm(theirs) + (x if inputs == 16 else 0)
    ours = layer(x, LENGTHS, reversed_order(LENGTHS, 14))
    for a, b, length in zip(ours, theirs, LENGTHS, strict=True):
        torch.testing.assert_close(a[:length], b[:length], atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_a_forward_layer_sees_exactly_its_lookahead(cell):
    layer = perturbed(RecurrentLayer(cell, 8, 8, bidirectional=False, lookahead=3, dropout=0.0))
    x = torch.randn(1, 12, 8)
    length = torch.tensor([12])
    before = layer(x, length, reversed_order(length, 12))
    x[0, 7] += 1.0
    after = layer(x, length, reversed_order(length, 12))
    changed = (before != after).any(dim=2)[0]
    assert changed.tolist() == [t >= 4 for t in range(12)]  # 4 + 3 = 7


def test_lookahead_is_a_weighted_sum_of_a_frame_and_its_successors():
    lookahead = perturbed(Lookahead(5, 3))
    x = torch.randn(4, 14, 5)
    y = lookahead(x, LENGTHS)
    weight = lookahead.convolution.weight[:, 0]  # (5, 4)
    for row, out, length in zip(x, y, LENGTHS.tolist(), strict=True):
        for t in range(length):
            expected = sum(weight[:, k] * row[t + k] for k in range(4) if t + k < length)
            torch.testing.assert_close(out[t], expected, atol=1e-6, rtol=0)


def test_lookahead_begins_as_the_identity():
    x = torch.randn(2, 6, 5)
    torch.testing.assert_close(Lookahead(5, 3)(x, torch.tensor([6, 6])), x)


def test_reversal_turns_each_utterance_round_and_is_its_own_inverse():
    x = torch.arange(4 * 14.0).view(4, 14, 1)
    order = reversed_order(LENGTHS, 14)
    turned = reorder(x, order)
    for row, out, length in zip(x, turned, LENGTHS.tolist(), strict=True):
        assert torch.equal(out, torch.cat([row[:length].flip(0), row[length:]]))
    assert torch.equal(reorder(turned, order), x)


@pytest.mark.parametrize("cell, gates", [("gru", 3), ("lstm", 4), ("rnn", 1)])
def test_initial_recurrent_gates_are_orthogonal_and_biases_zero_but_the_forget_gates(cell, gates):
    layer = RecurrentLayer(cell, 20, 10, bidirectional=True, lookahead=0, dropout=0.0)
    for recurrence in (layer.forwards, layer.backwards):
        matrices = recurrence.weight_hh_l0.split(10)
        assert len(matrices) == gates
        for matrix in matrices:
            torch.testing.assert_close(matrix @ matrix.T, torch.eye(10), atol=1e-5, rtol=0)
        bias = (recurrence.bias_ih_l0 + recurrence.bias_hh_l0).view(gates, 10)
        assert (bias == torch.tensor([float(cell == "lstm" and gate == 1) for gate in range(gates)])[:, None]).all()
    assert not torch.equal(layer.forwards.weight_hh_l0, layer.backwards.weight_hh_l0)


def test_unknown_cell_is_refused_by_the_name_of_the_key():
    with pytest.raises(InputError, match=r"^model\.cell: expected one of gru, lstm, rnn, found 'GRU'$"):
        RecurrentLayer("GRU", 8, 8, True, 0, 0.0)
