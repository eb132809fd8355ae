"""Say whether system B is better than system A on the same utterances, and how sure that is.

A and B are details files (of `speechrnn evaluate --details` or `speechrnn score --details`) or, with --references, hypotheses in
any form that `speechrnn score` reads. Both must be of the same utterances with the same references. docs/significance.md
explains the numbers; the last part names the words and utterances on which B gains and loses most.

  speechrnn compare greedy.jsonl beam.jsonl
  speechrnn compare --references test.jsonl a.txt b.ctm
  speechrnn compare --normaliser english --alignment sclite a.jsonl b.jsonl
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from speechrnn.cli import positive
from speechrnn.cli.score import add_how, named, recorded_how
from speechrnn.errors import InputError
from speechrnn.scoring.errors import marked, percent
from speechrnn.scoring.score import Score, UtteranceScore, read_details, score
from speechrnn.scoring.significance import (
    FEWEST,
    RESAMPLES,
    Difference,
    Interval,
    matched_pairs,
    paired_bootstrap,
)
from speechrnn.scoring.texts import Reference, read_pair
from speechrnn.text import normaliser_label

MOST_RESAMPLES = 1_000_000  # a minute for a thousand utterances
FEWEST_RESAMPLES = 100  # of one draw, the interval would be a point, and every difference significant
SHOWN = 10  # words, and utterances, each way: what one reads
Both = list[tuple[UtteranceScore, UtteranceScore]]  # each utterance by A and by B


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help="the details or hypotheses of one system")
    parser.add_argument("second", metavar="B", help="those of the other")
    parser.add_argument("--references", metavar="REF", help="what was said, if A and B are hypotheses")
    add_how(parser, "that of A and B, else raw", "that of A and B, else kaldi")
    parser.add_argument(
        "--resamples",
        type=positive,
        default=RESAMPLES,
        metavar="N",
        help=f"how often utterances and speakers are drawn: {FEWEST_RESAMPLES} or more (default: {RESAMPLES:,})",
    )
    parser.add_argument("--seed", type=positive, default=1, metavar="N", help="of the draws (default: 1)")


def run(args: argparse.Namespace) -> int:
    if not FEWEST_RESAMPLES <= args.resamples <= MOST_RESAMPLES:
        limits = f"{FEWEST_RESAMPLES} to {MOST_RESAMPLES:,}"
        raise InputError(f"--resamples: expected {limits}, found {args.resamples}")
    first, second = _scores(args)
    both = _paired(args, first, second)
    print(f"A: {args.first}", first.words.line(), f"B: {args.second}", second.words.line(), sep="\n")
    print(f"normaliser: {normaliser_label(first.normaliser)}", f"alignment: {first.alignment}", sep="\n", end="\n\n")
    _significance(both, args.resamples, args.seed)
    _words(both)
    _utterances(both)
    return 0


def _scores(args: argparse.Namespace) -> list[Score]:
    """Both scores, with the same normaliser and alignment; what lacks in them is told."""
    names = (args.first, args.second)
    details = [] if args.references else [_details(name) for name in names]
    pairs = [read_pair(args.references, name) for name in names] if args.references else []
    recorded: list[str | None] = [each.normaliser for each in details]
    recorded = recorded or [recorded_how(name).get("normaliser") for name in names]
    normaliser = args.normaliser or _agreed(names, recorded, "--normaliser") or "raw"
    alignment = args.alignment or _agreed(names, [each.alignment for each in details], "--alignment") or "kaldi"
    scores = [_again(each, normaliser, alignment) for each in details]
    scores += [score(references, hypotheses, normaliser, alignment) for references, hypotheses in pairs]
    for name, result in zip(names, scores, strict=True):
        if len(result.missing) == len(result.utterances):
            expected = result.utterances[0].id
            raise InputError(f"{name}: expected hypotheses of utterances such as {expected!r}, found none")
        for ids, what in (
            (result.missing, "have no hypothesis, all their words count as deleted"),
            (result.extra, "have no reference and do not score"),
        ):
            if ids:
                told = f"{name}: {len(ids)} utterances {what}: {named(list(ids))}"
                print(f"speechrnn compare: warning: {told}", file=sys.stderr)
    return scores


def _details(name: str) -> Score:
    try:
        return read_details(name)
    except InputError as error:
        raise InputError(f"{error}; hypotheses in another form need --references") from None


def _again(details: Score, normaliser: str, alignment: str) -> Score:
    if (details.normaliser, details.alignment) == (normaliser, alignment):
        return details
    references = {each.id: Reference(each.reference, each.speaker, each.duration) for each in details.utterances}
    hypotheses = {each.id: each.hypothesis for each in details.utterances if each.hypothesis is not None}
    return score(references, hypotheses, normaliser, alignment)


def _agreed(names: Sequence[str], recorded: Sequence[str | None], option: str) -> str | None:
    """What both files say that they were scored with; None if neither says anything."""
    said = [(name, how) for name, how in zip(names, recorded, strict=False) if how]
    if len({how for _, how in said}) > 1:
        (one, ours), (other, theirs) = said
        raise InputError(f"{one} was scored with {ours}, {other} with {theirs}: {option} says which both shall have")
    return said[0][1] if said else None


def _paired(args: argparse.Namespace, first: Score, second: Score) -> Both:
    """The utterances of both, in the order of A. Only what has the same utterances and references can be compared."""
    theirs = {utterance.id: utterance for utterance in second.utterances}
    ours = {utterance.id for utterance in first.utterances}
    for ids, name, other in (
        ([utterance.id for utterance in first.utterances if utterance.id not in theirs], args.first, args.second),
        ([id for id in theirs if id not in ours], args.second, args.first),
    ):
        if ids:
            raise InputError(f"{name} has {len(ids)} utterances that {other} lacks, expected the same: {named(ids)}")
    both = [(utterance, theirs[utterance.id]) for utterance in first.utterances]
    different = [one.id for one, other in both if _said(one) != _said(other)]
    if different:
        raise InputError(
            f"{args.first} and {args.second} differ in {len(different)} references, expected the same: {named(different)}"
        )
    return both


def _said(utterance: UtteranceScore) -> list[str]:
    """The words of the reference, normalised."""
    return [word for word, _ in utterance.alignment if word is not None]


def _significance(both: Both, resamples: int, seed: int) -> None:
    first, second = ([pair[side].words.errors for pair in both] for side in (0, 1))
    words = [utterance.words.reference for utterance, _ in both]
    speakers = [one.speaker or other.speaker for one, other in both]
    number = len(set(speakers)) if all(speakers) else 0
    columns: list[tuple[str, list[str] | None]] = [(f"{len(both)} utterances", None)]
    if number >= FEWEST:
        columns.append((f"{number} speakers", speakers))
    differences = [paired_bootstrap(first, second, words, groups, resamples, seed) for _, groups in columns]
    _row("95 % intervals by", "", [name for name, _ in columns])
    for name, errors, intervals in (
        ("A, WER %", first, [each.first if each else None for each in differences]),
        ("B, WER %", second, [each.second if each else None for each in differences]),
    ):
        rate = percent(100 * sum(errors) / sum(words) if sum(words) else None)
        _row(name, rate, [_span(interval, ".2f") for interval in intervals])
    if known := next(filter(None, differences), None):
        spans = [_span(each.interval if each else None, "+.2f") for each in differences]
        _row("B - A, points", f"{known.points:+.2f}", spans)
        if known.relative is not None:
            spans = [_span(each.relative_interval if each else None, "+.1f") for each in differences]
            _row("B - A, % of A's", f"{known.relative:+.1f}", spans)
        shares = [f"{100 * each.improvement:.1f} % of draws" if each else "n/a" for each in differences]
        _row("B is better in", "", shares)
    test = matched_pairs([one.alignment for one, _ in both], [other.alignment for _, other in both])
    z, p = ("n/a" if value is None else format(value, form) for value, form in ((test.z, ".3f"), (test.p, ".3g")))
    print(
        f"MAPSSWE: {test.segments} segments, B - A {test.mean:+.3f} errors a segment, standard deviation {test.deviation:.3f}, "
        f"Z {z}, p {p}\n\n{_conclusion(differences[-1], columns[-1][0])}\n{_basis(number)}"
    )


def _row(name: str, value: str, cells: Sequence[str]) -> None:
    print(f"{name:18}{value:>8}" + "".join(f"{cell:>22}" for cell in cells))


def _span(interval: Interval | None, form: str) -> str:
    return f"{interval.low:{form}} to {interval.high:{form}}" if interval else "n/a"


def _conclusion(difference: Difference | None, drawn: str) -> str:
    if difference is None:
        return f"whether B is better cannot be told from {drawn}: {FEWEST} with words in them are the least"
    interval = difference.interval
    if not difference.is_significant:
        return (
            "no difference can be told apart from chance: "
            f"B - A is {difference.points:+.2f} points (95 %: {_span(interval, '+.2f')}, by {drawn})"
        )
    better, ends = (
        ("B", (-interval.high, -interval.low)) if difference.points < 0 else ("A", (interval.low, interval.high))
    )
    return (
        f"{better} is better: {abs(difference.points):.2f} points fewer (95 %: {_span(Interval(*ends), '.2f')}, by {drawn}); "
        f"were both equally good, chance would part them so clearly in {_chance(difference.p)} of cases"
    )


def _chance(p: float) -> str:
    return f"{100 * p:.1f} %" if p >= 0.001 else "less than 0.1 %"


def _basis(speakers: int) -> str:
    if speakers >= FEWEST:
        return "(It rests on the speakers: a speaker's utterances are not independent of each other.)"
    why = f"{speakers} are too few to draw from" if speakers else "not every utterance names its speaker"
    return f"(It rests on the utterances, as if no two were of one speaker, which makes it look surer: {why}.)"


def _words(both: Both) -> None:
    """The words with the largest changes. A word's errors: it was missed, taken for another, or inserted."""
    said = Counter(word for one, _ in both for word in _said(one))
    errors, other_errors = (
        Counter(ours or theirs or "" for pair in both for ours, theirs in pair[side].alignment if ours != theirs)
        for side in (0, 1)
    )
    changes = {word: other_errors[word] - errors[word] for word in errors | other_errors}
    for title, sign in (("gains", 1), ("loses", -1)):
        most = sorted((sign * change, word) for word, change in changes.items() if sign * change < 0)[:SHOWN]
        if most:
            print(f"\nwords on which B {title} most      said  A: errors  B: errors")
        for _, word in most:
            print(f"{word:30}{said[word]:8}{errors[word]:13}{other_errors[word]:13}")


def _utterances(both: Both) -> None:
    """The utterances with the largest changes, as both heard them."""
    changes = [(other.words.errors - one.words.errors, one, other) for one, other in both]
    for title, sign in (("gains", 1), ("loses", -1)):
        changes.sort(key=lambda change: sign * change[0])  # the same ones in the order of the files
        most = [change for change in changes[:SHOWN] if sign * change[0] < 0]
        if most:
            print(f"\nutterances on which B {title} most")
        for _, one, other in most:
            print(f"{one.id}, errors: A {one.words.errors}, B {other.words.errors}")
            print(f"  A: {marked(one.alignment)}\n  B: {marked(other.alignment)}")
