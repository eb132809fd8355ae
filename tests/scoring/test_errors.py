"""Error counts against a Levenshtein distance written out here, against jiwer, and on texts that are empty."""

import json

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechrnn.errors import InputError
from speechrnn.scoring.errors import (
    ErrorCounts,
    align_characters,
    align_words,
    character_errors,
    count,
    marked,
    score,
    word_errors,
)

words = st.lists(st.sampled_from(["a", "b", "c", "ab", "É", "x-y"]), max_size=9).map(" ".join)
pairs = st.lists(st.tuples(words, words), min_size=1, max_size=5)


def distance(reference, hypothesis):
    """Levenshtein distance of two sequences, by the textbook's table."""
    table = [[i + j for j in range(len(hypothesis) + 1)] for i in range(len(reference) + 1)]
    for i, wanted in enumerate(reference, start=1):
        for j, found in enumerate(hypothesis, start=1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (0 if wanted == found else 1)
            )
    return table[-1][-1]


@given(pairs)
def test_word_errors_are_the_levenshtein_distance(texts):
    for (reference, hypothesis), counts in zip(texts, word_errors(*zip(*texts, strict=True)), strict=True):
        assert counts.errors == distance(reference.split(), hypothesis.split())
        assert counts.reference == len(reference.split())
        assert counts.insertions - counts.deletions == len(hypothesis.split()) - len(reference.split())


@given(pairs)
def test_character_errors_are_the_levenshtein_distance(texts):
    for (reference, hypothesis), counts in zip(texts, character_errors(*zip(*texts, strict=True)), strict=True):
        assert counts.errors == distance(reference, hypothesis)
        assert counts.reference == len(reference)


@given(pairs.filter(lambda texts: any(reference for reference, _ in texts)))
def test_total_rates_equal_jiwer(texts):
    references, hypotheses = map(list, zip(*texts, strict=True))
    total = sum(word_errors(references, hypotheses), ErrorCounts())
    assert total.rate == pytest.approx(100 * jiwer.wer(references, hypotheses))
    total = sum(character_errors(references, hypotheses), ErrorCounts())
    assert total.rate == pytest.approx(100 * jiwer.cer(references, hypotheses))


@given(words, words)
def test_an_alignment_holds_both_texts_in_order(reference, hypothesis):
    for align, parts in ((align_words, str.split), (align_characters, list)):
        (alignment,) = align([reference], [hypothesis])
        assert [wanted for wanted, _ in alignment if wanted is not None] == parts(reference)
        assert [found for _, found in alignment if found is not None] == parts(hypothesis)


def test_white_space_is_no_error():
    assert word_errors([" a\t b\n"], ["a b"]) == [ErrorCounts(reference=2)]
    assert character_errors([" a\t b\n"], ["a b"]) == [ErrorCounts(reference=3)]


def test_empty_texts():
    assert word_errors(["", "", "a b"], ["x y", "", ""]) == [
        ErrorCounts(insertions=2),
        ErrorCounts(),
        ErrorCounts(deletions=2, reference=2),
    ]
    assert character_errors([""], ["x y"]) == [ErrorCounts(insertions=3)]
    assert word_errors([], []) == []


def test_as_many_hypotheses_as_references():
    with pytest.raises(ValueError, match="found 1 and 2"):
        word_errors(["a", "b"], ["a"])


def test_kaldi_line():
    assert ErrorCounts(3, 3, 40, 773).line() == "%WER 5.95 [ 46 / 773, 3 ins, 3 del, 40 sub ]"
    assert ErrorCounts(0, 1, 0, 3).line("CER") == "%CER 33.33 [ 1 / 3, 0 ins, 1 del, 0 sub ]"
    assert ErrorCounts(insertions=2).line() == "%WER n/a [ 2 / 0, 2 ins, 0 del, 0 sub ]"


def test_marks_and_counts():
    (alignment,) = align_words(["HE MET EDISON THERE"], ["OH HE MET ADDISON"])
    assert marked(alignment) == "(*->OH) HE MET (EDISON->ADDISON) (THERE->*)"
    assert count(alignment) == ErrorCounts(insertions=1, deletions=1, substitutions=1, reference=4)


def test_score_normalises_both_sides_and_counts_a_missing_hypothesis_as_deleted():
    references = {"u1": "Hello world", "u2": "good", "u3": "a b"}
    result = score(references, {"u1": "hello  WORLD", "u3": "A C", "u9": "more"}, "upper")
    assert result.words == ErrorCounts(deletions=1, substitutions=1, reference=5)
    assert result.missing == ["u2"]
    assert result.report() == (
        "%WER 40.00 [ 2 / 5, 0 ins, 1 del, 1 sub ]\n"
        "%CER 27.78 [ 5 / 18, 0 ins, 4 del, 1 sub ]\n"
        "%SER 66.67 [ 2 / 3 ]\n"
        "normaliser: upper\n"
    )
    assert score(references, {"u1": "hello  WORLD"}, "raw").words.substitutions == 2


def test_details():
    lines = score({"u1": "é b", "u2": "x"}, {"u1": "é c"}, "upper").details().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "id": "u1",
            "reference": "é b",
            "hypothesis": "é c",
            "aligned": "É (B->C)",
            "words": {"insertions": 0, "deletions": 0, "substitutions": 1, "reference": 2},
            "characters": {"insertions": 0, "deletions": 0, "substitutions": 1, "reference": 3},
            "normaliser": "upper",
        },
        {
            "id": "u2",
            "reference": "x",
            "hypothesis": None,
            "aligned": "(X->*)",
            "words": {"insertions": 0, "deletions": 1, "substitutions": 0, "reference": 1},
            "characters": {"insertions": 0, "deletions": 1, "substitutions": 0, "reference": 1},
            "normaliser": "upper",
        },
    ]


def test_unknown_normaliser():
    with pytest.raises(InputError, match="'lower'"):
        score({"u": "a"}, {"u": "a"}, "lower")
