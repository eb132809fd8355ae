"""Results that are recorded: replacing a row, rendering RESULTS.md exactly, the commit, and the log of a test set."""

import json
import multiprocessing
import subprocess
from concurrent.futures import ProcessPoolExecutor

import pytest

from speechrnn.errors import InputError
from speechrnn.scoring.results import append_row, git_commit, is_test_set, log_evaluation, read_rows, render


def row(seed, substitutions, **other):
    return {
        "date": "2026-02-03T04:05:06+00:00",
        "commit": "abc1234",
        "system": "gru",
        "manifest": "test.jsonl",
        "seed": seed,
        "data": ["train.jsonl", "more.jsonl"],
        "parameters": 5123456,
        "minutes": 61.7,
        "normaliser": "upper",
        "alignment": "kaldi",
        "decoding": "greedy",
        "utterances": 130,
        "words": {"insertions": 3, "deletions": 3, "substitutions": substitutions, "reference": 773},
        "intervals": {"utterances": [4.4, 7.63], "speakers": [3.9, 8.1]},
        "characters": {"insertions": 1, "deletions": 1, "substitutions": 28, "reference": 3000},
        "seconds": 393.2,
        "rtf": 0.01234,
        "command": f"speechrnn evaluate exp/{seed} test.jsonl --record results.jsonl",
        **other,
    }


RENDERED = """\
# Results

Written by `speechrnn evaluate --record`; do not edit. The rows are those of `results.jsonl`, \
which also holds the versions,
the number of processors and the character errors.

## test.jsonl

### gru

training data: train.jsonl, more.jsonl; parameters: 5,123,456; decoding: greedy; normaliser: upper; \
alignment: kaldi; utterances: 130

| seed | WER % | 95 % by utterances | by speakers | words | CER % | minutes | RTF | date | commit |
|---|---|---|---|---|---|---|---|---|---|
| 1 | 5.95 | 4.40 to 7.63 | 3.90 to 8.10 | [ 46 / 773, 3 ins, 3 del, 40 sub ] | 1.00 | 61.7 | 0.0123 | 2026-02-03 | abc1234 |
| 2 | 6.73 | 4.40 to 7.63 | 3.90 to 8.10 | [ 52 / 773, 3 ins, 3 del, 46 sub ] | 1.00 | 61.7 | 0.0123 | 2026-02-03 | abc1234 |

Mean over 2 seeds (n = 2): WER 6.34 %, standard deviation 0.55; CER 1.00 %, standard deviation 0.00.

    speechrnn evaluate exp/1 test.jsonl --record results.jsonl
    speechrnn evaluate exp/2 test.jsonl --record results.jsonl
"""


def test_rendered_exactly_whatever_the_order_of_the_rows():
    assert render([row(1, 40), row(2, 46)]) == RENDERED
    assert render([row(2, 46), row(1, 40)]) == RENDERED


def test_what_is_not_known_is_a_dash_and_no_rate_is_not_available():
    nothing = {"insertions": 2, "deletions": 0, "substitutions": 0, "reference": 0}
    unknown = dict.fromkeys(("commit", "data", "parameters", "minutes", "rtf")) | {"command": "speechrnn evaluate"}
    unknown["intervals"] = {}
    text = render([row(None, 0, **unknown | {"words": nothing, "characters": nothing})])
    assert "| - | n/a | - | - | [ 2 / 0, 2 ins, 0 del, 0 sub ] | n/a | - | - | 2026-02-03 | - |\n" in text
    assert "One seed (n = 1): WER n/a; CER n/a.\n" in text
    assert "\ndecoding: greedy; normaliser: upper; alignment: kaldi; utterances: 130\n" in text
    assert "nan" not in text and "None" not in text


def test_a_section_for_each_manifest_and_system():
    text = render([row(1, 40), row(1, 30, system="lstm"), row(1, 20, manifest="dev.jsonl")])
    headings = [line for line in text.splitlines() if line.startswith("##")]
    assert headings == ["## test.jsonl", "### gru", "### lstm", "## dev.jsonl", "### gru"]
    assert text.count("One seed (n = 1): WER") == 3


def test_a_row_replaces_the_one_of_the_same_system_manifest_and_seed(tmp_path):
    results = tmp_path / "results.jsonl"
    for new in (row(1, 99), row(2, 46), row(1, 40)):
        append_row(results, new)
    assert read_rows(results) == [row(2, 46), row(1, 40)]
    assert (tmp_path / "RESULTS.md").read_text() == RENDERED
    append_row(results, row(1, 0, system="lstm"))
    assert len(read_rows(results)) == 3


@pytest.mark.parametrize(
    "line, expected",
    [
        ("# Results", "expected a row of results"),
        ("[1]", "expected a row of results"),
        (json.dumps(row(1, 40) | {"words": {"errors": 1}}), "expected a row of results"),
        (
            json.dumps({"system": "gru", "words": {}, "characters": {}}),
            "expected manifest, seed, normaliser, ",
        ),
    ],
)
def test_what_is_no_row_is_refused_and_left_as_it_is(tmp_path, line, expected):
    results = tmp_path / "results.jsonl"
    results.write_text(json.dumps(row(1, 40)) + "\n" + line + "\n")
    before = results.read_bytes()
    with pytest.raises(InputError, match="line 2: " + expected):
        append_row(results, row(2, 46))
    assert results.read_bytes() == before and not (tmp_path / "RESULTS.md").exists()


def test_results_are_not_recorded_into_another_kind_of_file(tmp_path):
    with pytest.raises(InputError, match="RESULTS.md: expected the name of a .jsonl file"):
        append_row(tmp_path / "RESULTS.md", row(1, 40))


def test_commit_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() is None

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        return subprocess.run(
            ["git", *identity, *arguments], check=True, capture_output=True, encoding="utf-8"
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "code.py").write_text("1\n")
    (tmp_path / "recipes").mkdir()
    results = tmp_path / "recipes" / "results.jsonl"
    results.write_text("")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    commit = git("rev-parse", "--short", "HEAD")
    assert git_commit() == commit
    results.write_text("changed\n")
    assert git_commit([results]) == commit
    assert git_commit() == commit + "-dirty"
    monkeypatch.chdir(tmp_path / "recipes")
    assert git_commit(["results.jsonl"]) == commit
    (tmp_path / "code.py").write_text("2\n")
    assert git_commit(["results.jsonl"]) == commit + "-dirty"


def test_a_test_set_is_known_by_its_name():
    assert all(map(is_test_set, ("test.jsonl", "data/an4/test-clean.jsonl", "AN4_TEST.json")))
    assert not any(map(is_test_set, ("dev.jsonl", "test/dev.jsonl", "train.jsonl")))


def test_the_log_of_a_test_set_counts(tmp_path):
    for number in (1, 2, 3):
        assert log_evaluation(tmp_path / "test.jsonl", {"model": "é", "run": number}) == number
    log = (tmp_path / "test.evaluations.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["run"] for line in log] == [1, 2, 3]


def test_rows_that_are_added_at_the_same_time_are_all_there(tmp_path):
    results = tmp_path / "results.jsonl"
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as processes:
        list(processes.map(append_row, [results] * 12, [row(seed, 40) for seed in range(12)]))
    assert sorted(row["seed"] for row in read_rows(results)) == list(range(12))


def test_what_is_compared_in_another_way_is_another_row_and_table(tmp_path):
    results = tmp_path / "results.jsonl"
    for other in ({}, {"alignment": "sclite"}, {"normaliser": "english"}, {"decoding": "beam 64"}, {}):
        append_row(results, row(1, 40, **other))
    assert len(read_rows(results)) == 4
    assert render(read_rows(results)).count("One seed (n = 1)") == 4
