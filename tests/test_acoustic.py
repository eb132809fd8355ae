"""The acoustic model: batches and windows must not show in its results."""

import dataclasses

import numpy as np
import pytest
from conftest import HOP, RATE, TOKENS, tones
from hypothesis import given, settings
from hypothesis import strategies as st

from speechrnn import acoustic
from speechrnn.acoustic import AcousticModel
from speechrnn.errors import InputError
from speechrnn.package import read_package
from speechrnn.text import Tokenizer


@pytest.fixture(scope="module")
def model(package_dir):
    return AcousticModel(read_package(package_dir), threads=1)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def whole(model: AcousticModel, waveform: np.ndarray) -> np.ndarray:
    """Straight from the session: one waveform, no padding, no windows."""
    inputs = {"waveform": waveform[None], "lengths": np.array([len(waveform)])}
    return model._session.run(["log_probs"], inputs)[0][0]


def test_log_probs_are_natural_logs_of_probabilities(model):
    (log_probs,) = model.log_probs([noise(10 * HOP + 1)])
    assert log_probs.shape == (11, len(TOKENS)) and log_probs.dtype == np.float32
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 9 * HOP), max_size=12), st.sampled_from([0.05, 0.3, 60.0]))
def test_alone_equals_in_a_batch_in_the_order_given(model, lengths, batch_seconds):
    waveforms = [noise(n, seed) for seed, n in enumerate(lengths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acoustic, "BATCH_SECONDS", batch_seconds)
        together = model.log_probs(waveforms)
    assert len(together) == len(waveforms)
    for waveform, log_probs in zip(waveforms, together, strict=True):
        np.testing.assert_allclose(log_probs, whole(model, waveform), atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60 * HOP), st.integers(1, 9), st.integers(0, 4))
def test_windows_equal_the_whole(model, samples, window_frames, context_frames):
    waveform = noise(samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acoustic, "WINDOW_SECONDS", window_frames * HOP / RATE + 1e-6)
        patch.setattr(acoustic, "CONTEXT_SECONDS", context_frames * HOP / RATE + 1e-6)
        (log_probs,) = model.log_probs([waveform])
    assert len(log_probs) == -(-samples // HOP)
    np.testing.assert_allclose(log_probs, whole(model, waveform), atol=1e-4)


@pytest.mark.parametrize("seconds", [29.99, 30, 30.01, 33, 60, 61.234, 95])
def test_long_audio_equals_the_whole(model, seconds):
    waveform = noise(round(seconds * RATE))
    (log_probs,) = model.log_probs([waveform])
    np.testing.assert_allclose(log_probs, whole(model, waveform), atol=1e-4)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60 * HOP), st.integers(1, 9), st.integers(0, 4), st.lists(st.integers(0, 20 * HOP), max_size=6))
def test_a_stream_gives_the_frames_of_the_whole_however_it_is_cut(model, samples, window_frames, context_frames, cuts):
    waveform = noise(samples)
    taken = []

    def blocks():
        for block in np.split(waveform, np.minimum(np.cumsum(np.array(cuts, int)), samples)):
            taken.append(len(block))
            yield block

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acoustic, "WINDOW_SECONDS", window_frames * HOP / RATE + 1e-6)
        patch.setattr(acoustic, "CONTEXT_SECONDS", context_frames * HOP / RATE + 1e-6)
        pieces = []
        for piece in model.stream(blocks()):
            pieces.append(piece)
            before = sum(map(len, pieces)) * HOP  # nothing is read that this window or its end does not take
            assert sum(taken[:-1]) <= before + context_frames * HOP
    assert max(map(len, pieces)) <= window_frames
    np.testing.assert_array_equal(np.concatenate(pieces), concatenated(model, waveform, window_frames, context_frames))
    np.testing.assert_allclose(np.concatenate(pieces), whole(model, waveform), atol=1e-4)
    assert list(model.stream([])) == []


def concatenated(model, waveform, window_frames, context_frames):
    """What the whole waveform gives, in the same windows, each in a batch of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acoustic, "WINDOW_SECONDS", window_frames * HOP / RATE + 1e-6)
        patch.setattr(acoustic, "CONTEXT_SECONDS", context_frames * HOP / RATE + 1e-6)
        patch.setattr(acoustic, "BATCH_SECONDS", 0.0)
        return model.log_probs([waveform])[0]


def test_no_run_is_larger_than_a_batch(model, monkeypatch):
    runs = []
    run = model._run
    monkeypatch.setattr(
        model, "_run", lambda waveforms, names: runs.append([len(w) for w in waveforms]) or run(waveforms, names)
    )
    model.log_probs([noise(400 * RATE), *(noise(n * RATE) for n in (1, 50, 2, 29, 3))])
    assert all(max(lengths) * len(lengths) <= acoustic.BATCH_SECONDS * RATE for lengths in runs)
    assert max(max(lengths) for lengths in runs) <= (acoustic.WINDOW_SECONDS + 2 * acoustic.CONTEXT_SECONDS) * RATE


def test_nothing_to_do(model):
    assert model.log_probs([]) == []
    empty = np.zeros(0, np.float32)
    assert [found.shape for found in model.log_probs([empty, tones("a")])] == [(0, len(TOKENS)), (5, len(TOKENS))]
    assert list(model.stream([empty])) == list(model.stream([])) == []


def test_the_tones_are_heard(model):
    (log_probs,) = model.log_probs([tones("A")])
    assert log_probs.argmax(axis=1).tolist() == [TOKENS.index("A")] * 3 + [0] * 2


def test_a_model_that_does_not_fit_its_tokens_is_refused(package_dir):
    package = dataclasses.replace(read_package(package_dir), tokenizer=Tokenizer(TOKENS[:-1]))
    with pytest.raises(InputError, match="gives 28 tokens a frame, tokens.txt lists 27"):
        AcousticModel(package)


def test_a_model_with_other_inputs_is_refused(package_dir, tone_onnx, tmp_path):
    import onnx

    model = onnx.compose.add_prefix(onnx.load_from_string(tone_onnx), "other_")
    onnx.save(model, tmp_path / "model.onnx")
    package = dataclasses.replace(read_package(package_dir), directory=tmp_path)
    with pytest.raises(InputError, match="expected the inputs waveform and lengths, found other_waveform"):
        AcousticModel(package)


@pytest.mark.parametrize("contents", [b"", b"no model", "half"])
def test_a_damaged_model_is_named_in_one_line(package_dir, tone_onnx, tmp_path, contents, capfd):
    (tmp_path / "model.onnx").write_bytes(tone_onnx[: len(tone_onnx) // 2] if contents == "half" else contents)
    package = dataclasses.replace(read_package(package_dir), directory=tmp_path)
    with pytest.raises(InputError, match=r"model\.onnx: ONNX Runtime cannot load it: \S") as caught:
        AcousticModel(package)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
