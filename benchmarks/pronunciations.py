"""Pronunciations of words that a dictionary lacks: how many phones and words are wrong, by the order of the n-grams, by what
pruning leaves of them, and by the width of the search; beside Phonetisaurus, trained on the same words, and espeak-ng.

    python benchmarks/pronunciations.py cmudict.dict.xz --espeak --phonetisaurus VENV/bin/phonetisaurus

Every 20th word of the dictionary is held out with all of its pronunciations. A guess is compared with the nearest of them: the
phone error rate (PER) counts its insertions, deletions and substitutions, the word error rate (WER) words with any of these.

Phonetisaurus (Novak et al. 2016) is the joint-sequence program that Kaldi's users have: C++, 8-grams, graphones of up to two
letters. Its Python package holds it compiled: `pip install phonetisaurus` in an environment of its own.

espeak-ng has its own dictionary, written by hand, which knows many of the words that are held out from us; and its accent and
its signs differ from CMU's. Its American signs are mapped to the 39 phones one by one (MAPPING). Where CMU's own practice wavers,
in weak vowels, both readings are tried and the nearer one counts: what remains are differences of convention and mistakes.
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path

from speechrnn.pronunciation import pronunciations
from speechrnn.pronunciation.pronunciations import ORDER, Pronouncer, read_dictionary
from speechrnn.text import Pronunciations, lexicon_lines

EVERY = 20
ORDERS = (3, 4, 5, 6, 7, 8)
ENTROPIES = (5e-8, 1e-7, 2e-7, 3e-7, 4.3e-7, 6e-7)
BEAMS = (4, 8, 16, 32)

# espeak-ng's signs for American English (IPA, stress marks and length taken off) -> phones, readings apart by "/". Longest first.
MAPPING = {
    "aɪɚ": "AY ER",
    "aɪə": "AY AH/AY ER",
    "aʊɚ": "AW ER",
    "oʊ": "OW",
    "eɪ": "EY",
    "aɪ": "AY",
    "aʊ": "AW",
    "ɔɪ": "OY",
    "tʃ": "CH",
    "dʒ": "JH",
    "ɑːɹ": "AA R",
    "ɔːɹ": "AO R",
    "oːɹ": "AO R",
    "ɛɹ": "EH R",
    "ɪɹ": "IH R",
    "ʊɹ": "UH R",
    "əl": "AH L",
    "iə": "IY AH",
    "n̩": "AH N",
    "l̩": "AH L",
    "m̩": "AH M",
    "ɜː": "ER",
    "ɚ": "ER",
    "ɑː": "AA",
    "ɔː": "AO",
    "iː": "IY",
    "uː": "UW",
    "ɑ": "AA",
    "ɔ": "AO",
    "ɒ": "AA",
    "a": "AA/AE",
    "æ": "AE",
    "ɛ": "EH",
    "e": "EH",
    "ᵻ": "IH/AH",
    "ɪ": "IH",
    "i": "IY",
    "ʊ": "UH",
    "u": "UW",
    "ʌ": "AH",
    "ə": "AH",
    "ɐ": "AH",
    "o": "OW",
    "ɹ": "R",
    "r": "R",
    "ɾ": "T",
    "ʔ": "T",
    "θ": "TH",
    "ð": "DH",
    "ʃ": "SH",
    "ʒ": "ZH",
    "ŋ": "NG",
    "j": "Y",
    "ɡ": "G",
    "ɬ": "L",
    "x": "K",
    "ç": "HH",
    "h": "HH",
    **{sign: sign.upper() for sign in "bdfklmnpstvwz"},
}
SIGNS = re.compile("|".join(sorted(map(re.escape, MAPPING), key=len, reverse=True)))
READINGS = 64  # tried of one word


def distance(a: Sequence[str], b: Sequence[str]) -> int:
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, start=1):
        before, row = row, [i]
        for j, right in enumerate(b, start=1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (left != right)))
    return row[-1]


def rates(words: Sequence[str], guesses: Sequence[list[str]], dictionary: Pronunciations) -> str:
    """PER and WER; of several readings of a word the nearest counts."""
    wrong = phones = words_wrong = 0
    for word, readings in zip(words, guesses, strict=True):
        pairs = [(guess.split(), own.split()) for guess in readings or [""] for own in dictionary[word]]
        errors, length = min(
            ((distance(guess, own), len(own)) for guess, own in pairs), key=lambda each: each[0] / each[1]
        )
        wrong, phones, words_wrong = wrong + errors, phones + length, words_wrong + (errors > 0)
    return f"{wrong / phones:.2%} | {words_wrong / len(words):.2%}"


def ours(
    dictionary: Pronunciations, held_out: list[str], folder: str, order: int = ORDER, entropy: float | None = None
) -> str:
    """A row: n-grams, size of the file, seconds to train, words a second, PER and WER."""
    left = set(held_out)
    began = time.perf_counter()
    trained = Pronouncer.train({word: own for word, own in dictionary.items() if word not in left}, order, entropy)
    seconds = time.perf_counter() - began
    path = Path(folder, "model")
    trained.write(path)
    pronouncer = Pronouncer.read(path)
    began = time.perf_counter()
    found = pronouncer.pronounce(held_out)
    speed = len(held_out) / (time.perf_counter() - began)
    guesses = [[best.phones for best in several] for several in found]
    ngrams = sum(trained._model.counts)
    size = os.path.getsize(path) / 1e6
    return f"{ngrams:,} | {size:.1f} | {seconds:.1f} | {speed:,.0f} | {rates(held_out, guesses, dictionary)}"


def espeak(words: Sequence[str]) -> list[list[str]]:
    """What espeak-ng's American voice says, in our phones: all readings of each word."""
    command = ["espeak-ng", "-q", "-v", "en-us", "--ipa"]
    text = "\n".join(word.lower() for word in words)
    done = subprocess.run(command, input=text, capture_output=True, check=True, encoding="utf-8")
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if len(lines) != len(words):
        raise SystemExit(f"espeak-ng: expected {len(words)} lines, found {len(lines)}")
    result, unknown = [], set()
    for line in lines:
        plain = re.sub(r"[ˈˌ\s‍-]|\([a-z-]+\)", "", line)
        unknown |= set(SIGNS.sub("", plain)) - {"ː"}
        choices = [MAPPING[sign].split("/") for sign in SIGNS.findall(plain)]
        result.append([" ".join(reading) for reading in islice(product(*choices), READINGS)])
    if unknown:
        print(f"espeak-ng: signs that have no mapping: {' '.join(sorted(unknown))}\n")
    return result


def phonetisaurus(
    program: str, dictionary: Pronunciations, words: Sequence[str], folder: str
) -> tuple[str, list[list[str]]]:
    """Seconds to train, size of the model, words a second; and what it says."""
    left = set(words)
    lexicon, model = Path(folder, "lexicon"), Path(folder, "model.fst")
    lexicon.write_text(
        lexicon_lines({word: own for word, own in dictionary.items() if word not in left}), encoding="utf-8"
    )
    began = time.perf_counter()
    subprocess.run([program, "train", "--model", model, lexicon], check=True, capture_output=True, cwd=folder)
    trained = time.perf_counter()
    text = "".join(f"{word}\n" for word in words)
    done = subprocess.run(
        [program, "predict", "--model", model], input=text, capture_output=True, check=True, encoding="utf-8"
    )
    seconds = time.perf_counter() - trained
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    what = f"{model.stat().st_size / 1e6:.1f} | {trained - began:.0f} | {len(words) / seconds:,.0f}"
    return what, [[said[word]] if word in said else [] for word in words]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dictionary", help="CMU's pronouncing dictionary")
    parser.add_argument("--espeak", action="store_true", help="compare with espeak-ng, which is installed")
    parser.add_argument("--phonetisaurus", metavar="PROGRAM", help="compare with this")
    args = parser.parse_args()
    dictionary = read_dictionary(args.dictionary)
    held_out = list(dictionary)[::EVERY]
    print(f"{len(dictionary):,} words, {len(held_out):,} of them held out\n")
    with tempfile.TemporaryDirectory() as folder:
        head = "n-grams | MB | s to train | words a second | PER | WER |\n|---|---|---|---|---|---|---|"
        print(f"| order | {head}")
        for order in ORDERS:
            print(f"| {order} | {ours(dictionary, held_out, folder, order)} |", flush=True)
        if args.phonetisaurus:
            what, guesses = phonetisaurus(args.phonetisaurus, dictionary, held_out, folder)
            print(f"| Phonetisaurus | | {what} | {rates(held_out, guesses, dictionary)} |", flush=True)
        print(f"\n| entropy, order {ORDER}, 8 bits | {head}")
        for entropy in ENTROPIES:
            print(f"| {entropy:g} | {ours(dictionary, held_out, folder, entropy=entropy)} |", flush=True)
        print(f"\n| beam, order {ORDER} | {head}")
        chosen = pronunciations.BEAM
        for pronunciations.BEAM in BEAMS:
            print(f"| {pronunciations.BEAM} | {ours(dictionary, held_out, folder)} |", flush=True)
        pronunciations.BEAM = chosen
    if args.espeak:
        spoken = [word for word in held_out if re.fullmatch(r"[A-Z']+", word)]
        left = set(held_out)
        pronouncer = Pronouncer.train({word: own for word, own in dictionary.items() if word not in left})
        guesses = [[best.phones for best in several] for several in pronouncer.pronounce(spoken)]
        print(f"\n| the {len(spoken):,} words of A to Z and apostrophe | PER | WER |\n|---|---|---|")
        print(f"| ours, order {ORDER} | {rates(spoken, guesses, dictionary)} |")
        print(f"| espeak-ng | {rates(spoken, espeak(spoken), dictionary)} |")


if __name__ == "__main__":
    main()
