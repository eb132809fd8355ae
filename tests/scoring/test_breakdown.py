"""Where the errors are: every group adds up to the whole, and confidences are judged by what the normaliser left."""

from random import Random

import pytest

from speechrnn.scoring import breakdown
from speechrnn.scoring.errors import ErrorCounts
from speechrnn.scoring.score import score
from speechrnn.scoring.texts import Reference
from speechrnn.transcript import Word

WORDS = "one two three four five six".split()


def words(text: str, confidences: list[float] | None = None) -> tuple[Word, ...]:
    """The words of a text, half a second each."""
    written = text.split()
    sure = confidences or [0.9] * len(written)
    return tuple(Word(word, i / 2, i / 2 + 0.4, c) for i, (word, c) in enumerate(zip(written, sure, strict=True)))


@pytest.fixture(scope="module")
def many():
    """200 utterances of 7 speakers with random errors, durations and confidences."""
    random = Random(1)
    references, hypotheses, recognised = {}, {}, {}
    for i in range(200):
        said = random.choices(WORDS, k=random.choice([0, 1, 5, 6, 10, 11, 45]))
        heard = [random.choice([word, word, word, random.choice(WORDS)]) for word in said if random.random() > 0.1]
        references[f"u{i}"] = Reference(" ".join(said), f"s{i % 7}", random.choice([0.5, 2.0, 5.0, 9.9, 31.0]))
        hypotheses[f"u{i}"] = " ".join(heard)
        recognised[f"u{i}"] = words(" ".join(heard), [random.random() for _ in heard])
    return score(references, hypotheses, "raw", recognised=recognised)


@pytest.mark.parametrize("by", [breakdown.by_speaker, breakdown.by_length, breakdown.by_duration])
def test_groups_add_up_to_the_whole(many, by):
    groups = by(many)
    assert sum((group.words for group in groups), ErrorCounts()) == many.words
    assert sum(group.utterances for group in groups) == len(many.utterances)
    assert sum(group.wrong for group in groups) == many.wrong_sentences
    assert len({group.name for group in groups}) == len(groups) > 3


def test_an_utterance_is_in_the_group_whose_range_holds_it(many):
    for by, value in (
        (breakdown.by_length, lambda each: each.words.reference),
        (breakdown.by_duration, lambda each: each.duration),
        (breakdown.by_confidence, breakdown.confidence),
    ):
        known = [value(each) for each in many.utterances if value(each) is not None]
        groups = by(many)
        assert sum(group.utterances for group in groups) == len(known)
        for group in groups:
            assert group.utterances == sum(group.low <= each < group.high for each in known), group


def test_the_names_of_groups_say_their_ranges():
    references = {str(n): Reference(" ".join(["a"] * n), "", n / 2) for n in (0, 1, 5, 6, 40, 41, 60)}
    groups = breakdown.by_length(score(references, {}, "raw"))
    assert [(group.name, group.utterances) for group in groups] == [
        ("0", 1),
        ("1-5", 2),
        ("6-10", 1),
        ("31-40", 1),
        ("41+", 2),
    ]
    groups = breakdown.by_duration(score(references, {}, "raw"))
    assert [(group.name, group.utterances) for group in groups] == [
        ("0-2 s", 2),
        ("2-5 s", 2),
        ("20-30 s", 2),
        ("30+ s", 1),
    ]


def test_speakers_come_worst_first_and_those_without_a_name_are_left_out():
    references = {"a": Reference("x y", "good"), "b": Reference("x y", "bad"), "c": Reference("x y")}
    found = breakdown.by_speaker(score(references, {"a": "x y", "b": "x z", "c": ""}, "raw"))
    assert [(group.name, group.words.rate, group.wrong) for group in found] == [("bad", 50.0, 1), ("good", 0.0, 0)]


def test_word_errors_add_up_to_the_counts(many):
    errors = breakdown.word_errors(many)
    assert errors.confusions.total() == many.words.substitutions
    assert errors.inserted.total() == many.words.insertions
    assert errors.deleted.total() == many.words.deletions
    assert errors.said.total() == many.words.reference
    assert errors.missed.total() == many.words.substitutions + many.words.deletions


def test_word_errors_name_the_words():
    references = {
        "1": Reference("THE CAT SAT"),
        "2": Reference("THE CAT"),
        "3": Reference("A DOG"),
        "4": Reference("X"),
    }
    errors = breakdown.word_errors(
        score(references, {"1": "the hat sat", "2": "the hat", "3": "dog", "4": "x on"}, "upper")
    )
    assert errors.confusions == {("CAT", "HAT"): 2}
    assert (errors.inserted, errors.deleted) == ({"ON": 1}, {"A": 1})
    assert errors.missed == {"CAT": 2, "A": 1} and errors.said["CAT"] == 2


def test_a_word_that_the_normaliser_keeps_is_judged_by_its_pair():
    found = score(
        {"1": Reference("one two three")},
        {"1": "One too three"},
        "upper",
        recognised={"1": words("One too three", [0.9, 0.4, 0.8])},
    )
    judged = breakdown.judged(found)
    assert list(judged.confidences) == [0.9, 0.4, 0.8]
    assert list(judged.right) == [True, False, True] and judged.left_out == 0
    assert [(b.words, b.right) for b in judged.reliability()] == [(1, 0.0), (1, 1.0), (1, 1.0)]


def test_words_that_a_normaliser_joins_splits_or_drops_are_judged_where_that_can_be_told():
    """`twenty one` becomes 21, of which neither is a part; `it's` becomes two words, which both have to be right."""
    text = "it's twenty one um we're done"
    found = score({"1": Reference("it is 21 we were done")}, {"1": text}, "english", recognised={"1": words(text)})
    verdict = breakdown.judge("english")
    pairs = [pair for pair in found.utterances[0].alignment if pair[1] is not None]
    assert [heard for _, heard in pairs] == "it is 21 we are done".split()
    assert verdict(text.split(), pairs, 1) == [True, None, None, None, False, True]
    assert breakdown.judged(found).left_out == 3


def test_the_printed_tables_fit_eighty_columns_whatever_the_words():
    long = "donaudampfschifffahrtsgesellschaftskapitän"
    references = {
        str(i): Reference(f"{long}{i} a b", f"speaker with a name that does not end {i}", i / 3) for i in range(60)
    }
    hypotheses = {str(i): f"{long[::-1]}{i} {long} b" for i in range(60)}
    recognised = {id: words(text) for id, text in hypotheses.items()}
    lines = breakdown.tables(score(references, hypotheses, "raw", recognised=recognised)).split("\n")
    assert max(map(len, lines)) <= 80
    assert "and 40 more" in lines
    assert any(line.split()[:2] == ["0-2", "s"] for line in lines)


def test_the_printed_tables_of_a_perfect_score_and_of_one_without_anything_known():
    perfect = breakdown.tables(score({"1": Reference("a b")}, {"1": "a b"}, "raw"))
    assert perfect.startswith("confused") and "speaker" not in perfect and "confidence" not in perfect
    assert "n/a" in breakdown.tables(score({"1": Reference("")}, {"1": "a"}, "raw"))
