"""The acoustic model: an utterance alone and in a padded batch are the same, whatever stands in the padding."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechrnn.nn.front_end import FrontEndConfig
from speechrnn.nn.model import CTCModel, ModelConfig
from speechrnn.nn.spec_augment import SpecAugmentConfig
from speechrnn.nn.subsampling import output_frames

PADDING = ("zeros", "noise", "loud", "constant", "another utterance")


@cache
def model(cell, bidirectional, subsampling, kind="fbank", normalise="utterance"):
    torch.manual_seed(0)
    front_end = FrontEndConfig(kind=kind, normalise=normalise, num_bins=40)
    config = ModelConfig(
        front_end=front_end,
        subsampling=subsampling,
        channels=4,
        cell=cell,
        bidirectional=bidirectional,
        lookahead=3,
        layers=2,
        hidden=16,
    )
    built = CTCModel(config, tokens=11)
    with torch.no_grad():  # so that biases, norms and the lookahead matter
        for parameter in built.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return built.eval()


def utterance(samples):
    return torch.from_numpy(np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32))


def padded(waves, extra, kind):
    """(batch, samples) of utterances with something behind each of them."""
    batch = torch.zeros(len(waves), max(map(len, waves)) + extra)
    generator = torch.Generator().manual_seed(3)
    if kind in ("noise", "loud"):
        batch = torch.randn(batch.shape, generator=generator) * (0.1 if kind == "noise" else 1e6)
    elif kind == "constant":
        batch.fill_(-1.0)
    elif kind == "another utterance":
        batch = torch.stack([torch.sin(torch.arange(batch.shape[1]) * 0.1)] * len(waves))
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    return batch


@settings(max_examples=80, deadline=None)
@given(
    cell=st.sampled_from(["gru", "lstm", "rnn"]),
    bidirectional=st.booleans(),
    subsampling=st.sampled_from([2, 3, 4]),
    kind=st.sampled_from(["fbank", "mfcc", "mel", "spectrogram"]),
    lengths=st.lists(st.integers(800, 6000), min_size=1, max_size=4),  # 5 frames: 2 may have a variance near 0
    extra=st.integers(0, 3000),
    padding=st.sampled_from(PADDING),
)
def test_log_probs_do_not_depend_on_padding(cell, bidirectional, subsampling, kind, lengths, extra, padding):
    network = model(cell, bidirectional, subsampling, kind)
    waves = [utterance(n) for n in lengths]
    with torch.inference_mode():
        together, frames = network(padded(waves, extra, padding), torch.tensor(lengths))
        assert together.dtype == torch.float32
        for row, count, wave in zip(together, frames.tolist(), waves, strict=True):
            assert count == output_frames(max(1, (len(wave) + 80) // 160), subsampling)
            alone, alone_frames = network(wave[None], torch.tensor([len(wave)]))
            assert alone.shape[1] == int(alone_frames[0]) == count
            torch.testing.assert_close(row[:count], alone[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("samples", [1, 2, 79, 80, 159, 160, 161, 399, 400])
def test_the_shortest_signals_give_probabilities(samples):
    for subsampling in (2, 3, 4):
        with torch.inference_mode():
            log_probs, frames = model("gru", True, subsampling)(utterance(samples)[None], torch.tensor([samples]))
        assert log_probs.shape == (1, int(frames[0]), 11) and frames[0] >= 1
        torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(log_probs.shape[:2]))


@pytest.mark.parametrize("normalise", ["global", "none"])
def test_padding_with_the_other_normalisations(normalise):
    network = model("gru", True, 4, "fbank", normalise)
    waves = [utterance(5000), utterance(2111)]
    with torch.inference_mode():
        together, frames = network(padded(waves, 500, "loud"), torch.tensor([5000, 2111]))
        for row, count, wave in zip(together, frames.tolist(), waves, strict=True):
            alone, _ = network(wave[None], torch.tensor([len(wave)]))
            torch.testing.assert_close(row[:count], alone[0], atol=1e-4, rtol=0)


def test_gain_of_20_decibels_changes_nothing():
    network = model("gru", True, 4)
    wave = utterance(8000)[None] * 0.3
    with torch.inference_mode():
        reference, _ = network(wave, torch.tensor([8000]))
        for gain in (0.1, 10.0):
            torch.testing.assert_close(network(wave * gain, torch.tensor([8000]))[0], reference, atol=1e-3, rtol=0)


def test_training_mode_masks_and_drops_and_evaluation_does_not():
    network = CTCModel(ModelConfig(hidden=8, layers=1, channels=4), 5, SpecAugmentConfig())
    wave, length = utterance(8000)[None], torch.tensor([8000])
    torch.manual_seed(0)
    first, second = network(wave, length)[0], network(wave, length)[0]
    assert not torch.equal(first, second)
    network.eval()
    assert torch.equal(network(wave, length)[0], network(wave, length)[0])


def test_two_views_are_the_batch_twice_with_masks_and_dropout_of_their_own():
    network = CTCModel(ModelConfig(hidden=8, layers=1, channels=4), 5, SpecAugmentConfig())
    waves, lengths = padded([utterance(8000), utterance(5000)], 0, "noise"), torch.tensor([8000, 5000])
    log_probs, frames = network(waves, lengths, views=2)
    assert log_probs.shape[0] == 4 and frames.tolist() == [13, 8] * 2
    assert not torch.equal(log_probs[:2], log_probs[2:])
    network.eval()
    with torch.inference_mode():
        log_probs, _ = network(waves, lengths, views=2)
        torch.testing.assert_close(log_probs, network(waves, lengths)[0].repeat(2, 1, 1), atol=1e-5, rtol=0)


def test_the_network_computes_log_probs_in_float32_under_autocast():
    network = model("gru", True, 4)
    wave, length = utterance(8000)[None], torch.tensor([8000])
    with torch.inference_mode():
        exact, _ = network(wave, length)
        with torch.autocast("cpu", torch.bfloat16):
            rounded, _ = network(wave, length)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.exp().sum(-1), torch.ones(rounded.shape[:2]))
    torch.testing.assert_close(rounded, exact, atol=0.3, rtol=0)


def test_gradients_reach_every_weight_and_none_comes_from_padding():
    config = ModelConfig(hidden=8, layers=2, channels=4, dropout=0.0)
    network = CTCModel(config, 5, SpecAugmentConfig(freq_masks=0, time_masks=0))
    wave = padded([utterance(4000), utterance(1500)], 0, "loud").requires_grad_()
    log_probs, frames = network(wave, torch.tensor([4000, 1500]))
    sum(row[:count].square().sum() for row, count in zip(log_probs, frames.tolist(), strict=True)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert not wave.grad[1, 1500:].any() and wave.grad[1, :1500].any()
