"""Error counts against a Levenshtein distance written out here, against jiwer, and on texts that are empty."""

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechrnn.scoring.errors import ErrorCounts, align_words, character_errors, count, marked, word_errors

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
def test_counts_and_rates_equal_jiwers(texts):
    references, hypotheses = map(list, zip(*texts, strict=True))
    for ours, theirs in (
        (word_errors, jiwer.process_words(references, hypotheses)),
        (character_errors, jiwer.process_characters(references, hypotheses)),
    ):
        total = sum(ours(references, hypotheses), ErrorCounts())
        assert (
            total.insertions,
            total.deletions,
            total.substitutions,
            total.reference - total.errors + total.insertions,
        ) == (
            theirs.insertions,
            theirs.deletions,
            theirs.substitutions,
            theirs.hits,
        )
    assert total.rate == pytest.approx(100 * jiwer.cer(references, hypotheses))
    total = sum(word_errors(references, hypotheses), ErrorCounts())
    assert total.rate == pytest.approx(100 * jiwer.wer(references, hypotheses))
    assert total.match_error_rate == pytest.approx(100 * jiwer.mer(references, hypotheses))


@given(words, words)
def test_an_alignment_holds_both_texts_in_order(reference, hypothesis):
    (alignment,) = align_words([reference], [hypothesis])
    assert [wanted for wanted, _ in alignment if wanted is not None] == reference.split()
    assert [found for _, found in alignment if found is not None] == hypothesis.split()


def test_many_utterances_are_counted_each_by_itself():
    references, hypotheses = ["a b"] * 2500, [f"a {'b' if i % 3 else 'c'}" for i in range(2500)]
    for counts in (word_errors(references, hypotheses), character_errors(references, hypotheses)):
        assert [each.errors for each in counts] == [int(i % 3 == 0) for i in range(2500)]
    assert align_words(references, hypotheses)[2499] == [("a", "a"), ("b", "c")]


def test_white_space_is_no_error():
    assert word_errors(["a\u2028b\u00a0c"], ["a b c"]) == [ErrorCounts(reference=3)]
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
    with pytest.raises(ValueError, match="a hypothesis for each of 2 references, found 1"):
        word_errors(["a", "b"], ["a"])


def test_kaldi_line():
    assert ErrorCounts(3, 3, 40, 773).line() == "%WER 5.95 [ 46 / 773, 3 ins, 3 del, 40 sub ]"
    assert ErrorCounts(0, 1, 0, 3).line("CER") == "%CER 33.33 [ 1 / 3, 0 ins, 1 del, 0 sub ]"
    assert ErrorCounts(insertions=2).line() == "%WER n/a [ 2 / 0, 2 ins, 0 del, 0 sub ]"


def test_marks_and_counts():
    (alignment,) = align_words(["HE MET EDISON THERE"], ["OH HE MET ADDISON"])
    assert marked(alignment) == "(*->OH) HE MET (EDISON->ADDISON) (THERE->*)"
    assert count(alignment) == ErrorCounts(insertions=1, deletions=1, substitutions=1, reference=4)
