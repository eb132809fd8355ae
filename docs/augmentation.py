"""The pictures of docs/augmentation.md: log-mel spectrograms of an example before and after each augmentation.

python docs/augmentation.py
"""

from pathlib import Path

import librosa
import matplotlib
import numpy as np
import torch

from speechrnn.audio import read_audio
from speechrnn.data.augment import (
    Augmentation,
    AugmentConfig,
    NoiseConfig,
    ReverbConfig,
    TelephoneConfig,
)
from speechrnn.nn.front_end import FrontEnd, FrontEndConfig, Normalise
from speechrnn.nn.spec_augment import SpecAugment, SpecAugmentConfig

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

RATE, HOP = 16000, 160
HERE = Path(__file__).parent
KINDS = {  # what is drawn in training is fixed here
    "speed": ("speed 1.15", {"speed": [1.15]}),
    "reverb": ("room, RT60 0.5 s, direct sound at 3 dB", {"reverb": ReverbConfig(1.0, None, [0.5, 0.5], [3.0, 3.0])}),
    "noise": ("pink noise at an SNR of 15 dB", {"noise": NoiseConfig(1.0, [15.0, 15.0], None, [1.0, 1.0])}),
    "telephone": ("telephone", {"telephone": TelephoneConfig(1.0)}),
    "gain": ("gain - 15 dB", {"gain": [-15.0, -15.0]}),
}


def log_mel(wave: np.ndarray) -> np.ndarray:
    """(bins, frames) dB."""
    power = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=512, win_length=400, hop_length=HOP, n_mels=80)
    return librosa.power_to_db(power, ref=1.0)


def picture(name: str, before: np.ndarray, after: np.ndarray, title: str, least: float, most: float) -> None:
    """Two spectrograms (bins, frames) side by side, on the same scale of time and colour."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.3), layout="constrained")
    longest = max(before.shape[1], after.shape[1]) * HOP / RATE
    for axis, features, label in ((axes[0], before, "as recorded"), (axes[1], after, title)):
        end = features.shape[1] * HOP / RATE
        axis.imshow(features, origin="lower", aspect="auto", extent=(0, end, 0, len(features)), vmin=least, vmax=most)
        axis.set(title=label, xlim=(0, longest), xlabel="seconds")
    axes[0].set_ylabel("mel bin")
    figure.savefig(HERE / "augmentation" / f"{name}.png", dpi=70, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    wave = read_audio(HERE.parent / "examples" / "letters.wav", RATE)
    batch, lengths = torch.from_numpy(wave)[None], torch.tensor([len(wave)])
    before = log_mel(wave)
    most = float(before.max())
    for name, (title, config) in KINDS.items():
        augment = Augmentation(AugmentConfig(**{"speed": [1.0], **config}), RATE)
        after, _ = augment(batch, lengths, [np.random.default_rng(0)])
        picture(name, before, log_mel(after[0].numpy()), title, most - 70, most)

    features, frames = FrontEnd(FrontEndConfig(), RATE)(batch, lengths)
    features = Normalise(FrontEndConfig(), features.shape[2])(features, frames)
    torch.manual_seed(3)
    masked = SpecAugment(SpecAugmentConfig(2, 20, time_masks_per_frame=0.02, time_mask_frames=30))(features, frames)
    picture("spec", features[0].T.numpy(), masked[0].T.numpy(), "SpecAugment: 2 bands, a stretch each 0.5 s", -2, 2)


if __name__ == "__main__":
    main()
