"""Intervals against every resample there is, by simulation of equal systems, and the matched pairs against NIST's sc_stats."""

import itertools
import random
import re
import subprocess
import tracemalloc
from statistics import NormalDist

import nist
import numpy as np
import pytest

from speechrnn.scoring import significance
from speechrnn.scoring.sclite import align_words_as_sclite
from speechrnn.scoring.significance import bootstrap, matched_pairs, paired_bootstrap, resampled, segments


def ends(interval):
    return interval.low, interval.high


@pytest.mark.parametrize("t, size", [(2.571, 6), (2.447, 7)])  # Student's t of 5 and 6 degrees of freedom, from a table
def test_the_interval_is_that_of_all_resamples(t, size):
    errors, words = np.array([0, 3, 5, 1, 9, 2, 4])[:size], np.array([7, 9, 30, 4, 18, 11, 8])[:size]
    draws = np.array(list(itertools.product(range(size), repeat=size)))
    rates = 100 * errors[draws].sum(axis=1) / words[draws].sum(axis=1)
    share = NormalDist().cdf(-t * (size / (size - 1)) ** 0.5)
    expected = np.quantile(rates, [share, 1 - share])
    assert ends(bootstrap(errors, words, resamples=200_000)) == pytest.approx(expected, rel=0.02)


def test_of_many_utterances_it_is_the_plain_percentile_interval():
    rng = np.random.default_rng(3)
    errors, other, words = rng.poisson(1.0, 2703), rng.poisson(0.95, 2703), rng.integers(1, 40, 2703)
    rates = []
    for _ in range(4000):
        drawn = rng.integers(2703, size=2703)
        rates.append([100 * each[drawn].sum() / words[drawn].sum() for each in (errors, other - errors)])
    low, high = np.quantile(rates, [0.025, 0.975], axis=0)
    assert ends(bootstrap(errors, words)) == pytest.approx((low[0], high[0]), abs=0.05 * (high - low)[0])
    difference = paired_bootstrap(errors, other, words)
    assert ends(difference.interval) == pytest.approx((low[1], high[1]), abs=0.05 * (high - low)[1])
    assert difference.improvement == pytest.approx(np.mean(np.array(rates)[:, 1] < 0), abs=0.03)


def test_a_speaker_is_drawn_with_all_utterances():
    rng = np.random.default_rng(4)
    speakers = rng.permutation(np.arange(60) % 12)
    errors, other, words = rng.poisson(2.0, 60), rng.poisson(1.0, 60), rng.integers(5, 30, 60)
    one, two, length = (np.bincount(speakers, each) for each in (errors, other, words))
    names = [f"speaker {speaker:02}" for speaker in speakers]
    assert bootstrap(errors, words, names) == bootstrap(one, length)
    assert paired_bootstrap(errors, other, words, names) == paired_bootstrap(one, two, length)


def test_too_few_to_draw_from_have_no_interval():
    assert bootstrap([1], [9]) is None and bootstrap([], []) is None
    assert bootstrap([1, 2, 3, 4, 5], [9] * 5) is None
    assert bootstrap([1, 2] * 20, [9] * 40, ["a", "b", "c", "d"] * 10) is None
    assert bootstrap([1] * 9, [0] * 9) is None  # no word: no rate
    assert paired_bootstrap([1] * 40, [2] * 40, [9] * 40, ["one speaker"] * 40) is None
    assert ends(bootstrap([1] * 6, [10] * 6)) == (10.0, 10.0)


def test_utterances_without_a_word():
    low, high = ends(bootstrap([1] * 6 + [0] * 40, [2, 2, 2, 3, 3, 3] + [0] * 40))  # 16 of the draws hold no word
    assert (low, high) == pytest.approx((100 / 3, 50))


def test_seeds_and_blocks(monkeypatch):
    units = np.random.default_rng(5).integers(0, 9, (3, 50)).astype(float)
    whole = resampled(units, 1000, seed=7)
    assert whole.shape == (3, 1000) and not np.array_equal(whole, resampled(units, 1000, seed=8))
    monkeypatch.setattr(significance, "BLOCK", 333)
    assert np.array_equal(whole, resampled(units, 1000, seed=7))


def test_the_difference_of_two_systems():
    rng = np.random.default_rng(6)
    first, words = rng.poisson(3.0, 80), rng.integers(5, 30, 80)
    second = np.maximum(0, first - (rng.random(80) < 0.3))
    there, back = paired_bootstrap(first, second, words), paired_bootstrap(second, first, words)
    assert there.points == pytest.approx(100 * (second.sum() - first.sum()) / words.sum()) and there.points < 0
    assert there.relative == pytest.approx(100 * (second.sum() / first.sum() - 1))
    assert there.interval.low < there.points < there.interval.high < 0 and there.is_significant
    assert (there.first, there.second) == (bootstrap(first, words), bootstrap(second, words))
    assert there.relative_interval.low < there.relative < there.relative_interval.high < 0
    assert (there.improvement, back.improvement) == (1, 0) and 0 < there.p < 0.001
    assert (back.points, back.p) == pytest.approx((-there.points, there.p))
    assert ends(back.interval) == pytest.approx((-there.interval.high, -there.interval.low))


def test_the_same_system_twice():
    same = paired_bootstrap([1, 0, 2, 0, 1, 0, 3], [1, 0, 2, 0, 1, 0, 3], [9] * 7)
    assert (same.points, ends(same.interval), same.improvement, same.p) == (0, (0, 0), 0.5, 1.0)
    assert not same.is_significant


@pytest.mark.parametrize("spoken, known", [(1, False), (5, False), (6, True)])
def test_units_without_a_word_are_none_to_draw_from(spoken, known):
    words = [4] * spoken + [0] * 20
    errors, none = [1] * spoken + [0] * 20, [0] * (spoken + 20)
    speakers = [str(i) for i in range(spoken + 20)]
    for groups in (None, speakers):
        assert (bootstrap(errors, words, groups) is not None) == known
        assert (paired_bootstrap(errors, none, words, groups) is not None) == known


def test_nothing_is_relative_to_no_error():
    none = paired_bootstrap([0] * 9, [1] * 9, [5] * 9)
    assert (none.points, none.relative, none.relative_interval) == (20, None, None)
    seldom = paired_bootstrap([1] + [0] * 8, [1] * 9, [5] * 9)  # some resamples hold no error of the first
    assert seldom.relative == pytest.approx(800) and seldom.relative_interval is None


def equal_systems(rng, speakers, utterances, spread):
    """Errors of two systems that are equally good but not for each speaker, words, and speakers, of a set of utterances."""
    speaker = np.repeat(np.arange(speakers), utterances)
    words = rng.integers(3, 20, len(speaker))
    level = -2 + 3 * spread * rng.standard_normal(speakers)
    favour = spread * rng.standard_normal(speakers)
    hardness = 0.5 * rng.standard_normal(len(speaker))
    said = np.arange(20) < words[:, None]
    errors = []
    for sign in (1, -1):
        chance = 1 / (1 + np.exp(-(level + sign * favour)[speaker] - hardness))
        errors.append(((rng.random(said.shape) < chance[:, None]) & said).sum(axis=1))
    return *errors, words, speaker


def shares(trials, speakers, utterances, spread, by_speaker, resamples):
    """Of sets of utterances of two equal systems: the intervals that hold the true rate, and the differences that are found."""
    rng = np.random.default_rng(11)
    many = [equal_systems(rng, 200, 50, spread) for _ in range(30)]
    truth = 100 * sum(each[0].sum() for each in many) / sum(each[2].sum() for each in many)
    held = found = 0
    for seed in range(trials):
        first, second, words, speaker = equal_systems(rng, speakers, utterances, spread)
        groups = speaker if by_speaker else None
        low, high = ends(bootstrap(first, words, groups, resamples, seed))
        held += low <= truth <= high
        found += paired_bootstrap(first, second, words, groups, resamples, seed).is_significant
    return held / trials, found / trials


@pytest.mark.parametrize("spread, by_speaker", [(0, False), (0.2, True)])
def test_intervals_hold_the_truth_and_chance_is_seldom_taken_for_a_difference(spread, by_speaker):
    held, found = shares(400, 10, 12, spread, by_speaker, 1000)
    assert 0.91 <= held <= 0.98 and 0.02 <= found <= 0.085


@pytest.mark.slow
@pytest.mark.parametrize(
    "speakers, spread, by_speaker, least, most",
    [
        (10, 0, False, 0.94, 0.06),
        (6, 0, True, 0.92, 0.07),
        (8, 0.2, True, 0.90, 0.08),
        (20, 0.2, True, 0.92, 0.065),
        (40, 0.2, True, 0.93, 0.06),
    ],
)
def test_intervals_by_a_larger_simulation(speakers, spread, by_speaker, least, most):
    held, found = shares(4000, speakers, 15, spread, by_speaker, 2000)
    assert least <= held <= 0.965 and 0.03 <= found <= most


@pytest.mark.slow
def test_utterances_for_speakers_would_be_surer_than_one_may_be():
    held, found = shares(1000, 20, 15, 0.2, False, 1000)
    assert held < 0.75 and found > 0.2


def marks(text):
    """An alignment: a right word `.`, substituted `s`, deleted `d`, an insertion `i`."""
    kinds = {".": ("w", "w"), "s": ("w", "x"), "d": ("w", None), "i": (None, "x")}
    return [kinds[mark] for mark in text]


@pytest.mark.parametrize(
    "first, second, expected",
    [
        ("........", "........", []),
        ("..s.....", "........", [(1, 0)]),
        ("..s..s..", "........", [(1, 0), (1, 0)]),  # two right words part them
        ("..s.s...", "........", [(2, 0)]),  # one does not
        ("..s.....", ".....d..", [(1, 0), (0, 1)]),
        ("..s.....", "....d...", [(1, 1)]),
        ("..s.i...", ".......", [(2, 0)]),  # the word before an insertion and that after it do not follow each other
        ("s..", "...i", [(1, 0), (0, 1)]),
        ("...i", "s..", [(0, 1), (1, 0)]),
        ("i", "", [(1, 0)]),
        ("", "ii", [(0, 2)]),
        ("i.dd", "s.", None),
    ],
)
def test_segments(first, second, expected):
    if expected is None:
        with pytest.raises(ValueError):
            list(segments([marks(first)], [marks(second)]))
    else:
        assert list(segments([marks(first)], [marks(second)])) == expected


def test_matched_pairs_by_hand():
    first, second = [marks("s..s...s..")], [marks("...ss..s..")]  # segments (1, 0), (1, 2), (1, 1)
    found = matched_pairs(first, second)
    assert (found.segments, found.mean, found.deviation, found.z, found.p) == (3, 0, 1, 0, 1)
    found = matched_pairs([marks("...s..s..s..d...")], [marks("...s............")])  # 0, -1, -1, -1
    assert (found.mean, found.deviation, found.z) == pytest.approx((-0.75, 0.5, -3)) and found.p == pytest.approx(
        0.0027, abs=1e-5
    )
    nothing = matched_pairs([marks("s.......")], [marks("........")])
    assert (nothing.segments, nothing.mean, nothing.z, nothing.p) == (1, -1, None, None)
    assert matched_pairs([], []).segments == 0


def garbled(words, rng, rate):
    heard = []
    for word in words:
        chance = rng.random() / rate
        heard += [] if chance < 0.2 else [rng.choice("abcdefg")] if chance < 0.7 else [word]
        if 0.7 < chance < 1:
            heard.append(rng.choice("abcdefg"))
    return heard


@pytest.mark.parametrize("seed, rates", [(1, (0.3, 0.2)), (2, (0.05, 0.05)), (3, (0.6, 0.6))])
def test_matched_pairs_are_those_of_nists_sc_stats(tmp_path, seed, rates):
    *way, _ = nist.command()
    rng = random.Random(seed)
    said = [[rng.choice("abcdefghijkl") for _ in range(rng.randint(1, 20))] for _ in range(150)]
    heard = [[garbled(words, rng, rate) for words in said] for rate in rates]
    for name, texts in zip(("ref", "A", "B"), (said, *heard), strict=True):
        lines = (f"{' '.join(words)} (s{n % 7}_{n:03})\n" for n, words in enumerate(texts))
        (tmp_path / name).write_text("".join(lines))
    sgml = [nist.run("-i", "wsj", "-r", tmp_path / "ref", "trn", "-h", tmp_path / name, "trn") for name in "BA"]
    done = subprocess.run(
        [*way, "sc_stats", "-p", "-t", "mapsswe", "-v", "-n", "-"],
        input="\n".join(sgml),
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    (line,) = re.findall("MTCH_PR_RESULTS.*", done.stdout)
    printed = re.findall(r"\((# segs|mean|std dev|Z Stat): *([-.\d]+)\)", line)
    ours = matched_pairs(
        *(align_words_as_sclite(list(map(" ".join, said)), list(map(" ".join, texts))) for texts in heard)
    )
    assert printed == [
        ("# segs", str(ours.segments)),
        ("mean", f"{ours.mean:.3f}"),
        ("std dev", f"{ours.deviation:.3f}"),
        ("Z Stat", f"{ours.z:.3f}"),
    ]
    assert ("Stat Diff: Yes" in line) == (ours.p < 0.05)


def test_matched_pairs_seldom_take_chance_for_a_difference():
    rng = np.random.default_rng(12)
    found = 0
    for _ in range(400):
        wrong = rng.random((2, 40, 12)) < 0.1
        alignments = [[["s" if each else "." for each in row] for row in system] for system in wrong]
        test = matched_pairs(*([marks(row) for row in system] for system in alignments))
        found += test.p < 0.05
    assert 0.025 <= found / 400 <= 0.08


def test_memory_is_bounded():
    units = np.ones((3, 100_000))
    tracemalloc.start()
    try:
        resampled(units, 50)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
