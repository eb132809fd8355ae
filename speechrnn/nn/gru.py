"""A GRU on a CPU, with its own backward pass: the same numbers as `torch.nn.GRU` on packed sequences, in less time.

With gates r, z and candidate n (`torch.nn.GRU`'s own definition), all of (batch, hidden):

    r = sigmoid(W_r x + U_r h' + b_r),  z = sigmoid(W_z x + U_z h' + b_z),  h' the state before
    n = tanh(W_n x + b_n + r * (U_n h' + c_n)),  h = n + z * (h' - n)

Where the time goes, and what is done about it: W x of all frames is one matrix product; U is packed once a step for oneDNN's
kernels, not once a frame; and backwards the derivatives of the gates' sums by the state, which need no recurrence,

    dn/dh = (1 - z) (1 - n^2),  dz/dh = (h' - n) z (1 - z),  dr/dh = dn/dh (U_n h' + c_n) r (1 - r),

are found for all frames at once. The loop is left with dh alone, and the gradient of U is one matrix product over all frames.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from speechrnn.nn.front_end import frame_mask


def gru(x: Tensor, lengths: Tensor, module: nn.GRU, backwards: bool = False) -> Tensor:
    """One direction of a layer: (frames, batch, inputs), (batch,) frames -> (frames, batch, hidden), zero in the padding.

    `module` holds the weights; `backwards` goes from each utterance's last frame to its first. Computed in autocast's precision.
    """
    weights = module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, module.bias_hh_l0
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    valid = frame_mask(lengths, len(x)).t()[:, :, None].to(dtype)
    with torch.autocast("cpu", enabled=False):
        return GRU.apply(x.to(dtype), valid, int(lengths.min()), backwards, *(weight.to(dtype) for weight in weights))


def packable(dtype: torch.dtype) -> bool:
    """Whether oneDNN has kernels for packed matrices of this type here."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Product:
    """x @ matrix.T + bias for one matrix and many x, which oneDNN does about twice as fast once the matrix is packed."""

    def __init__(self, matrix: Tensor, bias: Tensor | None = None):
        self.packed = packable(matrix.dtype)
        self.matrix = torch.ops.mkldnn._reorder_linear_weight(matrix.contiguous()) if self.packed else matrix
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        if self.packed:
            return torch.ops.mkldnn._linear_pointwise(x, self.matrix, self.bias, "none", [], "")
        return nn.functional.linear(x, self.matrix, self.bias)


def weight_gradient(sums: Tensor, x: Tensor) -> Tensor:
    """sums.T @ x: (rows, outputs), (rows, inputs) -> (outputs, inputs). In float32 oneDNN is faster than torch's own library."""
    if x.dtype == torch.float32 and packable(x.dtype):
        return torch.ops.mkldnn._linear_pointwise(x.t().contiguous(), sums.t(), None, "none", [], "").t()
    return sums.t() @ x


class GRU(torch.autograd.Function):
    """`gru` on weights: `valid` (frames, batch, 1) is 1.0 on valid frames, of which the first `shortest` have no padding."""

    @staticmethod
    def forward(ctx, x, valid, shortest, backwards, w_ih, w_hh, b_ih, b_hh):
        (frames, batch, _), hidden = x.shape, w_hh.shape[1]
        sums = Product(w_ih, b_ih)(x.flatten(0, 1)).view(frames, batch, 3 * hidden)
        recurrent = Product(w_hh, b_hh)
        gates = x.new_empty(frames, batch, 2 * hidden)  # r, z
        n, u, states = (x.new_empty(frames, batch, hidden) for _ in range(3))  # u: U_n h' + c_n
        sums_rz, sums_n = (part.unbind(0) for part in sums.split([2 * hidden, hidden], dim=-1))
        rs, zs = (part.unbind(0) for part in gates.chunk(2, dim=-1))
        gates_at, n_at, u_at, states_at, valid_at = (part.unbind(0) for part in (gates, n, u, states, valid))
        h = x.new_zeros(batch, hidden)
        for t in order(frames, backwards):
            from_h = recurrent(h)
            torch.add(sums_rz[t], from_h[:, : 2 * hidden], out=gates_at[t]).sigmoid_()
            u_at[t].copy_(from_h[:, 2 * hidden :])
            torch.addcmul(sums_n[t], rs[t], u_at[t], out=n_at[t]).tanh_()
            h = torch.lerp(n_at[t], h, zs[t], out=states_at[t])
            if t >= shortest:
                h.mul_(valid_at[t])
        ctx.save_for_backward(x, valid, gates, n, u, states, w_ih, w_hh)
        ctx.shortest, ctx.backwards = shortest, backwards
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x, valid, gates, n, u, states, w_ih, w_hh = ctx.saved_tensors
        frames, batch, hidden = states.shape
        r, z = gates.chunk(2, dim=-1)
        before = torch.zeros_like(states)
        if ctx.backwards:
            before[:-1] = states[1:]
        else:
            before[1:] = states[:-1]
        factors = x.new_empty(frames, batch, 3, hidden)  # by which dh gives the gradients of U's three products
        dn = torch.ops.aten.tanh_backward(1 - z, n)
        torch.mul(dn, r, out=factors[:, :, 2])
        factors[:, :, 0] = torch.ops.aten.sigmoid_backward(u.mul(dn), r)
        factors[:, :, 1] = torch.ops.aten.sigmoid_backward(before - n, z)
        recurrent = Product(w_hh.t())
        dh = gradient.contiguous().clone()
        dh_at, z_at, valid_at, factors_at = (part.unbind(0) for part in (dh, z, valid, factors))
        following = None
        for t in order(frames, not ctx.backwards):
            if following is not None:
                dh_at[t].addcmul_(dh_at[following], z_at[following]).add_(recurrent(factors_at[following].flatten(1)))
            if t >= ctx.shortest:
                dh_at[t].mul_(valid_at[t])
            factors_at[t].mul_(dh_at[t][:, None])
            following = t
        products = factors.view(-1, 3 * hidden)
        dw_hh = weight_gradient(products, before.view(-1, hidden))
        db_hh = products.sum(0)
        torch.mul(dh, dn, out=factors[:, :, 2])
        dw_ih = weight_gradient(products, x.flatten(0, 1))
        db_ih = products.sum(0)
        dx = Product(w_ih.t())(products).view_as(x) if ctx.needs_input_grad[0] else None
        return dx, None, None, None, dw_ih, dw_hh, db_ih, db_hh


def order(frames: int, backwards: bool) -> range:
    """The frames in the order of time, or against it."""
    return range(frames - 1, -1, -1) if backwards else range(frames)
