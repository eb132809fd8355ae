"""The score of a set of utterances: every text, its alignment and its errors, and what is printed and written of them."""

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import inf

from speechrnn.errors import InputError
from speechrnn.files import read_json_lines
from speechrnn.scoring.errors import ErrorCounts, Pair, align_words, character_errors, count, marked, percent
from speechrnn.scoring.sclite import align_words_as_sclite
from speechrnn.scoring.significance import Interval, bootstrap
from speechrnn.scoring.texts import Reference, entry_of_json
from speechrnn.text import normaliser_label, scoring_normaliser
from speechrnn.transcript import Word

# How words are aligned: with the fewest errors, as Kaldi and jiwer do, or as NIST's sclite does.
ALIGNMENTS: dict[str, Callable[[Sequence[str], Sequence[str]], list[list[Pair]]]] = {
    "kaldi": align_words,
    "sclite": align_words_as_sclite,
}
KEYS = {"id", "reference", "hypothesis", "normaliser"}  # what every line of a details file has
DETAILS_LINE = "a line of a details file, as `speechrnn evaluate --details` and `speechrnn score --details` write it"
RESAMPLES = 1000  # with the seed, an end of an interval moves by 2 % of its width; 100,000 utterances take a second


@dataclass(frozen=True, slots=True)
class UtteranceScore:
    """One utterance: its texts before normalising (`hypothesis` None: there was none), alignment and errors after it.

    `duration` is in seconds; `recognised` are the words with their times and confidences. Both are None where not known.
    """

    id: str
    reference: str
    hypothesis: str | None
    alignment: tuple[Pair, ...]
    words: ErrorCounts
    characters: ErrorCounts
    speaker: str = ""
    duration: float | None = None
    recognised: tuple[Word, ...] | None = None


@dataclass(frozen=True)
class Score:
    """The scored utterances of a set, the normaliser that both texts went through and how their words were aligned.

    `extra` are the hypotheses, by id, that have no reference: they do not score.
    """

    normaliser: str
    alignment: str
    utterances: list[UtteranceScore]
    extra: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def words(self) -> ErrorCounts:
        return sum((utterance.words for utterance in self.utterances), ErrorCounts())

    @cached_property
    def characters(self) -> ErrorCounts:
        return sum((utterance.characters for utterance in self.utterances), ErrorCounts())

    @property
    def wrong_sentences(self) -> int:
        """Utterances with at least one word error."""
        return sum(utterance.words.errors > 0 for utterance in self.utterances)

    @property
    def missing(self) -> list[str]:
        """The ids of the utterances that had no hypothesis; all their words count as deleted."""
        return [utterance.id for utterance in self.utterances if utterance.hypothesis is None]

    def report(self) -> str:
        """Kaldi's lines for words, characters and sentences, the match error rate, intervals, normaliser and alignment."""
        wrong, total, words = self.wrong_sentences, len(self.utterances), self.words
        return (
            f"{words.line('WER')}\n{self.characters.line('CER')}\n"
            f"%SER {percent(100 * wrong / total if total else None)} [ {wrong} / {total} ]\n"
            f"%MER {percent(words.match_error_rate)} [ {words.errors} / {words.reference + words.insertions} ]\n"
            f"{self._intervals()}normaliser: {normaliser_label(self.normaliser)}\nalignment: {self.alignment}\n"
        )

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The bootstrap intervals of the word error rate, at 95 %: over `utterances`, and over `speakers` if all are known.

        A unit of which there are too few for an interval is left out.
        """
        errors = [utterance.words.errors for utterance in self.utterances]
        reference = [utterance.words.reference for utterance in self.utterances]
        speakers = [utterance.speaker for utterance in self.utterances]
        found = {"utterances": bootstrap(errors, reference, resamples=RESAMPLES)}
        if all(speakers):
            found["speakers"] = bootstrap(errors, reference, speakers, resamples=RESAMPLES)
        return {unit: interval for unit, interval in found.items() if interval is not None}

    def _intervals(self) -> str:
        units = {"utterances": len(self.utterances), "speakers": len({u.speaker for u in self.utterances})}
        return "".join(
            f"95 % interval of WER over {units[unit]} {unit}: {percent(interval.low)} to {percent(interval.high)}\n"
            for unit, interval in self.intervals.items()
        )

    def details(self) -> str:
        """One JSON line an utterance: id, texts as they were given, the marked alignment, the error counts and what is known
        of its speaker, duration and recognised words. `read_details` makes the score of it again."""
        how = {"normaliser": self.normaliser, "alignment": self.alignment}
        rows = map(_row, self.utterances)
        extra = ({"id": id, "reference": None, "hypothesis": text} for id, text in self.extra.items())
        return "".join(json.dumps(row | how, ensure_ascii=False) + "\n" for row in itertools.chain(rows, extra))


def _row(utterance: UtteranceScore) -> dict:
    row: dict = {"id": utterance.id}
    if utterance.speaker:
        row["speaker"] = utterance.speaker
    if utterance.duration is not None:
        row["duration"] = utterance.duration
    row["reference"] = utterance.reference
    row["hypothesis"] = utterance.hypothesis
    row["aligned"] = marked(utterance.alignment)
    row["words"] = utterance.words.to_dict()
    row["characters"] = utterance.characters.to_dict()
    if utterance.recognised is not None:
        row["recognised"] = [asdict(word) for word in utterance.recognised]
    return row


def score(
    references: Mapping[str, Reference],
    hypotheses: Mapping[str, str],
    normaliser: str,
    alignment: str = "kaldi",
    recognised: Mapping[str, tuple[Word, ...]] | None = None,
) -> Score:
    """Score hypotheses against references, both by utterance id, after the named normaliser.

    Every reference scores: one without a hypothesis as if nothing had been recognised. A hypothesis without a reference
    does not score: it stands in `extra`.

    Args:
        alignment: how words are aligned, one of `ALIGNMENTS`.
        recognised: the words of hypotheses with their times and confidences, where known; they are only kept.

    Raises:
        InputError: there is no normaliser of that name.
    """
    normalise = scoring_normaliser(normaliser)
    wanted = [normalise(reference.text) for reference in references.values()]
    found = [normalise(hypotheses.get(id, "")) for id in references]
    utterances = [
        UtteranceScore(
            id,
            reference.text,
            hypotheses.get(id),
            tuple(pairs),
            count(pairs),
            characters,
            reference.speaker,
            reference.duration,
            (recognised or {}).get(id),
        )
        for (id, reference), pairs, characters in zip(
            references.items(), ALIGNMENTS[alignment](wanted, found), character_errors(wanted, found), strict=True
        )
    ]
    return Score(
        normaliser, alignment, utterances, {id: text for id, text in hypotheses.items() if id not in references}
    )


def read_details(path: str | os.PathLike) -> Score:
    """The score that a details file holds (`speechrnn evaluate --details`), made again from its texts.

    Raises:
        InputError: it cannot be read, or it is not a details file.
    """
    references: dict[str, Reference] = {}
    hypotheses: dict[str, str] = {}
    recognised: dict[str, tuple[Word, ...]] = {}
    hows = set()
    for where, line, row in read_json_lines(path, "a details file", line_is=DETAILS_LINE):
        try:
            if not KEYS <= set(row):
                raise KeyError
            how = (row["normaliser"], row.get("alignment", "kaldi"))
            if not all(isinstance(name, str) for name in how):
                raise InputError(f"{where}: expected the names of a normaliser and an alignment, found {how}")
            hows.add(how)
            _, id, said = entry_of_json(where, row, "reference")
            *_, heard = entry_of_json(where, row, "hypothesis")
            if id in references or id in hypotheses:
                raise InputError(f"{where}: the id {id!r} stands on more than one line")
            if said is not None:
                references[id] = said
            if heard is not None:
                hypotheses[id] = heard.text
            if row.get("recognised") is not None:
                recognised[id] = tuple(_word(where, **word) for word in row["recognised"])
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{where}: expected {DETAILS_LINE}, found {line[:60]!r}") from None
    if len(hows) != 1:
        found = "; ".join(" and ".join(how) for how in sorted(hows)) or "no utterance"
        raise InputError(f"{path}: expected utterances of one normaliser and one alignment, found {found}")
    if not references:
        raise InputError(f"{path}: expected references, found none")
    ((normaliser, alignment),) = hows
    if alignment not in ALIGNMENTS:
        raise InputError(f"{path}: expected an alignment of {' or '.join(ALIGNMENTS)}, found {alignment!r}")
    return score(references, hypotheses, normaliser, alignment, recognised)


def _word(where: str, text: str, start: float, end: float, confidence: float) -> Word:
    word = Word(text, start, end, confidence)
    if not isinstance(text, str) or not 0 <= start <= end < inf or not 0 <= confidence <= 1.000001:  # it may be rounded
        raise InputError(
            f"{where}: expected 'recognised' words with a text, a start, an end not before it in seconds, and a confidence "
            f"of 0 to 1, found {word}"
        )
    return word
