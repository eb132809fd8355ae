"""Settings that no other test moves: each does what its comment says."""

import numpy as np
import pytest
import soundfile
import torch
from conftest import RATE, tones
from tiny_runs import log, tiny, tone_corpus

from speechrnn.data.augment import Augmentation, AugmentConfig, NoiseConfig
from speechrnn.export.export import export
from speechrnn.nn.front_end import FrontEndConfig
from speechrnn.nn.model import ModelConfig
from speechrnn.recognizer import Recognizer
from speechrnn.training.schedule import learning_rate
from speechrnn.training.trainer import Trainer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("corpus"))


def after_one_update(corpus, run, **changes):
    """The trainer, its weights before, and the row that is logged. In the middle of the run the rate is at its peak, 0.01."""
    trainer = Trainer(tiny(corpus, run, optimiser__warmup=0.5, **changes))
    before = {name: tensor.clone() for name, tensor in trainer.model.named_parameters()}
    return trainer, before, trainer.update(trainer.data.updates(0)[0], share=0.5)


def test_clip_is_the_largest_norm_of_the_gradient(corpus, tmp_path):
    """AdamW's first moment after its first step is a tenth of the gradient that it was given."""
    norms = {}
    for clip in (0.25, 1e6, float("inf")):
        trainer, _, row = after_one_update(corpus, tmp_path / str(clip), optimiser__clip=clip)
        moments = [state["exp_avg"] for state in trainer.optimiser.state.values()]
        norms[clip] = 10 * float(torch.stack([moment.norm() for moment in moments]).norm())
    assert row["gradient_norm"] > 1  # it is logged before clipping
    assert norms[0.25] == pytest.approx(0.25, rel=1e-3)
    assert norms[1e6] == pytest.approx(row["gradient_norm"], rel=1e-3) == norms[float("inf")]


def test_weight_decay_takes_its_share_of_each_weight(corpus, tmp_path):
    (plain, before, row), (decayed, _, _) = (
        after_one_update(corpus, tmp_path / str(decay), optimiser__weight_decay=decay) for decay in (0.0, 0.1)
    )
    assert row["rate"] == pytest.approx(0.01)
    for name, weight in decayed.model.named_parameters():
        expected = plain.model.get_parameter(name) - 0.01 * 0.1 * before[name]
        torch.testing.assert_close(weight, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("warmup", [0.0, 0.6])
def test_warmup_is_a_share_of_all_updates(corpus, tmp_path, warmup):
    Trainer(tiny(corpus, tmp_path / "run", optimiser__warmup=warmup, optimiser__epochs=2)).train()
    rates = [row["rate"] for row in log(tmp_path / "run") if "rate" in row]
    expected = [learning_rate((i + 0.5) / len(rates), 1e-2, warmup) for i in range(len(rates))]
    assert rates == pytest.approx(expected)
    assert len(rates) > 4 and np.argmax(rates) == (0 if warmup == 0 else round(warmup * len(rates) - 0.5))


def test_a_model_of_another_sample_rate_trains_and_recognises(corpus, tmp_path):
    front_end = FrontEndConfig(num_bins=40, high_hz=3800.0)
    model = ModelConfig(8000, front_end, channels=8, layers=1, hidden=32, dropout=0.0)
    Trainer(tiny(corpus, tmp_path / "run", model=model)).train()
    export(tmp_path / "run", tmp_path / "package")
    recognizer = Recognizer(tmp_path / "package")
    assert recognizer.package.sample_rate == 8000 and recognizer.package.seconds_per_frame == 0.04
    soundfile.write(tmp_path / "new.wav", tones("CA AB"), RATE)
    assert recognizer.transcribe(tmp_path / "new.wav").text == "CA AB"


def test_the_colour_of_noise_is_drawn_from_its_range():
    wave = torch.zeros(1, RATE)
    wave[0, ::2] = 1.0
    tilts = []
    for colour in ([0.0, 0.0], [2.0, 2.0]):
        augment = Augmentation(AugmentConfig(speed=[1.0], noise=NoiseConfig(1.0, snr=[0.0, 0.0], colour=colour)), RATE)
        noise = augment(wave, torch.tensor([RATE]), [np.random.default_rng(0)])[0] - wave
        power = torch.fft.rfft(noise[0]).abs().square()
        tilts.append(float(power[100:200].mean() / power[1000:2000].mean()))  # decades apart: 1, and 10^2 for brown
    assert tilts[0] == pytest.approx(1, rel=0.5) and tilts[1] == pytest.approx(100, rel=0.5)
