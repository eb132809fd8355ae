"""The front end against torchaudio's and kaldi-native-fbank's Kaldi and librosa; normalisation against gain and silence."""

import kaldi_native_fbank
import librosa
import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st
from torchaudio.compliance import kaldi

from speechrnn.errors import InputError
from speechrnn.nn.front_end import (
    INT16_SCALE,
    FrontEnd,
    FrontEndConfig,
    Normalise,
    feature_width,
    fft_size,
    slaney_mel_filters,
)

RATE = 16000
KINDS = ("fbank", "mfcc", "mel", "spectrogram")


def as_file(signal):
    """Samples as a sound file holds them: rounded to int16, (samples,) float32 in [-1, 1)."""
    return (np.clip(np.rint(signal * INT16_SCALE), -32768, 32767) / INT16_SCALE).astype(np.float32)


def noise(samples, level=0.1, seed=0):
    return as_file(np.random.default_rng(seed).normal(0, level, samples))


def voiced(samples, pitch=120):
    """A pulse train through two resonances, like a vowel."""
    wave = (np.arange(samples) % (RATE // pitch) == 0).astype(float)
    for hz, width in ((700, 80), (1200, 100)):
        radius, angle = np.exp(-np.pi * width / RATE), 2 * np.pi * hz / RATE
        wave = scipy.signal.lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], wave)
    return wave / np.abs(wave).max()


def chirp(samples):
    return scipy.signal.chirp(np.arange(samples) / RATE, 30, samples / RATE, 7900)


SIGNALS = {
    "chirp in noise": as_file(0.5 * chirp(19_999) + noise(19_999, level=0.01)),
    "noise": noise(16_001),
    "quiet noise": noise(12_345, level=1e-3),
    "clipped noise": noise(8_000, level=1.0),
    "vowel": as_file(0.3 * voiced(24_003)),
    "quiet vowel, off centre": as_file(0.01 * voiced(8_765, 210) + 0.02),
    "vowel in noise": as_file(0.5 * voiced(31_999, 90) + 0.01 * noise(31_999)),
}


def features(signal, **options):
    """(frames, features) of one signal."""
    front_end = FrontEnd(FrontEndConfig(**options), RATE)
    x, lengths = front_end(torch.from_numpy(signal)[None], torch.tensor([len(signal)]))
    assert x.shape == (1, int(lengths[0]), feature_width(FrontEndConfig(**options), RATE))
    return x[0].numpy()


def kaldi_fbank(signal):
    """(frames, 80) from kaldi-native-fbank, Kaldi's own code."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.snip_edges = False
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 80
    options.mel_opts.low_freq = 20.0
    options.mel_opts.high_freq = 7600.0
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(RATE, (signal * INT16_SCALE).tolist())
    fbank.input_finished()
    return np.array([fbank.get_frame(i) for i in range(fbank.num_frames_ready)]).reshape(-1, 80)


def mirrored(signal, first, samples):
    """The signal from `first` on, mirrored at both ends as often as need be, by numpy."""
    after = max(0, first + samples - len(signal))
    return np.pad(signal, (-first, after), mode="symmetric")[:samples]


@pytest.mark.parametrize("name", SIGNALS)
def test_fbank_is_kaldis(name):
    signal = SIGNALS[name]
    ours = features(signal)
    theirs = kaldi.fbank(
        torch.from_numpy(signal)[None] * INT16_SCALE,
        num_mel_bins=80,
        low_freq=20.0,
        high_freq=7600.0,
        snip_edges=False,
        dither=0.0,
    ).numpy()
    for peer in (theirs, kaldi_fbank(signal)):
        assert ours.shape == peer.shape
        difference = np.abs(ours - peer)
        assert difference.max() <= 2e-2 and difference.mean() <= 1e-4


def test_a_pure_tone_is_nearer_to_the_exact_result_than_the_peers():
    """A loud sweep leaves most bins 100 dB down, where float32's FFTs differ by 1 from each other: compare with float64."""
    signal = as_file(0.5 * chirp(19_999))
    ours = features(signal)
    samples = mirrored(signal, -120, (len(ours) - 1) * 160 + 400).astype(np.float64) * INT16_SCALE
    frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    emphasised = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    spectrum = np.fft.rfft(emphasised * np.hanning(400) ** 0.85, 512)
    filters, _ = kaldi.get_mel_banks(
        80, 512, RATE, 20.0, 7600.0, 100.0, -500.0, 1.0
    )  # (80, 256): without the Nyquist bin
    exact = np.log(np.abs(spectrum[:, :256]) ** 2 @ filters.double().numpy().T)
    difference = np.abs(ours - exact)
    assert difference.max() <= 2e-2 and difference.mean() <= 5e-4
    assert difference.mean() < np.abs(kaldi_fbank(signal) - exact).mean()


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 2000))
def test_short_signals_have_kaldis_frames_and_mirrored_edges(samples):
    signal = noise(samples, seed=samples)
    ours, theirs = features(signal), kaldi_fbank(signal)
    assert len(ours) == max(1, (samples + 80) // 160)
    if samples >= 80:  # of less, Kaldi makes no frame at all
        assert ours.shape == theirs.shape
        # Less than a window is repeated, which leaves some bins almost empty: compare energies, not their logs
        np.testing.assert_allclose(np.exp(ours), np.exp(theirs), rtol=2e-2, atol=1e-6 * np.exp(theirs).max())
    assert np.isfinite(ours).all()


@pytest.mark.parametrize("name", SIGNALS)
def test_mfcc_is_kaldis(name):
    signal = SIGNALS[name]
    theirs = kaldi.mfcc(
        torch.from_numpy(signal)[None] * INT16_SCALE,
        num_mel_bins=23,
        num_ceps=13,
        low_freq=20.0,
        high_freq=7600.0,
        snip_edges=False,
        dither=0.0,
        use_energy=False,
    ).numpy()
    ours = features(signal, kind="mfcc", num_bins=23)
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs)
    assert difference.max() <= 5e-2 and difference.mean() <= 1e-3  # liftering scales cepstra by up to 12


@pytest.mark.parametrize(
    "rate, bins, low, high", [(16000, 80, 20, 7600), (8000, 40, 0, 4000), (22050, 128, 50.5, 11025)]
)
def test_slaney_filters_are_torchaudios(rate, bins, low, high):
    size = fft_size(FrontEndConfig(window_seconds=0.025), rate)
    theirs = torchaudio.functional.melscale_fbanks(size // 2 + 1, low, high, bins, rate, "slaney", "slaney")
    np.testing.assert_allclose(slaney_mel_filters(bins, size, rate, low, high), theirs, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["mel", "spectrogram"])
@pytest.mark.parametrize("name", SIGNALS)
def test_mel_and_spectrogram_are_librosas(kind, name):
    signal = SIGNALS[name]
    ours = features(signal, kind=kind)
    # librosa centres the window of 400 in 512 samples, 56 at either side of it: begin 56 earlier
    framed = np.pad(mirrored(signal, -120, (len(ours) - 1) * 160 + 400), 56).astype(np.float64) * INT16_SCALE
    power = np.abs(librosa.stft(framed, n_fft=512, hop_length=160, win_length=400, center=False)) ** 2
    if kind == "mel":
        power = librosa.feature.melspectrogram(S=power, sr=RATE, n_fft=512, n_mels=80, fmin=20, fmax=7600)
    assert ours.shape == power.T.shape
    # float32's noise is as far below the loudest bin of a frame as it is: bins 80 dB down may differ
    ours, theirs = np.exp(ours), power.T
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-8 * theirs.max())


def test_other_rates_and_shapes():
    """Frames of 20 ms every 5 ms at 8 kHz, against torchaudio."""
    signal = noise(5_001)
    config = FrontEndConfig(num_bins=40, low_hz=50, high_hz=3800, window_seconds=0.02, shift_seconds=0.005)
    ours, lengths = FrontEnd(config, 8000)(torch.from_numpy(signal)[None], torch.tensor([len(signal)]))
    theirs = kaldi.fbank(
        torch.from_numpy(signal)[None] * INT16_SCALE,
        sample_frequency=8000.0,
        num_mel_bins=40,
        low_freq=50.0,
        high_freq=3800.0,
        frame_length=20.0,
        frame_shift=5.0,
        snip_edges=False,
        dither=0.0,
    )
    assert lengths.tolist() == [len(theirs)]
    np.testing.assert_allclose(ours[0], theirs, atol=2e-2)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    lengths=st.lists(st.integers(1, 4000), min_size=2, max_size=4),
    extra=st.integers(0, 3000),
    level=st.sampled_from([0.0, 1e-3, 1.0, 1e4]),
)
def test_features_do_not_depend_on_padding(kind, lengths, extra, level):
    signals = [noise(n, seed=n) for n in lengths]
    waveform = torch.zeros(len(lengths), max(lengths) + extra)
    waveform.copy_(torch.from_numpy(np.random.default_rng(1).normal(0, level, waveform.shape)))
    for row, signal in zip(waveform, signals, strict=True):
        row[: len(signal)] = torch.from_numpy(signal)
    front_end = FrontEnd(FrontEndConfig(kind=kind), RATE)
    cut = front_end.frames(waveform, torch.tensor(lengths), 30)
    together, frames = front_end(waveform, torch.tensor(lengths))
    for i, (count, signal) in enumerate(zip(frames.tolist(), signals, strict=True)):
        alone = torch.from_numpy(signal)[None]
        assert torch.equal(cut[i : i + 1], front_end.frames(alone, torch.tensor([len(signal)]), 30))
        expected, _ = front_end(alone, torch.tensor([len(signal)]))
        assert expected.shape[1] == count
        if len(signal) >= 300:  # less is repeated, which leaves bins so empty that they hold only rounding
            torch.testing.assert_close(together[i, :count], expected[0], atol=1e-4, rtol=2e-5)


def normalised(signal, kind="fbank", normalise="utterance"):
    x = torch.from_numpy(features(signal, kind=kind))[None]
    return Normalise(FrontEndConfig(kind=kind, normalise=normalise), x.shape[2])(x, torch.tensor([x.shape[1]]))[
        0
    ].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_normalised_features_have_mean_0_and_variance_1_over_valid_frames(kind):
    config = FrontEndConfig(kind=kind)
    lengths = torch.tensor([16_000, 7_000, 801])
    waveform = torch.from_numpy(np.stack([noise(16_000, seed=i) for i in range(3)]))
    x, frames = FrontEnd(config, RATE)(waveform, lengths)
    y = Normalise(config, x.shape[2])(x, frames)
    for row, count in zip(y, frames.tolist(), strict=True):
        np.testing.assert_allclose(row[:count].mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(row[:count].std(0, correction=0), 1, atol=1e-3)
        assert not row[count:].any()


@pytest.mark.parametrize("mode", ["utterance", "global", "none"])
def test_normalisation_does_not_see_frames_beyond_the_length(mode):
    torch.manual_seed(0)
    module = Normalise(FrontEndConfig(normalise=mode), 5)
    x = torch.randn(2, 9, 5) * 10
    x[1, 4:] = 1000.0  # far more than 80 dB above the rest
    y = module(x, torch.tensor([9, 4]))
    torch.testing.assert_close(y[1:, :4], module(x[1:, :4], torch.tensor([4])))
    assert not y[1, 4:].any()


def with_silence(signal):
    """Digital silence before, within and after."""
    third = len(signal) // 3
    return np.concatenate([np.zeros(3000), signal[:third], np.zeros(5000), signal[third:], np.zeros(2000)]).astype(
        np.float32
    )


@pytest.mark.parametrize("kind", ["fbank", "mel", "spectrogram"])
@pytest.mark.parametrize("prepare", [np.array, with_silence], ids=["speech", "speech and digital silence"])
def test_gain_does_not_change_normalised_features(kind, prepare):
    signal = prepare(SIGNALS["vowel in noise"])
    reference = normalised(signal, kind)
    for decibels in (-20, 20):
        # Bins that the floor of 80 dB reaches differ by float32's noise
        np.testing.assert_allclose(normalised(signal * 10 ** (decibels / 20), kind), reference, atol=2e-2)


@pytest.mark.parametrize("kind", ["fbank", "mfcc"])
@pytest.mark.parametrize("level", [None, -66.0, -75.0], ids=["zeros", "noise at -66 dBFS", "noise at -75 dBFS"])
def test_what_surrounds_speech_does_not_move_its_features(kind, level):
    """With half a second of pause at both ends, any length of silence or quiet noise beyond it changes nothing."""
    quiet = np.random.default_rng(3).normal(0, 10 ** (-80 / 20), 3 * 8000).astype(np.float32)
    vowel = SIGNALS["vowel in noise"][:12_000]
    speech = np.concatenate([quiet[:8000], vowel, quiet[8000:16_000], 0.5 * vowel, quiet[16_000:]])
    bare = normalised(speech, kind)
    for seconds in (0.3, 2, 20):
        around = np.zeros(round(seconds * RATE), np.float32)
        if level is not None:
            around = np.random.default_rng(4).normal(0, 10 ** (level / 20), len(around)).astype(np.float32)
        first = len(around) * 100 // RATE
        found = normalised(np.concatenate([around, speech, around]), kind)[first : first + len(bare)]
        np.testing.assert_allclose(found[2:-2], bare[2:-2], atol=1e-3)  # the outermost frames hold some of both


def test_statistics_are_as_exact_in_a_batch_as_alone():
    """Sums over frames are rounded differently when rows are longer; they must not show in the features."""
    x = torch.from_numpy(features(SIGNALS["vowel in noise"]))[None]
    module, count = Normalise(FrontEndConfig(), x.shape[2]), x.shape[1]
    alone = module(x, torch.tensor([count]))
    exact = module.double()(x.double(), torch.tensor([count]))
    batch = torch.nn.functional.pad(x, (0, 0, 0, 977)).expand(3, -1, -1)
    together = Normalise(FrontEndConfig(), x.shape[2])(batch, torch.tensor([count, count + 977, count]))
    torch.testing.assert_close(alone, exact.float(), atol=5e-5, rtol=0)
    torch.testing.assert_close(together[:1, :count], alone, atol=2e-6, rtol=0)


def test_gain_does_not_change_normalised_cepstra():
    signal = SIGNALS["vowel in noise"]
    for gain in (0.1, 10):
        np.testing.assert_allclose(normalised(signal * gain, "mfcc"), normalised(signal, "mfcc"), atol=2e-2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalise", ["utterance", "global", "none"])
@pytest.mark.parametrize("samples", [1, 100, 16_000])
def test_silence_is_finite(kind, normalise, samples):
    assert np.isfinite(normalised(np.zeros(samples, np.float32), kind, normalise)).all()


def test_global_normalisation_uses_its_statistics():
    module = Normalise(FrontEndConfig(normalise="global"), 2)
    module.load_state_dict({"mean": torch.tensor([1.0, 2.0]), "deviation": torch.tensor([2.0, 4.0])})
    y = module(torch.tensor([[[3.0, 2.0], [1.0, 6.0]]]), torch.tensor([1]))
    assert y.tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


def test_unknown_kinds_are_refused_by_the_name_of_the_key():
    with pytest.raises(
        InputError, match=r"^front_end\.kind: expected one of fbank, mfcc, mel, spectrogram, found 'plp'$"
    ):
        FrontEnd(FrontEndConfig(kind="plp"), RATE)
    with pytest.raises(InputError, match=r"^front_end\.normalise: expected utterance, global or none, found 'batch'$"):
        Normalise(FrontEndConfig(normalise="batch"), 80)
