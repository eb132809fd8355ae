"""`speechrnn compare` end to end: what it concludes, on what that rests, which words and utterances it names, what it refuses."""

import json
import random

import pytest

from speechrnn.cli import main
from speechrnn.scoring.score import score
from speechrnn.scoring.significance import bootstrap, matched_pairs, paired_bootstrap
from speechrnn.scoring.texts import Reference

WORDS = "one two three four five six seven eight nine ten".split()


def garbled(text, rng, rate):
    return " ".join(rng.choice(WORDS) if rng.random() < rate else word for word in text.split())


def made(rates=(0.3, 0.1), speakers=8, utterances=10, seed=1):
    """References of some speakers, and for each rate the hypotheses of a system that gets so many words wrong."""
    rng = random.Random(seed)
    references = {
        f"{speaker}-{n}": Reference(
            " ".join(rng.choices(WORDS, k=rng.randint(3, 12))), f"s{speaker}" if speakers else ""
        )
        for speaker in range(speakers or 1)
        for n in range(utterances)
    }
    return references, [{id: garbled(said.text, rng, rate) for id, said in references.items()} for rate in rates]


def write(path, references, hypotheses, normaliser="upper", alignment="kaldi"):
    result = score(references, hypotheses, normaliser, alignment)
    path.write_text(result.details(), encoding="utf-8")
    return result


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """Compare two files of the test's folder, whose names are the first two arguments; gives stdout's lines and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, status=0):
        assert main(["compare", *arguments]) == status
        out, err = capsys.readouterr()
        return out.splitlines(), err

    return run


def lines_of(path, texts):
    path.write_text("".join(f"{id} {text}\n" for id, text in texts.items()), encoding="utf-8")


def test_what_is_printed_is_what_significance_says(tmp_path, compare):
    references, hypotheses = made()
    a, b = (write(tmp_path / name, references, each) for name, each in zip("ab", hypotheses, strict=True))
    lines, err = compare("a", "b", "--resamples", "500", "--seed", "3")
    assert err == ""
    assert lines[:6] == ["A: a", a.words.line(), "B: b", b.words.line(), "normaliser: upper", "alignment: kaldi"]
    ours, theirs = ([each.words.errors for each in system.utterances] for system in (a, b))
    words = [each.words.reference for each in a.utterances]
    speakers = [each.speaker for each in a.utterances]
    table = {line[:18].strip(): line[18:] for line in lines[7:13]}
    assert table["95 % intervals by"].split("  ")[-1] == "8 speakers"
    for groups, half in ((None, slice(8, 30)), (speakers, slice(30, None))):
        for name, errors in (("A, WER %", ours), ("B, WER %", theirs)):
            interval = bootstrap(errors, words, groups, 500, 3)
            assert table[name][half].strip() == f"{interval.low:.2f} to {interval.high:.2f}"
        difference = paired_bootstrap(ours, theirs, words, groups, 500, 3)
        interval = difference.interval
        assert table["B - A, points"][half].strip() == f"{interval.low:+.2f} to {interval.high:+.2f}"
        assert table["B is better in"][half].strip() == f"{100 * difference.improvement:.1f} % of draws"
    assert float(table["B - A, points"][:8]) == pytest.approx(b.words.rate - a.words.rate, abs=0.005)
    assert float(table["B - A, % of A's"][:8]) == pytest.approx(100 * (b.words.rate / a.words.rate - 1), abs=0.05)
    test = matched_pairs(*([each.alignment for each in system.utterances] for system in (a, b)))
    assert lines[13].startswith(f"MAPSSWE: {test.segments} segments, B - A {test.mean:+.3f} errors a segment")
    assert lines[13].endswith(f"Z {test.z:.3f}, p {test.p:.3g}")
    assert lines[15] == (
        f"B is better: {-difference.points:.2f} points fewer "
        f"(95 %: {-interval.high:.2f} to {-interval.low:.2f}, by 8 speakers); "
        f"were both equally good, chance would part them so clearly in {100 * difference.p:.1f} % of cases"
    )


def conclusion(lines):
    return lines[15], lines[16]


def test_the_better_one_is_named_whichever_it_is(tmp_path, compare):
    references, (bad, good) = made()
    write(tmp_path / "bad", references, bad)
    write(tmp_path / "good", references, good)
    assert conclusion(compare("bad", "good")[0])[0].startswith("B is better: ")
    lines, _ = compare("good", "bad")
    assert conclusion(lines)[0].startswith("A is better: ")
    assert conclusion(lines)[1].startswith("(It rests on the speakers")
    for same in (compare("good", "good"), compare("bad", "bad")):
        assert conclusion(same[0])[0].startswith("no difference can be told apart from chance: B - A is +0.00 points")
        assert len(same[0]) == 17  # no word and no utterance changed


def test_a_gain_of_one_speaker_is_a_gain_of_that_speaker(tmp_path, compare):
    references, (bad, good) = made(speakers=8, utterances=20)
    mixed = {id: good[id] if references[id].speaker == "s3" else bad[id] for id in references}
    write(tmp_path / "a", references, bad)
    write(tmp_path / "b", references, mixed)
    lines, _ = compare("a", "b")
    utterances, speakers = lines[10][26:48].split(" to "), lines[10][48:].split(" to ")
    assert float(utterances[1]) < 0 <= float(speakers[1])
    assert conclusion(lines)[0].startswith("no difference can be told apart from chance: ")
    assert conclusion(lines)[0].endswith(", by 8 speakers)")


@pytest.mark.parametrize(
    "speakers, why", [(5, "5 are too few to draw from"), (0, "not every utterance names its speaker")]
)
def test_without_enough_speakers_it_rests_on_the_utterances(tmp_path, compare, speakers, why):
    references, hypotheses = made(speakers=speakers, utterances=40)
    for name, each in zip("ab", hypotheses, strict=True):
        write(tmp_path / name, references, each)
    lines, _ = compare("a", "b")
    assert lines[7].endswith("utterances") and f", by {len(references)} utterances);" in lines[15]
    assert lines[16].startswith("(It rests on the utterances") and lines[16].endswith(f"{why}.)")


def test_too_few_utterances(tmp_path, compare):
    lines_of(tmp_path / "ref", {"u1": "a b c", "u2": "d"})
    lines_of(tmp_path / "a", {"u1": "a c", "u2": "d"})
    lines, _ = compare("a", "ref", "--references", "ref")
    assert [line.split() for line in lines[8:10]] == [
        ["A,", "WER", "%", "25.00", "n/a"],
        ["B,", "WER", "%", "0.00", "n/a"],
    ]
    assert "whether B is better cannot be told from 2 utterances: 6 with words in them are the least" in lines


def test_words_and_utterances_that_changed(tmp_path, compare):
    lines_of(tmp_path / "ref", {"u1": "go to bed", "u2": "go now", "u3": "stay here", "u4": "so"})
    lines_of(tmp_path / "a", {"u1": "to bed bad", "u2": "no now", "u3": "stay here", "u4": "so"})
    lines_of(tmp_path / "b", {"u1": "go to bed", "u2": "go now", "u3": "stay here now sir", "u4": "so"})
    lines, _ = compare("a", "b", "--references", "ref")
    assert [line.split() for line in lines[lines.index("words on which B gains most      said  A: errors  B: errors") :]] == [
        "words on which B gains most said A: errors B: errors".split(),
        ["go", "2", "2", "0"],
        ["bad", "0", "1", "0"],
        [],
        "words on which B loses most said A: errors B: errors".split(),
        ["now", "1", "0", "1"],
        ["sir", "0", "0", "1"],
        [],
        "utterances on which B gains most".split(),
        ["u1,", "errors:", "A", "2,", "B", "0"],
        ["A:", "(go->*)", "to", "bed", "(*->bad)"],
        ["B:", "go", "to", "bed"],
        ["u2,", "errors:", "A", "1,", "B", "0"],
        ["A:", "(go->no)", "now"],
        ["B:", "go", "now"],
        [],
        "utterances on which B loses most".split(),
        ["u3,", "errors:", "A", "0,", "B", "2"],
        ["A:", "stay", "here"],
        ["B:", "stay", "here", "(*->now)", "(*->sir)"],
    ]  # fmt: skip


def test_hypotheses_in_two_forms_and_one_that_is_missing(tmp_path, compare):
    references, (bad, good) = made(utterances=3)
    manifest = "".join(
        json.dumps({"id": id, "audio_filepath": f"{id}.wav", "text": said.text, "speaker": said.speaker}) + "\n"
        for id, said in references.items()
    )
    (tmp_path / "test.jsonl").write_text(manifest)
    lines_of(tmp_path / "a.txt", bad | {"elsewhere": "more"})
    del good["5-1"]
    (tmp_path / "b.trn").write_text("".join(f"{text} ({id})\n" for id, text in reversed(good.items())))
    lines, err = compare("--references", "test.jsonl", "a.txt", "b.trn")
    assert lines[1] == score(references, bad, "raw").words.line()
    assert lines[3] == score(references, good, "raw").words.line()
    assert "normaliser: raw" in lines and lines[7].endswith("  8 speakers")
    extra, missing = err.splitlines()
    assert "a.txt: 1 utterances have no reference and do not score: elsewhere" in extra
    assert "b.trn: 1 utterances have no hypothesis, all their words count as deleted: 5-1" in missing


def test_too_few_draws_for_an_interval(tmp_path, compare):
    lines_of(tmp_path / "ref", {f"u{i}": "a b c" for i in range(8)})
    out, err = compare("ref", "ref", "--references", "ref", "--resamples", "99", status=1)
    assert not out and err == "speechrnn compare: --resamples: expected 100 to 1,000,000, found 99\n"


def test_details_in_another_order(tmp_path, compare):
    references, (bad, good) = made()
    write(tmp_path / "a", references, bad)
    write(tmp_path / "b", references, good)
    expected = compare("a", "b")
    rows = (tmp_path / "b").read_text().splitlines(keepends=True)
    (tmp_path / "b").write_text("".join(reversed(rows)))
    assert compare("a", "b") == expected


def test_another_normaliser_and_alignment_are_asked_for(tmp_path, compare):
    references, (bad, good) = made()
    write(tmp_path / "a", references, bad)
    write(tmp_path / "b", references, good, normaliser="raw")
    write(tmp_path / "c", references, good, alignment="sclite")
    _, err = compare("a", "b", status=1)
    assert err == "speechrnn compare: a was scored with upper, b with raw: --normaliser says which both shall have\n"
    _, err = compare("a", "c", status=1)
    assert err == "speechrnn compare: a was scored with kaldi, c with sclite: --alignment says which both shall have\n"
    lines, _ = compare("a", "b", "--normaliser", "raw", "--alignment", "sclite")
    assert lines[1] == score(references, bad, "raw", "sclite").words.line()
    assert lines[4:6] == ["normaliser: raw", "alignment: sclite"]


def test_what_cannot_be_compared_is_refused(tmp_path, compare):
    references, (bad, good) = made(utterances=2)
    write(tmp_path / "a", references, bad)
    write(tmp_path / "fewer", {id: said for id, said in references.items() if id not in ("2-1", "3-0")}, good)
    write(tmp_path / "other", references | {"4-1": Reference("something else", "s4")}, good)
    write(tmp_path / "none", references, {})
    lines_of(tmp_path / "text", good)
    lines_of(tmp_path / "strangers", {"x": "one"})
    assert compare("a", "fewer", status=1)[1].endswith(
        "a has 2 utterances that fewer lacks, expected the same: 2-1 3-0\n"
    )
    assert compare("fewer", "a", status=1)[1].endswith(
        "a has 2 utterances that fewer lacks, expected the same: 2-1 3-0\n"
    )
    assert compare("a", "other", status=1)[1].endswith("a and other differ in 1 references, expected the same: 4-1\n")
    assert "none: expected hypotheses of utterances such as '0-0', found none" in compare("a", "none", status=1)[1]
    found = compare("--references", "text", "text", "strangers", status=1)[1]
    assert "strangers: expected hypotheses of utterances such as '0-0', found none" in found
    found = compare("a", "text", status=1)[1]
    assert "text, line 1: expected a line of a details file" in found and found.endswith("need --references\n")
    assert "absent" in compare("a", "absent", status=1)[1]
