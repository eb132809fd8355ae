"""Each kind of augmentation against what it promises, measured on signals whose answer is known."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
import torch

from speechrnn.data.augment import (
    Augmentation,
    AugmentConfig,
    ClippingConfig,
    NoiseConfig,
    ReverbConfig,
    SurroundingsConfig,
    TelephoneConfig,
)
from speechrnn.data.augment.noise import coloured_noise
from speechrnn.data.augment.reverb import Reverberation
from speechrnn.data.augment.surroundings import room_tone
from speechrnn.errors import InputError

RATE = 16000
CPU = torch.device("cpu")


def augmented(waveform, lengths, cache="unused", seed=1, **config):
    rows = [np.random.default_rng([seed, 0, i]) for i in range(len(lengths))]
    augment = Augmentation(AugmentConfig(**{"speed": [1.0], **config}), RATE, str(cache))
    return augment(waveform, torch.tensor(lengths), rows)


def manifest(folder, waves):
    """A manifest of these recordings, in 32-bit samples."""
    lines = []
    for name, wave in waves.items():
        soundfile.write(folder / f"{name}.wav", wave, RATE, subtype="PCM_24")
        lines.append(json.dumps({"audio_filepath": f"{name}.wav", "text": "", "nonspeech": True}) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines))
    return str(folder / "manifest.jsonl")


def decibels(signal, noise):
    return float(10 * torch.log10(signal.square().sum() / noise.square().sum()))


def test_gain_is_one_factor_within_the_range():
    wave = torch.randn(200, 50)
    louder, lengths = augmented(wave, [50] * 200, gain=[-12.0, 6.0])
    gains = 20 * torch.log10((louder / wave).double())
    torch.testing.assert_close(gains, gains[:, :1].expand_as(gains), atol=1e-4, rtol=0)
    drawn = gains[:, 0]
    assert -12 <= drawn.min() < -11 and 5 < drawn.max() <= 6 and abs(drawn.mean() + 3) < 1.2
    exact, _ = augmented(wave, [50] * 200, gain=[20.0, 20.0])
    torch.testing.assert_close(exact, 10 * wave)


def test_surroundings_stand_before_and_after_the_speech():
    lengths = [7000, 9000, 6400] * 20
    wave = torch.nn.utils.rnn.pad_sequence([torch.randn(n) * 0.1 + 0.01 for n in lengths], batch_first=True)
    config = SurroundingsConfig(1.0, [0.01, 0.1], [-60.0, -50.0])
    longer, changed = augmented(wave, lengths, surroundings=config)
    kinds = set()
    for before, after, length, total in zip(wave, longer, lengths, changed.tolist(), strict=True):
        speech = before[:length]
        places = after[:total].unfold(0, length, 1)
        first = int((places - speech).abs().amax(1).argmin())
        assert torch.equal(after[first : first + length], speech) and not after[total:].any()
        assert 159 <= first <= 1601 and 159 <= total - length - first <= 1601
        around = torch.cat([after[:first], after[first + length : total]])
        if not around.any():
            kinds.add("silence")
        elif -61 < 10 * torch.log10(around.square().mean()) < -49:
            kinds.add("noise")
        else:
            assert set(around.tolist()) <= set(speech.tolist())  # a piece of the recording itself
            kinds.add("room tone")
    assert kinds == {"silence", "noise", "room tone"}


def test_room_tone_is_the_quietest_piece():
    loud, quiet = torch.randn(500), torch.randn(100) * 0.01
    tone = room_tone(torch.cat([loud, quiet, loud]), 350, 100)
    torch.testing.assert_close(tone, torch.cat([quiet, quiet.flip(0), quiet, quiet.flip(0)[:50]]))


def test_clipping_cuts_off_what_exceeds_full_scale():
    lengths = [3000, 1000, 2000] * 10
    wave = torch.nn.utils.rnn.pad_sequence([torch.randn(n) * 0.02 for n in lengths], batch_first=True)
    clipped, _ = augmented(wave, lengths, clipping=ClippingConfig(1.0, [6.0, 6.0], 0.0))
    for before, after, length in zip(wave, clipped, lengths, strict=True):
        expected = before * (10 ** (6 / 20) / before.abs().max())
        torch.testing.assert_close(after[:length], expected[:length].clamp(-1, 1))
        assert after.abs().max() == 1 and not after[length:].any()
    shifted, _ = augmented(wave, lengths, clipping=ClippingConfig(1.0, [-6.0, -6.0], 0.1))
    offsets = [float(row[:length].mean()) for row, length in zip(shifted, lengths, strict=True)]
    assert max(map(abs, offsets)) < 0.12 and min(offsets) < -0.05 and max(offsets) > 0.05


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("snr", [-5.0, 10.0, 30.0])
def test_noise_stands_at_its_snr_over_the_valid_samples(tmp_path, recorded, snr):
    rng = np.random.default_rng(0)
    path = (
        manifest(tmp_path, {"long": rng.normal(0, 0.1, 30_000), "short": rng.normal(0, 0.01, 700)})
        if recorded
        else None
    )
    lengths = [16000, 3000, 500, 9000] * 3
    wave = torch.nn.utils.rnn.pad_sequence([torch.randn(n) * 0.05 for n in lengths], batch_first=True)
    noisy, _ = augmented(wave, lengths, tmp_path / "cache", noise=NoiseConfig(1.0, [snr, snr], path))
    for before, after, length in zip(wave, noisy, lengths, strict=True):
        assert decibels(before[:length], (after - before)[:length]) == pytest.approx(snr, abs=0.1)
        assert not after[length:].any()


def test_recorded_noise_is_a_stretch_of_a_recording_repeated_if_it_is_short(tmp_path):
    ramp, short = np.linspace(0.1, 0.9, 5000), np.linspace(-0.9, -0.1, 300)
    path = manifest(tmp_path, {"ramp": ramp, "short": short})
    still = torch.full((30, 1000), 1e-3)
    noisy, _ = augmented(still, [1000] * 30, tmp_path / "cache", noise=NoiseConfig(1.0, [0.0, 0.0], path))
    added = (noisy - still).numpy()
    starts = set()
    for row in added:
        if row[0] > 0:
            start, step = np.polynomial.Polynomial.fit(np.arange(1000), row, 1).convert().coef
            starts.add(round(start / step))  # a straight piece of the ramp, from anywhere
            np.testing.assert_allclose(np.diff(row), step, rtol=0.7)
        else:
            np.testing.assert_allclose(row[300:600], row[:300], rtol=1e-4)
            np.testing.assert_allclose(row[600:900], row[:300], rtol=1e-4)
    assert len(starts) > 5 and (added[:, 0] < 0).any()


def test_a_silent_noise_recording_adds_nothing(tmp_path):
    wave = torch.randn(4, 500)
    path = manifest(tmp_path, {"silence": np.zeros(1000)})
    same, _ = augmented(wave, [500] * 4, tmp_path / "cache", noise=NoiseConfig(1.0, manifest=path))
    assert torch.equal(same, wave)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_colour_is_the_slope_of_the_spectrum(exponent):
    noise = coloured_noise(np.random.default_rng(0), 1 << 18, exponent, RATE, CPU).double()
    power = torch.fft.rfft(noise).abs().square().numpy()
    hertz = np.arange(len(power)) * RATE / len(noise)
    edges = np.geomspace(50, 7000, 30)
    bands = [power[(hertz >= low) & (hertz < high)].mean() for low, high in zip(edges[:-1], edges[1:], strict=True)]
    slope = np.polyfit(np.log(edges[:-1] * edges[1:]) / 2, np.log(bands), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.05)


def test_the_probability_is_the_share_of_utterances():
    wave = torch.randn(1000, 60)
    for kind in (
        {"noise": NoiseConfig(0.3)},
        {"reverb": ReverbConfig(0.3, rt60=[0.1, 0.1])},
        {"telephone": TelephoneConfig(0.3)},
        {"clipping": ClippingConfig(0.3)},
    ):
        result, _ = augmented(wave, [60] * 1000, **kind)
        assert (result != wave).any(dim=1).float().mean() == pytest.approx(0.3, abs=0.05)


def test_a_room_keeps_the_place_of_the_direct_sound_and_the_energy():
    click = torch.zeros(10, 16000)
    click[:, 5000] = 0.5
    wet, _ = augmented(click, [16000] * 10, reverb=ReverbConfig(1.0, direct=[0.0, 15.0]))
    assert (wet.abs().argmax(dim=1) == 5000).all()
    assert wet[:, :5000].abs().max() < 1e-6  # nothing before it
    assert (wet[:, 5001:].abs().amax(dim=1) > 1e-3).all()
    torch.testing.assert_close(wet.square().sum(1), click.square().sum(1), rtol=1e-4, atol=0)


def test_a_simulated_room_decays_by_60_db_in_its_rt60_and_has_its_direct_level():
    rows = [np.random.default_rng(i) for i in range(200)]
    room = Reverberation(ReverbConfig(1.0, rt60=[0.4, 0.4], direct=[6.0, 6.0]), RATE, "unused")
    responses = room.simulated(rows, CPU).double()
    assert (responses[:, 0] == 1).all()
    tails = responses[:, 1:].square()
    np.testing.assert_allclose(10 * torch.log10(1 / tails.sum(1)), 6.0, atol=1e-3)
    level = 10 * torch.log10(tails.mean(0).reshape(-1, 160).mean(1))  # each 10 ms
    slope = np.polyfit(np.arange(len(level)) * 0.01, level.numpy(), 1)[0]
    assert slope * 0.4 == pytest.approx(-60, abs=1)


def test_recorded_responses_are_aligned_at_their_largest_sample(tmp_path):
    early, late = np.zeros(400), np.zeros(900)
    early[[20, 120]] = [0.8, 0.4]
    late[[300, 310, 700]] = [-0.9, 0.3, 0.3]
    path = manifest(tmp_path, {"early": early, "late": late})
    torch.manual_seed(0)
    dry = torch.randn(20, 3000)
    wet, _ = augmented(dry, [3000] * 20, tmp_path / "cache", reverb=ReverbConfig(1.0, path))
    expected = {}
    for name, response, peak in (("early", early, 20), ("late", late, 300)):
        full = [np.convolve(row, response)[peak : peak + 3000] for row in dry.double().numpy()]
        expected[name] = np.stack(
            [row * np.sqrt((d**2).sum() / (row**2).sum()) for row, d in zip(full, dry.double().numpy(), strict=True)]
        )
    matches = [[np.abs(wet[i].numpy() - expected[name][i]).max() < 1e-3 for name in expected] for i in range(20)]
    assert np.sum(matches, axis=1).tolist() == [1] * 20 and np.any(matches, axis=0).all()


@pytest.mark.parametrize("kind, config", [("noise", NoiseConfig), ("reverb", ReverbConfig)])
def test_a_manifest_that_is_missing_empty_or_of_no_use_is_one_line(tmp_path, kind, config):
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "gone.jsonl").write_text('{"audio_filepath": "gone.wav", "text": "", "nonspeech": true}\n')
    reasons = {
        "none.jsonl": "expected a manifest, found no such file",
        "empty.jsonl": "found no utterance in it",
        "gone.jsonl": "no audio could be read",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError) as error:
            augmented(torch.zeros(1, 9), [9], tmp_path / "cache", **{kind: config(1.0, manifest=str(tmp_path / name))})
        message = str(error.value)
        assert message.startswith(f"augment.{kind}.manifest: ") and reason in message and "\n" not in message


def test_recordings_that_cannot_be_read_are_counted_and_the_others_used(tmp_path, capsys):
    path = manifest(tmp_path, {"good": np.full(100, 0.5), "bad": np.zeros(100)})
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    still = torch.full((5, 200), 1e-2)
    noisy, _ = augmented(still, [200] * 5, tmp_path / "cache", noise=NoiseConfig(1.0, [0.0, 0.0], path))
    torch.testing.assert_close(noisy, 2 * still)
    err = capsys.readouterr().err
    assert err.startswith("augment.noise.manifest: ") and "1 of 2 recordings cannot be read; the first: " in err


@pytest.mark.parametrize("hertz", [100, 200, 500, 1000, 2000, 3100, 3800, 5000, 7000])
def test_a_telephone_passes_its_band_in_place_and_nothing_else(hertz):
    tone = (0.3 * torch.sin(2 * torch.pi * hertz * torch.arange(8000) / RATE))[None]
    heard, lengths = augmented(tone, [8000], telephone=TelephoneConfig(1.0))
    assert lengths.tolist() == [8000] and heard.shape == tone.shape
    middle = slice(1000, 7000)  # away from the ends, where the tone begins and ends like a click
    if 400 <= hertz <= 3300:
        assert decibels(tone[:, middle], (heard - tone)[:, middle]) > 30  # G.711 itself: 38 dB
    else:
        assert decibels(heard[:, middle], tone[:, middle]) < -20


def test_a_telephone_sounds_as_sox_makes_it(tmp_path):
    rng = np.random.default_rng(0)
    wave = np.convolve(rng.normal(0, 0.1, 32000), np.hanning(9) / 4, "same")
    soundfile.write(tmp_path / "wide.wav", wave, RATE)
    commands = (
        ["wide.wav", "-r", "8000", "-e", "mu-law", "-t", "wav", "call.wav", "sinc", "300", "sinc", "-3400"],
        ["call.wav", "-r", str(RATE), "-e", "signed", "-b", "16", "again.wav"],
    )
    if shutil.which("sox") is None:
        pytest.skip("needs sox")
    for command in commands:
        subprocess.run(["sox", "-D", *command], cwd=tmp_path, check=True)
    sox = torch.from_numpy(soundfile.read(tmp_path / "again.wav", dtype="float32")[0])[None]
    heard, _ = augmented(torch.from_numpy(wave).float()[None], [32000], telephone=TelephoneConfig(1.0))
    assert decibels(sox[:, 1000:31000], (heard - sox)[:, 1000:31000]) > 12  # the edges of the bands differ


def test_an_utterance_through_a_telephone_is_the_same_alone_and_in_a_batch():
    wave = torch.randn(2, 9000) * 0.1
    wave[1, 6001:] = 0
    together, _ = augmented(wave, [9000, 6001], telephone=TelephoneConfig(1.0))
    generators = [np.random.default_rng([1, 0, 1])]
    augment = Augmentation(AugmentConfig(speed=[1.0], telephone=TelephoneConfig(1.0)), RATE, "unused")
    alone, _ = augment(wave[1:, :6001], torch.tensor([6001]), generators)
    torch.testing.assert_close(together[1:, :6001], alone)
    assert not together[1, 6001:].any()


def test_a_telephone_needs_a_multiple_of_its_rate():
    with pytest.raises(InputError, match="multiple of 8000 Hz, found 22050"):
        Augmentation(AugmentConfig(telephone=TelephoneConfig(0.5)), 22050)
