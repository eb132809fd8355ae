"""What all augmentation has in common (tests/data/test_augment_kinds.py: what each kind does), and speed perturbation."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from speechrnn.data.augment import (
    Augmentation,
    AugmentConfig,
    ClippingConfig,
    NoiseConfig,
    ReverbConfig,
    SpeedPerturbation,
    SurroundingsConfig,
    TelephoneConfig,
)
from speechrnn.errors import InputError
from speechrnn.runs.config import Config, check_values, read_config

RATE = 16000
FACTORS = [0.9, 1.0, 1.1]
RATIOS = [(9, 10), (1, 1), (11, 10)]  # so many samples become so many
KINDS = {
    "speed": {"speed": FACTORS},
    "speed between": {"speed": [0.85, 1.15], "speed_between": True},
    "gain": {"gain": [-20.0, 20.0]},
    "noise": {"noise": NoiseConfig(0.6, [0.0, 20.0])},
    "reverb": {"reverb": ReverbConfig(0.6)},
}
KINDS["all"] = {key: value for kind in KINDS.values() for key, value in kind.items()}
KINDS["surroundings"] = {"surroundings": SurroundingsConfig(0.6, [0.02, 0.2])}
KINDS["clipping"] = {"clipping": ClippingConfig(0.6)}


def augmentation(**config) -> Augmentation:
    return Augmentation(AugmentConfig(**{"speed": [1.0], **config}), RATE)


def generators(numbers, seed=1):
    return [np.random.default_rng([seed, 0, number]) for number in numbers]


def padded(lengths, seed=0):
    torch.manual_seed(seed)
    return torch.nn.utils.rnn.pad_sequence([torch.randn(n) * 0.1 for n in lengths], batch_first=True)


@pytest.mark.parametrize("kind", KINDS)
def test_an_utterance_is_augmented_alike_alone_and_in_a_batch(kind):
    lengths = [5000, 1, 3333, 16000, 999, 2500, 300, 12345]
    batch, augment = padded(lengths), augmentation(**KINDS[kind])
    result, new_lengths = augment(batch, torch.tensor(lengths), generators(range(8)))
    assert result.shape == (8, int(new_lengths.max())) and new_lengths.dtype == torch.int64
    assert not torch.equal(result[:, :300], batch[:, :300])  # it did something
    for row, length in enumerate(lengths):
        alone, own = augment(batch[row : row + 1, :length], torch.tensor([length]), generators([row]))
        assert own.item() == new_lengths[row]
        torch.testing.assert_close(result[row, :own], alone[0], atol=1e-5, rtol=0)
        assert not result[row, own:].any()
    assert torch.equal(batch, padded(lengths))  # the input is as it was


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_generators_give_the_same_bits_and_others_do_not(kind):
    batch, lengths = padded([4000] * 5), torch.tensor([4000] * 5)
    augment = augmentation(**KINDS[kind])
    first, _ = augment(batch, lengths, generators(range(5)))
    again, _ = augment(batch, lengths, generators(range(5)))
    other, _ = augment(batch, lengths, generators(range(5), seed=2))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


@pytest.mark.parametrize("kind", ["speed", "speed between", "gain", "recorded"])
def test_nothing_on_the_device_is_waited_for(kind, tmp_path):
    """A tensor on the device `meta` has no values: to read one on the host, as .item() and .cpu() do, is an error."""
    config = KINDS.get(kind)
    if kind == "recorded":
        soundfile.write(tmp_path / "click.wav", np.eye(1, 300)[0], RATE)
        (tmp_path / "m.jsonl").write_text('{"audio_filepath": "click.wav", "text": "", "nonspeech": true}')
        path = str(tmp_path / "m.jsonl")
        config = {"noise": NoiseConfig(1.0, manifest=path), "reverb": ReverbConfig(1.0, path)}
    augment = Augmentation(AugmentConfig(**{"speed": [1.0], **config}), RATE, str(tmp_path)).to("meta")
    result, lengths = augment(torch.empty(8, 3000, device="meta"), torch.tensor([3000, 900] * 4), generators(range(8)))
    assert result.device.type == "meta" and lengths.device.type == "cpu"


def test_switched_off_it_is_the_identity():
    batch, lengths = padded([3000, 2000]), torch.tensor([3000, 2000])
    result, same = augmentation()(batch, lengths, generators([0, 1]))
    assert torch.equal(result, batch) and torch.equal(same, lengths)


def test_silence_stays_silence_and_never_becomes_nan():
    silent = torch.zeros(20, 4000)
    result, _ = augmentation(**KINDS["all"])(silent, torch.full((20,), 4000), generators(range(20)))
    assert not result.any()


def test_the_speed_is_the_first_draw_whatever_else_is_on():
    lengths = torch.full((40,), 4000)
    expected = [np.random.default_rng([1, 0, i]).integers(len(FACTORS)) for i in range(40)]
    expected = [-(-4000 * RATIOS[choice][1] // RATIOS[choice][0]) for choice in expected]
    for others in ({}, KINDS["noise"], KINDS["reverb"], KINDS["gain"]):
        _, changed = augmentation(**{**others, "speed": FACTORS})(padded([4000] * 40), lengths, generators(range(40)))
        assert changed.tolist() == expected


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_the_lengths_that_batches_are_planned_by_are_those_that_are_played(probability):
    around = SurroundingsConfig(probability / 2, [0.01, 0.1])
    augment = augmentation(speed=FACTORS, surroundings=around, gain=[-9.0, 9.0])
    _, changed = augment(padded([4000] * 40), torch.full((40,), 4000), generators(range(40)))
    planned = augment.played_samples(np.full(40, 4000), generators(range(40)))
    assert ((changed.numpy() >= planned - 1e-6) & (changed.numpy() < planned + 3)).all()  # rounded up, twice


@pytest.mark.parametrize(
    "config, fastest",
    [
        ({}, 1.0),
        ({"speed": FACTORS}, 1.1),
        ({"speed": [0.8, 1.25], "speed_between": True}, 1.25),
    ],
)
def test_no_utterance_becomes_shorter_than_the_fastest_factor_says(config, fastest):
    augment = augmentation(**config)
    assert augment.fastest == pytest.approx(fastest)
    lengths = torch.full((60,), 997)
    _, changed = augment(padded([997] * 60), lengths, generators(range(60)))
    assert int(changed.min()) >= 997 / fastest - 1e-6
    assert int(changed.min()) <= 997 / fastest * 1.15  # and some come near


def test_each_utterance_is_resampled_as_if_alone():
    lengths = [5000, 1, 3333, 4097, 999, 2500]
    choice = np.array([0, 2, 2, 1, 0, 2])
    batch = padded(lengths)
    faster, new_lengths = SpeedPerturbation(FACTORS)(batch, torch.tensor(lengths), choice)
    for row, new, wave, length, index in zip(faster, new_lengths.tolist(), batch, lengths, choice, strict=True):
        alone = torchaudio.functional.resample(wave[:length], *RATIOS[index])
        assert new == len(alone) and not row[new:].any()
        torch.testing.assert_close(row[:new], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "factors, index", [(FACTORS, 0), (FACTORS, 1), (FACTORS, 2), ([0.87, 1.13], 0), ([0.87, 1.13], 1)]
)
def test_pitch_and_length_move_by_the_factor(factors, index):
    wave = torch.sin(2 * np.pi * 1000 * torch.arange(RATE) / RATE)[None]
    faster, lengths = SpeedPerturbation(factors)(wave, torch.tensor([RATE]), np.array([index]))
    assert lengths.tolist() == [int(np.ceil(RATE / factors[index]))] == [faster.shape[1]]
    spectrum = np.abs(np.fft.rfft(faster[0].numpy() * np.hanning(faster.shape[1]), 4 * RATE))
    assert spectrum.argmax() / 4 == pytest.approx(1000 * factors[index], abs=1)
    assert faster[0, 2000:-2000].abs().max() == pytest.approx(1, abs=0.02)  # as loud as before


def test_between_means_every_hundredth():
    augment = augmentation(speed=[1.03, 0.98], speed_between=True)
    assert augment.speed.factors == [0.98, 0.99, 1.0, 1.01, 1.02, 1.03]
    _, lengths = augment(torch.zeros(200, 10_000), torch.full((200,), 10_000), generators(range(200)))
    assert set(lengths.tolist()) == {int(np.ceil(10_000 / factor)) for factor in augment.speed.factors}


@pytest.mark.parametrize(
    "key, value, least, most",
    [
        ("gain", "[3.0, -3.0]", -60, 60),
        ("gain", "[3.0]", -60, 60),
        ("noise.snr", "[30.0, 10.0]", -20, 100),
        ("noise.colour", "[0.0, 3.0]", 0, 2),
        ("reverb.rt60", "[0.0, 0.5]", 0.01, 5),
        ("reverb.direct", "[]", -20, 60),
        ("noise.probability", "1.5", 0, 1),
        ("reverb.probability", "-0.5", 0, 1),
        ("clipping.probability", "nan", 0, 1),
        ("spec.time_masks_per_frame", "-1.0", 0, 1),
    ],
)
def test_a_value_that_cannot_be_is_an_error_of_one_line(tmp_path, key, value, least, most):
    (tmp_path / "model.yaml").write_text("seed: 1")
    config = read_config(str(tmp_path / "model.yaml"), [f"augment.{key}={value.replace('nan', '.nan')}"])
    with pytest.raises(InputError) as error:
        check_values(config)
    expected = f"[lowest, highest] between {least} and {most}" if "[" in value else f"from {least} to {most}"
    assert str(error.value) == f"augment.{key}: expected {expected}, found {value}"


def test_the_defaults_change_the_speed_alone():
    config = Config()
    check_values(config)
    augment = Augmentation(config.augment, RATE)
    assert augment.speed.factors == [0.9, 1.0, 1.1] and not augment.stages


@pytest.fixture
def broken_torchaudio(tmp_path, monkeypatch):
    """A torchaudio that cannot be imported, as beside a torch that it was not built for."""
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text("raise OSError('libcudart.so.13: no such\\nlibrary')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_speed_of_one_needs_no_torchaudio(broken_torchaudio):
    wave, lengths = augmentation()(padded([99, 98]), torch.tensor([99, 98]), generators(range(2)))
    assert torch.equal(wave, padded([99, 98])) and lengths.tolist() == [99, 98]


@pytest.mark.parametrize(
    "switch, config",
    [
        ("speed", {"speed": FACTORS}),
        ("reverb", {"reverb": ReverbConfig(1.0)}),
        ("noise", {"noise": NoiseConfig(1.0)}),
        ("telephone", {"telephone": TelephoneConfig(1.0)}),
    ],
)
def test_a_torchaudio_that_cannot_be_imported_is_named_with_what_needs_it(broken_torchaudio, switch, config):
    with pytest.raises(InputError) as caught:
        augmentation(**config)(padded([999]), torch.tensor([999]), generators([0]))
    assert str(caught.value).startswith(
        f"augment.{switch}: expected torchaudio, found that it cannot be imported (libcudart.so.13: no such library): install"
    )


def test_a_speed_too_low_to_resample_is_named():
    with pytest.raises(InputError, match="^augment.speed: expected factors of 0.01 or more, found 0.001$"):
        augmentation(speed=[1.0, 0.001])


def test_every_block_of_the_documentation_is_a_configuration(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "augmentation.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 8
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}.yaml").write_text(block)
        config = read_config(str(tmp_path / f"{number}.yaml"))
        check_values(config)
        Augmentation(config.augment, RATE)
