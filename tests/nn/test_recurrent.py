"""The recurrent layers against torch's bidirectional ones on packed sequences, and the lookahead against a loop."""

import pytest
import torch
from torch import nn

from speechrnn.errors import InputError
from speechrnn.nn.gru import GRU, gru
from speechrnn.nn.recurrent import CELLS, Dropout, Lookahead, RecurrentLayer, reorder, reversed_order

LENGTHS = torch.tensor([9, 1, 14, 5])


def perturbed(module):
    """The module in evaluation mode with weights that all matter."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return module.eval()


NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def packed_peer(layer, cell, inputs, hidden):
    """torch's bidirectional layer with the weights of ours."""
    peer = CELLS[cell](inputs, hidden, bidirectional=True)
    for name in NAMES:
        getattr(peer, name).data = getattr(layer.forwards, name).data
        getattr(peer, name + "_reverse").data = getattr(layer.backwards, name).data
    return peer


def run_packed(peer, x, lengths):
    """(frames, batch, inputs) -> (frames, batch, 2 * hidden), zero in the padding."""
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    return nn.utils.rnn.pad_packed_sequence(peer(packed)[0])[0]


@pytest.mark.parametrize("directions", ["concatenate", "sum"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("inputs", [12, 16])
def test_two_directions_are_torchs_bidirectional_layer_on_packed_sequences(cell, inputs, directions):
    hidden = 16 if directions == "sum" else 8  # with 16 inputs there is a residual
    layer = perturbed(RecurrentLayer(cell, inputs, hidden, True, lookahead=0, dropout=0.5, directions=directions))
    peer = packed_peer(layer, cell, inputs, hidden)
    x = torch.randn(14, 4, inputs, requires_grad=True)
    theirs = run_packed(peer, x, LENGTHS)
    if directions == "sum":
        theirs = theirs.view(14, 4, 2, hidden).sum(2)
    theirs = layer.norm(theirs) + (x if inputs == 16 else 0)
    ours = layer(x, LENGTHS, reversed_order(LENGTHS, 14))
    valid = torch.arange(14)[:, None] < LENGTHS
    torch.testing.assert_close(ours[valid], theirs[valid], atol=1e-5, rtol=0)

    weight = torch.randn_like(theirs) * valid[:, :, None]  # padding has no part in a loss
    names = [(layer.forwards, peer, ""), (layer.backwards, peer, "_reverse")]
    mine = [getattr(module, name) for module, _, _ in names for name in NAMES]
    other = [getattr(peer, name + suffix) for _, peer, suffix in names for name in NAMES]
    ours = torch.autograd.grad((ours * weight).sum(), [x, *mine])
    theirs = torch.autograd.grad((theirs * weight).sum(), [x, *other])
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("backwards", [False, True])
def test_the_gradients_of_our_gru_are_those_of_finite_differences(backwards):
    torch.manual_seed(2)
    x, *weights = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in [(6, 3, 4), (15, 4), (15, 5), 15, 15]
    )
    valid = (torch.arange(6)[:, None] < torch.tensor([6, 2, 4])).double()[:, :, None]
    torch.autograd.gradcheck(lambda x, *weights: GRU.apply(x, valid, 2, backwards, *weights), (x, *weights))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("backwards", [False, True])
def test_our_gru_is_torchs_at_a_size_that_matters(precision, backwards):
    torch.manual_seed(3)
    module = nn.GRU(96, 160)
    lengths = torch.tensor([40, 31, 40, 17, 38, 25])
    x = torch.randn(40, 6, 96)
    order = reversed_order(lengths, 40)
    valid = (torch.arange(40)[:, None] < lengths)[:, :, None]

    def passes(layer, dtype):
        module.zero_grad()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            y = layer(x) * valid
        y.float().square().sum().backward()
        return [y.detach().float(), *(p.grad.clone() for p in module.parameters())]

    def torchs(x):
        return reorder(module(reorder(x, order))[0], order) if backwards else module(x)[0]

    def distance(a, b):
        return float((a - b).norm() / b.norm())

    exact = passes(torchs, torch.float32)
    ours = passes(lambda x: gru(x, lengths, module, backwards), precision)
    theirs = passes(torchs, precision)
    for a, b, c in zip(ours, exact, theirs, strict=True):
        assert distance(a, b) <= 1.2 * distance(c, b) + 1e-6  # in bfloat16, no further from the truth than torch is


def test_our_gru_twice_gives_the_same_bits():
    torch.manual_seed(4)
    module, x, lengths = nn.GRU(32, 64), torch.randn(20, 5, 32), torch.tensor([20, 18, 3, 20, 11])

    def gradient():
        return torch.autograd.grad(gru(x, lengths, module, backwards=True).square().sum(), list(module.parameters()))

    assert all(map(torch.equal, gradient(), gradient()))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_the_expected_share_at_the_expected_scale(p):
    torch.manual_seed(5)
    x = torch.ones(301, 333, requires_grad=True)
    y = Dropout(p)(x)
    kept = y != 0
    assert abs(float(kept.float().mean()) - (1 - p)) < 0.005
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - p)), atol=0, rtol=2e-4)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(slope, y)
    columns = kept.float().mean(0)  # four numbers share a draw: none of them may be different
    assert p == 0.0 or float(columns.std()) == pytest.approx((p * (1 - p) / 301) ** 0.5, rel=0.2)
    neighbours = (kept[:, 1:] & kept[:, :-1]).float().mean()
    assert abs(float(neighbours) - (1 - p) ** 2) < 0.006


def test_dropout_does_nothing_in_evaluation():
    x = torch.randn(5, 7)
    assert Dropout(0.5).eval()(x) is x


@pytest.mark.parametrize("cell", CELLS)
def test_a_forward_layer_sees_exactly_its_lookahead(cell):
    layer = perturbed(RecurrentLayer(cell, 8, 8, bidirectional=False, lookahead=3, dropout=0.0))
    x = torch.randn(12, 1, 8)
    length = torch.tensor([12])
    before = layer(x, length, reversed_order(length, 12))
    x[7, 0] += 1.0
    after = layer(x, length, reversed_order(length, 12))
    changed = (before != after).any(dim=2)[:, 0]
    assert changed.tolist() == [t >= 4 for t in range(12)]  # 4 + 3 = 7


def test_lookahead_is_a_weighted_sum_of_a_frame_and_its_successors():
    lookahead = perturbed(Lookahead(5, 3))
    x = torch.randn(14, 4, 5)
    y = lookahead(x, LENGTHS)
    weight = lookahead.convolution.weight[:, 0]  # (5, 4)
    for row, out, length in zip(x.unbind(1), y.unbind(1), LENGTHS.tolist(), strict=True):
        for t in range(length):
            expected = sum(weight[:, k] * row[t + k] for k in range(4) if t + k < length)
            torch.testing.assert_close(out[t], expected, atol=1e-6, rtol=0)


def test_lookahead_begins_as_the_identity():
    x = torch.randn(6, 2, 5)
    torch.testing.assert_close(Lookahead(5, 3)(x, torch.tensor([6, 6])), x)


def test_reversal_turns_each_utterance_round_and_is_its_own_inverse():
    x = torch.arange(4 * 14.0).view(14, 4, 1)
    order = reversed_order(LENGTHS, 14)
    turned = reorder(x, order)
    for row, out, length in zip(x.unbind(1), turned.unbind(1), LENGTHS.tolist(), strict=True):
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


def test_unknown_directions_are_refused_by_the_name_of_the_key():
    with pytest.raises(InputError, match=r"^model\.directions: expected concatenate or sum, found 'mean'$"):
        RecurrentLayer("gru", 8, 8, True, 0, 0.0, directions="mean")
