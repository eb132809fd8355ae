"""How far word times are from the truth, on words whose times are known.

espeak-ng says words of AN4 one by one, in several voices and speeds; the silence around each is cut off, and they are joined
with known pauses between them (a little noise, -60 dB, lies under all). The model is told the words and not the pauses.
Printed are mean absolute errors in milliseconds and the median of the signed error (late is positive), for the frames of
the tokens as they are, for a gap halved between its words, and for the rule of `speechrnn align`.

  python benchmarks/word_times.py an4
"""

import argparse
import functools
import io
import subprocess
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import soundfile
import soxr

import speechrnn
from speechrnn.alignment import viterbi

WORDS = """ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE ZERO TEN TWENTY THIRTY FIFTY HUNDRED THOUSAND ENTER ERASE HELP STOP YES NO
START REPEAT JANUARY MARCH APRIL AUGUST OCTOBER A B C D E F G H I J K L M N O P Q R S T U V W X Y Z""".split()
VOICES = ("en-us", "en-us+f2", "en-us+m3", "en-gb", "en-gb+f4", "en-us+m7")
SPEEDS = (130, 165)  # words a minute
PAUSES = {"none": (0.0, 0.0), "50-300 ms": (0.05, 0.3), "300-600 ms": (0.3, 0.6)}
EDGE = 0.5  # seconds of silence at both ends


@functools.cache
def say(word: str, voice: str, speed: int, rate: int) -> np.ndarray:
    """A word (samples,) without the silence around it: what is below a hundredth of its largest sample."""
    text = f"{word}." if len(word) == 1 else word.lower()
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text]
    samples, own_rate = soundfile.read(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout))
    samples = soxr.resample(samples, own_rate, rate)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def utterance(random, voice: str, speed: int, pauses: tuple[float, float], rate: int):
    """Six words, their sound (samples,) and their times (words, 2) in seconds."""
    words = [WORDS[i] for i in random.integers(0, len(WORDS), 6)]
    sound, times = [np.zeros(int(EDGE * rate))], []
    for word in words:
        at = sum(map(len, sound))
        sound += [say(word, voice, speed, rate), np.zeros(int(random.uniform(*pauses) * rate))]
        times.append((at / rate, (at + len(sound[-2])) / rate))
    samples = np.concatenate([*sound, np.zeros(int(EDGE * rate))])
    return words, (samples + random.normal(0, 0.001, len(samples))).astype(np.float32), np.array(times)


def raw(log_probs, words, package, duration):
    """From the first frame of a word's first token to the last of its last."""
    lead, tail = viterbi.LEAD, viterbi.TAIL
    viterbi.LEAD, viterbi.TAIL = 1e-9, 1e-9
    try:
        return rule(log_probs, words, package, duration)
    finally:
        viterbi.LEAD, viterbi.TAIL = lead, tail


def halved(log_probs, words, package, duration):
    """Each gap between two words halved."""
    times = raw(log_probs, words, package, duration)
    for before, after in pairwise(times):
        before[1] = after[0] = (before[1] + after[0]) / 2
    return times


def rule(log_probs, words, package, duration):
    """As `speechrnn align` has them."""
    found = viterbi.align_words(log_probs, words, package.tokenizer, package.seconds_per_frame, duration)
    return np.array([(word.start, word.end) for word in found])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a bundled package's name or a package's directory")
    parser.add_argument("--utterances", type=int, default=10, help="of six words for each voice, speed and pause")
    args = parser.parse_args()
    recognizer = speechrnn.load(args.model)
    package = recognizer.package
    forms: dict[str, Callable] = {"frames": raw, "halved gaps": halved, "rule": rule}
    print(f"{'pauses':12}{'words':>6}{'':4}{'form':12}{'start ms':>10}{'median':>8}{'end ms':>10}{'median':>8}")
    for name, pauses in PAUSES.items():
        random = np.random.default_rng(0)
        errors: dict[str, list[np.ndarray]] = {form: [] for form in forms}
        for voice in VOICES:
            for speed in SPEEDS:
                for _ in range(args.utterances):
                    words, samples, times = utterance(random, voice, speed, pauses, package.sample_rate)
                    log_probs = recognizer.log_probs(samples, package.sample_rate)
                    for form, measure in forms.items():
                        found = measure(log_probs, words, package, len(samples) / package.sample_rate)
                        errors[form].append(1000 * (found - times))
        for form, own in errors.items():
            (start, end), (early, late) = np.abs(np.concatenate(own)).mean(0), np.median(np.concatenate(own), axis=0)
            print(f"{name:12}{sum(map(len, own)):6}{'':4}{form:12}{start:10.0f}{early:+8.0f}{end:10.0f}{late:+8.0f}")


if __name__ == "__main__":
    main()
