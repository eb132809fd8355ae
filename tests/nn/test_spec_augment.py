"""SpecAugment: what is masked, how much of it, and where."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechrnn.nn.spec_augment import SpecAugment, SpecAugmentConfig, spans


def masked(config, lengths, frames, bins=30, seed=0):
    """(batch, frames, bins) bool: what becomes zero."""
    torch.manual_seed(seed)
    return SpecAugment(config)(torch.ones(len(lengths), frames, bins), torch.tensor(lengths)) == 0


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 120), min_size=1, max_size=4),
    extra=st.integers(0, 30),
    frames=st.integers(0, 60),
    share=st.floats(0, 1),
    bins=st.integers(0, 40),
    seed=st.integers(0, 1000),
)
def test_one_mask_is_no_wider_than_allowed_and_within_the_utterance(lengths, extra, frames, share, bins, seed):
    size = max(lengths) + extra
    time = masked(SpecAugmentConfig(0, 0, 1, frames, share), lengths, size, seed=seed)
    band = masked(SpecAugmentConfig(1, bins, 0), lengths, size, seed=seed)
    for row_time, row_band, length in zip(time, band, lengths, strict=True):
        assert row_time[length:].all() and row_band[length:].all()  # padding stays zero
        across = row_time[:length].all(dim=1)
        assert torch.equal(across, row_time[:length].any(dim=1))  # whole frames
        assert across.sum() <= min(frames, share * length + 1e-4)
        assert (across.int().diff() == 1).sum() + across[0] <= 1  # one stretch
        down = row_band[:length].all(dim=0)
        assert torch.equal(down, row_band[:length].any(dim=0))  # whole features
        assert down.sum() <= bins and (down.int().diff() == 1).sum() + down[0] <= 1


def test_no_masks_are_the_identity_on_valid_frames():
    x = torch.randn(2, 50, 30)
    off = SpecAugment(SpecAugmentConfig(freq_masks=0, time_masks=0))
    y = off(x, torch.tensor([50, 20]))
    assert torch.equal(y[0], x[0]) and torch.equal(y[1, :20], x[1, :20])


def test_the_same_seed_masks_the_same_and_another_another():
    lengths = [100, 80, 60]
    first = masked(SpecAugmentConfig(), lengths, 100, bins=80, seed=5)
    assert torch.equal(first, masked(SpecAugmentConfig(), lengths, 100, bins=80, seed=5))
    assert not torch.equal(first, masked(SpecAugmentConfig(), lengths, 100, bins=80, seed=6))
    assert not torch.equal(first[0, :60], first[2, :60])  # each utterance its own


def test_nothing_on_the_device_is_waited_for():
    for config in (SpecAugmentConfig(), SpecAugmentConfig(time_masks_per_frame=0.04)):
        features = torch.empty(2, 100, 80, device="meta")  # without values: to read one on the host is an error
        assert SpecAugment(config)(features, torch.empty(2, dtype=torch.int64, device="meta")).shape == (2, 100, 80)


def test_several_masks_are_several_spans():
    three = masked(SpecAugmentConfig(0, 0, 3, 10, 1.0), [200] * 50, 200)[:, :, 0]
    starts = (three.int().diff(dim=1) == 1).sum(dim=1)
    assert starts.max() == 3


def test_the_number_of_time_masks_follows_the_length():
    lengths = [100, 199, 200, 600, 3000]
    config = SpecAugmentConfig(0, 0, 2, 1, 1.0, time_masks_per_frame=0.01)  # 1, 1, 2, 6 and, of 30, the most: 20
    most = torch.zeros(5, dtype=torch.int64)
    for seed in range(400):
        time = masked(config, lengths, 3000, bins=1, seed=seed)[:, :, 0]
        most = torch.maximum(most, torch.stack([row[:n].sum() for row, n in zip(time, lengths, strict=True)]))
    assert most[:4].tolist() == [1, 1, 2, 6] and 15 <= most[4] <= 20


def test_masks_by_length_are_none_where_the_utterance_is_short():
    time = masked(SpecAugmentConfig(0, 0, 5, 40, 1.0, time_masks_per_frame=0.04), [24], 24)
    assert not time.any()


def test_widths_and_places_are_uniform():
    torch.manual_seed(0)
    rows, longest, length = 20_000, 4, 12
    drawn = spans(1, torch.full((rows,), float(longest)), torch.full((rows,), length), 15).numpy()
    assert not drawn[:, length:].any()
    widths = drawn.sum(axis=1)
    shares = np.bincount(widths, minlength=longest + 1) / rows
    np.testing.assert_allclose(shares, 1 / (longest + 1), atol=0.015)
    for width in range(1, longest + 1):
        starts = drawn[widths == width].argmax(axis=1)
        places = length - width + 1
        share = np.bincount(starts, minlength=places) / len(starts)
        assert len(share) == places
        np.testing.assert_allclose(share, 1 / places, atol=0.03)
