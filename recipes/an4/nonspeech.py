"""Write recordings in which nothing is said, and their manifest: the model learns to answer them with no text.

python recipes/an4/nonspeech.py data/an4/nonspeech 60
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile

from speechrnn.manifest import Utterance, write_manifest

RATE = 16000


def noise(random: np.random.Generator, samples: int) -> np.ndarray:
    """Noise whose power falls as 1/f^slope: white (0), pink (1), brown (2), and between."""
    spectrum = np.fft.rfft(random.normal(size=samples))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (random.uniform(0, 2) / 2)
    return np.fft.irfft(spectrum, samples)


def gusts(random: np.random.Generator, samples: int) -> np.ndarray:
    """Noise that swells and fades, as wind, traffic and breath do."""
    points = random.uniform(0, 1, max(2, samples // 4000)) ** 2
    return noise(random, samples) * np.interp(np.linspace(0, len(points) - 1, samples), np.arange(len(points)), points)


def hum(random: np.random.Generator, samples: int) -> np.ndarray:
    """Mains hum: 50 or 60 Hz and its harmonics."""
    t = np.arange(samples) / RATE
    base = random.choice([50, 60])
    return sum(random.uniform() / k * np.sin(2 * np.pi * base * k * t + random.uniform(0, 6)) for k in range(1, 12))


def music(random: np.random.Generator, samples: int) -> np.ndarray:
    """Up to four voices of decaying notes of the equal-tempered scale, with harmonics and a beat."""
    signal = np.zeros(samples)
    beat = int(RATE * random.uniform(0.15, 0.5))
    for _ in range(random.integers(1, 5)):
        harmonics, decay, octave = random.uniform(0.3, 0.9), random.uniform(1, 8), random.integers(-24, 12)
        for start in range(0, samples, beat):
            t = np.arange(min(samples - start, 2 * beat)) / RATE
            pitch = 440 * 2 ** ((octave + random.choice([0, 2, 4, 5, 7, 9, 11, 12])) / 12)
            tone = sum(harmonics**k * np.sin(2 * np.pi * pitch * k * t) for k in range(1, 9) if pitch * k < 7500)
            signal[start : start + len(t)] += random.uniform() * tone * np.exp(-decay * t) * np.minimum(1, t * 200)
    return signal


def clicks(random: np.random.Generator, samples: int) -> np.ndarray:
    """Knocks and key strokes: short decaying bursts."""
    signal = random.normal(size=samples) * 0.003
    for start in random.integers(0, samples - 1000, random.integers(2, 15)):
        signal[start : start + 1000] += noise(random, 1000) * np.exp(-np.arange(1000) / random.uniform(20, 300))
    return signal


def silence(random: np.random.Generator, samples: int) -> np.ndarray:
    """Digital silence, or the dither of one bit."""
    return random.integers(0, 2) * random.integers(-1, 2, samples) / 32768


def main(folder: Path, count: int) -> None:
    """Write `count` recordings of 1 to 6 seconds, their loudness between -50 and -6 dB of full scale, and nonspeech.jsonl."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [noise, gusts, hum, music, music, clicks, silence]
    utterances = []
    for index in range(count):
        kind = kinds[index % len(kinds)]
        samples = int(RATE * random.uniform(1, 6))
        signal = kind(random, samples)
        if kind is not silence:
            signal *= 10 ** (random.uniform(-50, -6) / 20) / np.abs(signal).max()
        path = folder / f"{kind.__name__}-{index:03}.wav"
        soundfile.write(path, signal, RATE, subtype="PCM_16")
        utterances.append(Utterance(path.stem, str(path), "", 0.0, samples / RATE, nonspeech=True))
    write_manifest(folder.parent / "nonspeech.jsonl", utterances)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the recordings; nonspeech.jsonl is written beside it")
    parser.add_argument("count", type=int, help="how many recordings")
    args = parser.parse_args()
    main(args.folder, args.count)
