"""Subsampling: how many frames come out, and that no padding is seen."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechrnn.errors import InputError
from speechrnn.nn.subsampling import Subsampling, output_frames


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([2, 3, 4]), st.lists(st.integers(1, 50), min_size=1, max_size=3), st.integers(5, 20))
def test_frames_and_padding(factor, lengths, features):
    torch.manual_seed(0)
    subsampling = Subsampling(factor, features, channels=3, width=8)
    batch = torch.randn(len(lengths), max(lengths), features) * 100  # padding is as loud as the rest
    together, out_lengths = subsampling(batch, torch.tensor(lengths))
    assert together.shape == (len(lengths), output_frames(max(lengths), factor), 8)
    for row, x, frames, out in zip(together, batch, lengths, out_lengths.tolist(), strict=True):
        assert out == output_frames(frames, factor) == -(-frames // factor)
        alone, _ = subsampling(x[None, :frames], torch.tensor([frames]))
        torch.testing.assert_close(row[:out], alone[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("frames", range(1, 14))
def test_every_frame_and_every_feature_is_seen(factor, frames):
    torch.manual_seed(0)
    subsampling = Subsampling(factor, 7, channels=64, width=8)  # enough that some get past the ReLU
    x = torch.randn(1, frames, 7, requires_grad=True)
    y, _ = subsampling(x, torch.tensor([frames]))
    (y * torch.randn_like(y)).sum().backward()  # layer normalisation: a plain sum has no gradient
    assert (x.grad != 0).all()


def test_unknown_factor_is_refused_by_the_name_of_the_key():
    with pytest.raises(InputError, match=r"^model\.subsampling: expected 2, 3 or 4, found 5$"):
        Subsampling(5, 80, 32, 256)
