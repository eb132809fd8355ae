"""Are words of which the model is 90 % sure right nine times in ten? The reliability of word confidences on a manifest.

The utterances are transcribed (greedy); each word of a transcript is right if the Levenshtein alignment with what was said
(jiwer) says so. Printed are the reliability table of the raw confidences and that of calibrated ones, each speaker's
calibrated by what was fitted on the others; then the calibration fitted on all, which belongs into `decoder` of model.json.
The model must not have been trained on the manifest's speakers.

  python benchmarks/confidence.py MODEL data/an4/dev.jsonl
"""

import argparse

import numpy as np

import speechrnn
from speechrnn.alignment.confidence import (
    RAW,
    Bin,
    Calibration,
    calibrated,
    calibration_error,
    log_odds,
    reliability,
    sigmoid,
)
from speechrnn.alignment.viterbi import align_words
from speechrnn.audio import read_audio
from speechrnn.manifest import read_manifest
from speechrnn.scoring.errors import align_words as align_texts
from speechrnn.search.greedy import greedy
from speechrnn.text import normaliser

PRIOR = 1.0  # the weight of RAW beside the words, so that a few words, or only right ones, do not move it far


def fit(confidences: np.ndarray, right: np.ndarray) -> Calibration:
    """The calibration (a, b) under which it is most likely that the words (words,) are `right` or not, as they are.

    Newton's method on the log-likelihood less PRIOR / 2 times the squared distance from RAW, which has one maximum.
    """
    x = np.stack([log_odds(confidences), np.ones(len(confidences))], axis=1)
    right = np.asarray(right, np.float64)

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, x @ w).sum() - right @ (x @ w) + PRIOR / 2 * ((w - RAW) ** 2).sum())

    w = np.array(RAW)
    for _ in range(50):
        p = sigmoid(x @ w)
        slope = x.T @ (p - right) + PRIOR * (w - RAW)
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + PRIOR * np.eye(2), slope)
        while loss(w - step) > loss(w) and abs(step).max() > 1e-9:
            step = step / 2
        w = w - step
        if abs(step).max() < 1e-9:
            break
    return float(w[0]), float(w[1])


def show(title: str, table: list[Bin]) -> None:
    print(f"{title}: expected calibration error {calibration_error(table):.3f}")
    print(f"  {'confidence':12}{'words':>6}{'mean':>8}{'right':>8}")
    for b in table:
        print(f"  {b.low:.1f} - {b.high:.1f}   {b.words:6}{b.confidence:8.3f}{b.right:8.3f}")


def by_chance(confidences: np.ndarray) -> float:
    """The calibration error that as many words would show if the confidences were right exactly: mean of 1,000 draws."""
    random = np.random.default_rng(0)
    draws = [random.random(len(confidences)) < confidences for _ in range(1000)]
    return float(np.mean([calibration_error(reliability(confidences, right)) for right in draws]))


def information(confidences: np.ndarray, right: np.ndarray) -> float:
    """NIST's normalised cross entropy: 1 is certainty, 0 what the share of right words alone tells."""
    entropy = -np.log(np.where(right, right.mean(), 1 - right.mean())).mean()
    p = confidences.clip(1e-4, 1 - 1e-4)
    return 1 + np.log(np.where(right, p, 1 - p)).mean() / entropy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a bundled package's name or a package's directory")
    parser.add_argument("manifest", help="utterances with their texts and speakers")
    args = parser.parse_args()
    recognizer = speechrnn.load(args.model)
    package = recognizer.package
    normalise = normaliser(package.normaliser)
    confidences, right, speakers = [], [], []
    for utterance in read_manifest(args.manifest):
        waveform = read_audio(
            utterance.audio_filepath, package.sample_rate, offset=utterance.offset, duration=utterance.duration
        )
        (log_probs,) = recognizer.acoustic.log_probs([waveform])
        text = package.tokenizer.decode(greedy(log_probs))
        seconds = len(waveform) / package.sample_rate
        words = align_words(log_probs, text.split(), package.tokenizer, package.seconds_per_frame, seconds)
        (pairs,) = align_texts([normalise(utterance.text)], [text])
        confidences += [word.confidence for word in words]
        right += [reference == found for reference, found in pairs if found is not None]
        speakers += [utterance.speaker] * len(words)
    raw, right, speakers = np.array(confidences), np.array(right), np.array(speakers)
    held_out = np.empty_like(raw)
    for speaker in np.unique(speakers):
        own = speakers == speaker
        held_out[own] = calibrated(raw[own], fit(raw[~own], right[~own]))
    print(f"{len(raw)} words, {right.mean():.1%} right, {len(np.unique(speakers))} speakers")
    for title, own in (("raw", raw), ("calibrated on the other speakers", held_out)):
        show(title, reliability(own, right))
        print(f"  by chance alone {by_chance(own):.3f}; normalised cross entropy {information(own, right):.3f}")
    a, b = fit(raw, right)
    print(f'fitted on all: "confidence": [{a:.3f}, {b:.3f}]')


if __name__ == "__main__":
    main()
