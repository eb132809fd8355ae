"""The score of a set: both alignments, what is missing or too much, and details that make the same score again."""

import json

import pytest

from speechrnn.errors import InputError
from speechrnn.scoring.errors import ErrorCounts
from speechrnn.scoring.score import read_details, score
from speechrnn.scoring.texts import Reference
from speechrnn.transcript import Word

REFERENCES = {"u1": Reference("Hello world", "ann", 1.5), "u2": Reference("good"), "u3": Reference("a b", "bob")}


def test_both_sides_are_normalised_and_a_missing_hypothesis_counts_as_deleted():
    result = score(REFERENCES, {"u1": "hello  WORLD", "u3": "A C", "u9": "more"}, "upper")
    assert result.words == ErrorCounts(deletions=1, substitutions=1, reference=5)
    assert (result.missing, result.extra) == (["u2"], {"u9": "more"})
    assert result.report() == (
        "%WER 40.00 [ 2 / 5, 0 ins, 1 del, 1 sub ]\n"
        "%CER 27.78 [ 5 / 18, 0 ins, 4 del, 1 sub ]\n"
        "%SER 66.67 [ 2 / 3 ]\n"
        "%MER 40.00 [ 2 / 5 ]\n"
        "normaliser: upper\n"
        "alignment: kaldi\n"
    )
    assert score(REFERENCES, {"u1": "hello  WORLD"}, "raw").words.substitutions == 2


def test_sclites_alignment_prefers_two_errors_to_a_substitution_no_more_than_it_costs():
    # Fewest errors: four substitutions (16 for sclite); sclite's: b c d are right, a deleted and e inserted (6)
    references, hypotheses = {"u": Reference("a b c d")}, {"u": "b c d e"}
    assert score(references, hypotheses, "raw", "sclite").words == ErrorCounts(1, 1, 0, 4)
    assert score(references, hypotheses, "raw", "kaldi").words == ErrorCounts(1, 1, 0, 4)
    # Two substitutions cost 8; a deletion, a hit and an insertion cost 6
    references, hypotheses = {"u": Reference("a b")}, {"u": "b c"}
    assert score(references, hypotheses, "raw", "sclite").words == ErrorCounts(1, 1, 0, 2)
    assert score(references, hypotheses, "raw", "kaldi").words.errors == 2


def test_details():
    lines = score({"u1": Reference("é b"), "u2": Reference("x", "ann", 2.0)}, {"u1": "é c"}, "upper").details()
    assert [json.loads(line) for line in lines.splitlines()] == [
        {
            "id": "u1",
            "reference": "é b",
            "hypothesis": "é c",
            "aligned": "É (B->C)",
            "words": {"insertions": 0, "deletions": 0, "substitutions": 1, "reference": 2},
            "characters": {"insertions": 0, "deletions": 0, "substitutions": 1, "reference": 3},
            "normaliser": "upper",
            "alignment": "kaldi",
        },
        {
            "id": "u2",
            "speaker": "ann",
            "duration": 2.0,
            "reference": "x",
            "hypothesis": None,
            "aligned": "(X->*)",
            "words": {"insertions": 0, "deletions": 1, "substitutions": 0, "reference": 1},
            "characters": {"insertions": 0, "deletions": 1, "substitutions": 0, "reference": 1},
            "normaliser": "upper",
            "alignment": "kaldi",
        },
    ]


def test_details_make_the_same_score_again(tmp_path):
    words = {"u1": (Word("hello", 0.1, 0.5, 0.99), Word("word", 0.6, 0.9, 0.4)), "u3": ()}
    hypotheses = {"u1": "hello word", "u3": "", "u9": "of nothing that was said"}
    result = score(REFERENCES, hypotheses, "upper", "sclite", words)
    path = tmp_path / "details.jsonl"
    path.write_text(result.details(), encoding="utf-8")
    assert read_details(path) == result


@pytest.mark.parametrize(
    "contents, expected",
    [
        ("", "found no utterance"),
        ("u1 a b\n", "line 1: expected a line of a details file"),
        ('{"id": "u1", "text": "a"}\n', "line 1: expected a line of a details file"),
        ('{"id": "u1", "reference": "a", "hypothesis": "a", "normaliser": "lower"}\n', "'lower'"),
        (
            '{"id": "u1", "reference": "a", "hypothesis": "a", "normaliser": "raw", "alignment": "x"}\n',
            "expected an alignment of kaldi or sclite, found 'x'",
        ),
        (
            '{"id": "u1", "reference": "a", "hypothesis": "a", "normaliser": "raw"}\n'
            '{"id": "u2", "reference": "a", "hypothesis": "a", "normaliser": "upper"}\n',
            "found raw and kaldi; upper and kaldi",
        ),
        ('{"id": "u1", "reference": "a", "hypothesis": "a", "normaliser": "raw"}\n' * 2, "line 2: the id 'u1'"),
        (None, "expected a details file"),
        (
            '{"id": "u1", "reference": null, "hypothesis": "a", "normaliser": "raw"}\n',
            "expected references, found none",
        ),
    ],
)
def test_bad_details(tmp_path, contents, expected):
    path = tmp_path / "details.jsonl"
    if contents is not None:
        path.write_text(contents)
    with pytest.raises(InputError) as error:
        read_details(path)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("id", None, "expected an 'id'"),
        ("id", "\ud800", "half of a surrogate pair"),
        ("reference", None, "expected a text, found None"),
        ("reference", ["a"], "expected a text, found ['a']"),
        ("hypothesis", 5, "expected a text, found 5"),
        ("speaker", "\ud800", "half of a surrogate pair"),
        ("duration", "2", "expected 'duration' in seconds, found '2'"),
        ("duration", float("nan"), "expected 'duration' in seconds, found nan"),
        ("duration", 10**400, "expected 'duration' in seconds, found 1000"),
        ("normaliser", 5, "expected the names of a normaliser and an alignment"),
        ("alignment", None, "expected the names of a normaliser and an alignment"),
        ("recognised", 5, "expected a line of a details file"),
        ("recognised", [{"text": "a"}], "expected a line of a details file"),
        ("recognised", [{"text": 1, "start": 0, "end": 1, "confidence": 1}], "expected 'recognised' words"),
        ("recognised", [{"text": "a", "start": 2, "end": 1, "confidence": 1}], "expected 'recognised' words"),
        ("recognised", [{"text": "a", "start": 0, "end": 1, "confidence": 7}], "expected 'recognised' words"),
    ],
)
def test_a_value_of_the_details_that_is_none(tmp_path, key, value, expected):
    rows = [json.loads(line) for line in score(REFERENCES, {"u1": "hello"}, "upper").details().splitlines()]
    rows[1][key] = value
    path = tmp_path / "details.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError) as error:
        read_details(path)
    assert str(error.value).startswith(f"{path}, line 2: ") and expected in str(error.value)


def test_details_that_nest_without_end(tmp_path):
    path = tmp_path / "details.jsonl"
    path.write_text("[" * 200_000)
    with pytest.raises(InputError, match="line 1: expected a line of a details file"):
        read_details(path)


def test_unknown_normaliser():
    with pytest.raises(InputError, match="'lower'"):
        score({"u": Reference("a")}, {"u": "a"}, "lower")
