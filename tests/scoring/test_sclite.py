"""The alignment of NIST's sclite against the program itself, and against the cheapest of all alignments of short texts."""

import random
from functools import cache

import nist
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechrnn.scoring import sclite
from speechrnn.scoring.errors import ErrorCounts, count
from speechrnn.scoring.sclite import GAP, SUBSTITUTION, align_words_as_sclite

texts = st.lists(st.sampled_from(["a", "b", "c", "é", "ab"]), max_size=8).map(" ".join)


def misheard(words, vocabulary, rng, rate):
    """The words as a recogniser gives them: some replaced, some lost, some put in."""
    for word in words:
        chance = rng.random() / rate
        if chance >= 0.25:
            yield word if chance >= 1 else rng.choice(vocabulary)
        if chance < 0.1 or 0.9 < chance < 1:
            yield rng.choice(vocabulary)


def corpus(name):
    """References and hypotheses: many ties in short alphabets, errors as recognisers make them, scripts, and empty sides."""
    rng = random.Random(name)
    if name.startswith("ties"):
        vocabulary = "abcdefgh"[: int(name[-1])]
        sides = [[rng.choices(vocabulary, k=rng.randrange(13)) for _ in range(4000)] for _ in range(2)]
        return [[" ".join(words) for words in side] for side in sides]
    if name == "empty sides":
        return ["", "a b c", "a", "", "b"], ["a b", "", "", "", "b"]
    vocabulary = {
        "sentences": [
            f"{first}{rest}" for first in "stmnprl" for rest in ("ea", "in", "at", "o", "y's", "-up", "illing")
        ],
        "scripts": ["élan", "Élan", "ß", "नमस्ते", "語", "שלום", "e\u0301lan", "ё", "É", "ŵ", "œuf", "😀", "ǅ", "İ", "ı"],
        "letters": list("ABCDEFGHIJKLMNOPQRSTUVWXYZ") + ["A."],
    }[name]
    # Most are as long as sentences, a few are long
    lengths = [int(rng.gammavariate(4, 5)) for _ in range(1500)] + [400, 1, 0, 900]
    references = [rng.choices(vocabulary, k=length) for length in lengths]
    hypotheses = [misheard(words, vocabulary, rng, rng.choice([0.1, 0.3, 1.0])) for words in references]
    return [[" ".join(words) for words in side] for side in (references, hypotheses)]


@pytest.mark.parametrize(
    "name", ["ties of 1", "ties of 2", "ties of 3", "ties of 5", "sentences", "scripts", "letters", "empty sides"]
)
def test_alignments_and_totals_are_those_of_sclite(name, tmp_path):
    references, hypotheses = corpus(name)
    for file, side in (("ref.trn", references), ("hyp.trn", hypotheses)):
        lines = [f"{text} (s{number % 3}-{number})\n" for number, text in enumerate(side)]
        (tmp_path / file).write_text("".join(lines), encoding="utf-8")
    files = ("-i", "rm", "-r", tmp_path / "ref.trn", "trn", "-h", tmp_path / "hyp.trn", "trn")
    ours = align_words_as_sclite(references, hypotheses)
    expected = nist.alignments(nist.run(*files))
    assert len(expected) == len(ours)
    for number, alignment in enumerate(ours):
        assert alignment == expected[f"s{number % 3}-{number}"]
    assert sum(map(count, ours), ErrorCounts()) == nist.totals(*files)


@given(texts, texts)
def test_no_alignment_is_cheaper(reference, hypothesis):
    ours, theirs = reference.split(), hypothesis.split()

    @cache
    def cheapest(i, j):
        if i == 0 or j == 0:
            return GAP * (i + j)
        paired = cheapest(i - 1, j - 1) + (0 if ours[i - 1] == theirs[j - 1] else SUBSTITUTION)
        return min(paired, cheapest(i - 1, j) + GAP, cheapest(i, j - 1) + GAP)

    (alignment,) = align_words_as_sclite([reference], [hypothesis])
    assert [word for word, _ in alignment if word is not None] == ours
    assert [word for _, word in alignment if word is not None] == theirs
    errors = count(alignment)
    cost = SUBSTITUTION * errors.substitutions + GAP * (errors.insertions + errors.deletions)
    assert cost == cheapest(len(ours), len(theirs))


@given(st.lists(st.tuples(texts, texts), max_size=12))
def test_company_changes_nothing(pairs):
    alone = [align_words_as_sclite([reference], [hypothesis])[0] for reference, hypothesis in pairs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sclite, "BLOCK", 100)  # several blocks, some of one utterance
        assert align_words_as_sclite(*zip(*pairs, strict=True) if pairs else ([], [])) == alone


def test_a_cost_that_int16_cannot_hold():
    reference, hypothesis = "a " * 6000, "b " * 6000
    (alignment,) = align_words_as_sclite([reference], [hypothesis])
    assert alignment == [("a", "b")] * 6000


def test_as_many_hypotheses_as_references():
    with pytest.raises(ValueError, match="found 1 and 2"):
        align_words_as_sclite(["a", "b"], ["a"])
