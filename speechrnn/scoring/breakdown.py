"""Where the errors of a score are: by word, speaker, length, duration and confidence."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf

import numpy as np

from speechrnn.alignment.confidence import Bin, reliability
from speechrnn.scoring.errors import ErrorCounts, Pair, align_words, percent
from speechrnn.scoring.score import Score, UtteranceScore
from speechrnn.text import scoring_normaliser

LENGTHS = (1, 6, 11, 21, 31, 41)  # reference words with which a group begins: LibriSpeech falls into all but the first
SECONDS = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0)  # durations with which a group begins
CONFIDENCES = tuple(i / 10 for i in range(1, 10))  # mean confidences with which a group begins
SHOWN_WORDS, SHOWN_SPEAKERS = 15, 20  # rows of the printed tables: a screen
WIDTHS = (30, 12, 12, 20)  # of the printed word lists: 80 columns with what stands between them


@dataclass(frozen=True)
class WordErrors:
    """How often each word was confused with another (reference, hypothesis), inserted, deleted, and said.

    `said` holds the words of the references, and `missed` how often they were deleted or taken for another.
    """

    confusions: Counter[tuple[str, str]]
    inserted: Counter[str]
    deleted: Counter[str]
    missed: Counter[str]
    said: Counter[str]


@dataclass(frozen=True, slots=True)
class Group:
    """Utterances that have something in common: how many there are, how many hold an error, and their word errors.

    Of a group by a number, that number is from `low` to below `high`, which is infinite for the last.
    """

    name: str
    utterances: int
    wrong: int
    words: ErrorCounts
    low: float = 0.0
    high: float = inf


@dataclass(frozen=True)
class Judged:
    """The recognised words whose confidence can be judged: `confidences` and `right`, both (words,).

    `left_out` counts the others: those that the normaliser joined with their neighbours or split in another way.
    """

    confidences: np.ndarray
    right: np.ndarray
    left_out: int

    def reliability(self) -> list[Bin]:
        """The words by confidence in ten bins, those that are empty left out."""
        return reliability(self.confidences, self.right) if len(self.right) else []


def word_errors(score: Score) -> WordErrors:
    """The errors of each word, in the order of their first appearance, so that `most_common` breaks ties by it."""
    errors = WordErrors(Counter(), Counter(), Counter(), Counter(), Counter())
    for reference, hypothesis in (pair for utterance in score.utterances for pair in utterance.alignment):
        if reference is None:
            assert hypothesis is not None  # a pair has a word on one side at least
            errors.inserted[hypothesis] += 1
            continue
        errors.said[reference] += 1
        if reference == hypothesis:
            continue
        errors.missed[reference] += 1
        if hypothesis is None:
            errors.deleted[reference] += 1
        else:
            errors.confusions[reference, hypothesis] += 1
    return errors


def by_speaker(score: Score) -> list[Group]:
    """A group a speaker, the highest word error rate first; none where no utterance names its speaker."""
    named = [utterance for utterance in score.utterances if utterance.speaker]
    groups = [_group(name, own) for name, own in _collected(named, lambda utterance: utterance.speaker).items()]
    return sorted(groups, key=lambda each: (-(each.words.rate or 0.0), each.name))


def by_length(score: Score) -> list[Group]:
    """Groups by the number of words that were said, short ones first."""
    names = [f"{a}-{b - 1}" for a, b in zip((0, *LENGTHS), LENGTHS, strict=False)]
    return _in_ranges(
        score.utterances, LENGTHS, ["0", *names[1:], f"{LENGTHS[-1]}+"], lambda each: each.words.reference
    )


def by_duration(score: Score) -> list[Group]:
    """Groups by seconds, short ones first, of the utterances whose duration is known."""
    names = [f"{a:g}-{b:g} s" for a, b in zip((0, *SECONDS), SECONDS, strict=False)]
    return _in_ranges(score.utterances, SECONDS, [*names, f"{SECONDS[-1]:g}+ s"], lambda each: each.duration)


def by_confidence(score: Score) -> list[Group]:
    """Groups by the mean confidence of the recognised words, doubtful ones first, of the utterances where it is known."""
    edges = (0.0, *CONFIDENCES, 1.0)
    names = [f"{a:.1f}-{b:.1f}" for a, b in zip(edges, edges[1:], strict=False)]
    return _in_ranges(score.utterances, CONFIDENCES, names, confidence)


def confidence(utterance: UtteranceScore) -> float | None:
    """The mean confidence of its recognised words; None without any."""
    words = utterance.recognised
    return sum(word.confidence for word in words) / len(words) if words else None


def _group(name: str, utterances: Sequence[UtteranceScore], low: float = 0.0, high: float = inf) -> Group:
    words = sum((utterance.words for utterance in utterances), ErrorCounts())
    wrong = sum(utterance.words.errors > 0 for utterance in utterances)
    return Group(name, len(utterances), wrong, words, low, high)


def _collected(utterances: Iterable[UtteranceScore], key: Callable) -> dict:
    found: dict = {}
    for utterance in utterances:
        found.setdefault(key(utterance), []).append(utterance)
    return found


def _in_ranges(
    utterances: Sequence[UtteranceScore],
    edges: Sequence[float],
    names: Sequence[str],
    value: Callable[[UtteranceScore], float | None],
) -> list[Group]:
    groups: dict[int, list[UtteranceScore]] = {}
    for utterance in utterances:
        if (found := value(utterance)) is not None:
            groups.setdefault(bisect_right(edges, found), []).append(utterance)
    ends = (0.0, *edges, inf)
    return [_group(names[i], groups[i], ends[i], ends[i + 1]) for i in sorted(groups)]


def judged(score: Score) -> Judged:
    """The confidence of every recognised word, and whether the word is right, after the score's normaliser."""
    verdict = judge(score.normaliser)
    confidences, right, left_out = [], [], 0
    for utterance in score.utterances:
        recognised = utterance.recognised or ()
        heard = [pair for pair in utterance.alignment if pair[1] is not None]
        for word, is_right in zip(recognised, verdict([w.text for w in recognised], heard, 1), strict=True):
            if is_right is None:
                left_out += 1
            else:
                confidences.append(word.confidence)
                right.append(is_right)
    return Judged(np.array(confidences), np.array(right, bool), left_out)


def judge(normaliser: str) -> Callable[[Sequence[str], Sequence[Pair], int], list[bool | None]]:
    """What tells which of the words of a text, as they were before the normaliser, are right.

    It takes the written words, the pairs in which the words of the normalised text stand, and which of a pair they are (0 the
    reference, 1 the hypothesis). A word is right if all that it became is; None where that cannot be told, for a normaliser
    may leave nothing of a word, or make another one of several (`twenty one` -> `21`).
    """
    normalise = scoring_normaliser(normaliser)

    @cache
    def pieces(word: str) -> list[str]:
        return normalise(word).split()

    def verdict(written: Sequence[str], pairs: Sequence[Pair], side: int) -> list[bool | None]:
        alone = [(piece, i) for i, word in enumerate(written) for piece in pieces(word)]
        places = _common([piece for piece, _ in alone], [pair[side] or "" for pair in pairs])
        verdicts: list[bool | None] = [None] * len(written)
        unknown = {i for (_, i), place in zip(alone, places, strict=True) if place is None}
        for (_, i), place in zip(alone, places, strict=True):
            if place is not None and i not in unknown:
                verdicts[i] = verdicts[i] is not False and pairs[place][0] == pairs[place][1]
        return verdicts

    return verdict


def _common(ours: Sequence[str], theirs: Sequence[str]) -> list[int | None]:
    """For each of our words its place among theirs; None where the two differ."""
    if list(ours) == list(theirs):
        return list(range(len(ours)))
    places: list[int | None] = []
    place = 0
    for own, other in align_words([" ".join(theirs)], [" ".join(ours)])[0]:
        if other is not None:
            places.append(place if own == other else None)
        place += own is not None
    return places


def tables(score: Score) -> str:
    """The breakdown as text of at most 80 columns: word lists, speakers, lengths, durations, confidences."""
    parts = [_word_table(word_errors(score))]
    for title, groups in (
        ("speaker", by_speaker(score)),
        ("words said", by_length(score)),
        ("duration", by_duration(score)),
        ("confidence", by_confidence(score)),
    ):
        if groups:
            parts.append(_group_table(title, groups))
    if bins := judged(score).reliability():
        parts.append(_reliability_table(bins))
    return "\n".join(parts)


def _word_table(errors: WordErrors) -> str:
    columns = [
        [f"{n:5} {reference} -> {found}" for (reference, found), n in errors.confusions.most_common(SHOWN_WORDS)],
        [f"{n:4} {word}" for word, n in errors.inserted.most_common(SHOWN_WORDS)],
        [f"{n:4} {word}" for word, n in errors.deleted.most_common(SHOWN_WORDS)],
        [f"{n:4}/{errors.said[word]} {word}" for word, n in errors.missed.most_common(SHOWN_WORDS)],
    ]
    rows = [["confused", "inserted", "deleted", "missed/said"]]
    for i in range(max(map(len, columns))):
        rows.append([column[i] if i < len(column) else "" for column in columns])
    return "".join("  ".join(map(_fitted, row, WIDTHS)).rstrip() + "\n" for row in rows)


def _group_table(title: str, groups: Sequence[Group]) -> str:
    rows = [[title, "utterances", "wrong", "words", "WER %", "ins", "del", "sub"]]
    for each in groups[:SHOWN_SPEAKERS]:
        words, counts = each.words, (each.words.insertions, each.words.deletions, each.words.substitutions)
        rows.append(
            [
                each.name,
                *map(str, (each.utterances, each.wrong, words.reference)),
                percent(words.rate),
                *map(str, counts),
            ]
        )
    more = len(groups) - SHOWN_SPEAKERS
    return "".join(_numbers(row) for row in rows) + (f"and {more} more\n" if more > 0 else "")


def _reliability_table(bins: Sequence[Bin]) -> str:
    rows = [["confidence of a word", "words", "mean", "right"]]
    rows += [[f"{b.low:.1f}-{b.high:.1f}", str(b.words), f"{b.confidence:.3f}", f"{b.right:.3f}"] for b in bins]
    return "".join(_numbers(row) for row in rows)


def _numbers(row: Sequence[str]) -> str:
    """A name and numbers of up to seven digits: the widest table takes 20 + 2 + 58 columns."""
    widths = (10, 7, 9, 8, 8, 8, 8)
    return _fitted(row[0], 20) + "  " + "".join(c.rjust(w) for c, w in zip(row[1:], widths, strict=False)) + "\n"


def _fitted(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 3] + "..."
