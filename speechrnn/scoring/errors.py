"""Word, character and sentence errors: the Levenshtein alignment of references and hypotheses, counted as Kaldi counts.

The alignment is jiwer's: the fewest insertions, deletions and substitutions, each of cost 1 (Kaldi's compute-wer counts
the same number of errors; where several alignments are equally short, the split into the three kinds may differ).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from speechrnn.text import normaliser

# One aligned pair of tokens: (reference, hypothesis); None stands for an insertion or a deletion.
Pair = tuple[str | None, str | None]


@dataclass(frozen=True)
class ErrorCounts:
    """Edit operations that turn references into hypotheses, and `reference`: the number of reference tokens."""

    insertions: int = 0
    deletions: int = 0
    substitutions: int = 0
    reference: int = 0

    @property
    def errors(self) -> int:
        """Insertions, deletions and substitutions together."""
        return self.insertions + self.deletions + self.substitutions

    @property
    def rate(self) -> float | None:
        """Errors per reference token in percent; None where there is no reference token to divide by."""
        return 100 * self.errors / self.reference if self.reference else None

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.substitutions + other.substitutions,
            self.reference + other.reference,
        )

    def line(self, name: str = "WER") -> str:
        """Kaldi's line, `%WER 5.95 [ 46 / 773, 3 ins, 3 del, 40 sub ]`; the rate is `n/a` for an empty reference."""
        return (
            f"%{name} {percent(self.rate)} [ {self.errors} / {self.reference}, "
            f"{self.insertions} ins, {self.deletions} del, {self.substitutions} sub ]"
        )


def percent(rate: float | None) -> str:
    """A percentage with two decimals, or `n/a`."""
    return "n/a" if rate is None else f"{rate:.2f}"


def align_words(references: Sequence[str], hypotheses: Sequence[str]) -> list[list[Pair]]:
    """Align each hypothesis with its reference, word by word. Words are what white space separates."""
    from jiwer import process_words

    return _align(process_words, references, hypotheses)


def align_characters(references: Sequence[str], hypotheses: Sequence[str]) -> list[list[Pair]]:
    """Align each hypothesis with its reference by code points. One space between words counts, as in jiwer's CER."""
    from jiwer import process_characters

    return _align(process_characters, references, hypotheses)


def _align(process, references: Sequence[str], hypotheses: Sequence[str]) -> list[list[Pair]]:
    if len(references) != len(hypotheses):
        raise ValueError(f"expected as many hypotheses as references, found {len(hypotheses)} and {len(references)}")
    if not references:  # jiwer turns no utterance into one empty utterance
        return []
    # With single spaces and nothing around them, jiwer's own transforms have nothing left to change.
    output = process([" ".join(text.split()) for text in references], [" ".join(text.split()) for text in hypotheses])
    alignments = []
    for reference, hypothesis, chunks in zip(output.references, output.hypotheses, output.alignments, strict=True):
        pairs: list[Pair] = []
        for chunk in chunks:
            ours = reference[chunk.ref_start_idx : chunk.ref_end_idx]
            theirs = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
            if chunk.type == "delete":
                pairs += [(token, None) for token in ours]
            elif chunk.type == "insert":
                pairs += [(None, token) for token in theirs]
            else:
                pairs += zip(ours, theirs, strict=True)
        alignments.append(pairs)
    return alignments


def count(alignment: Sequence[Pair]) -> ErrorCounts:
    """The errors in one alignment."""
    return ErrorCounts(
        insertions=sum(reference is None for reference, _ in alignment),
        deletions=sum(hypothesis is None for _, hypothesis in alignment),
        substitutions=sum(None not in pair and pair[0] != pair[1] for pair in alignment),
        reference=sum(reference is not None for reference, _ in alignment),
    )


def marked(alignment: Sequence[Pair]) -> str:
    """The reference with its errors in icefall's marks: `(EDISON->ADDISON)`, inserted `(*->X)`, deleted `(X->*)`."""
    return " ".join(
        reference if reference == hypothesis else f"({reference or '*'}->{hypothesis or '*'})"
        for reference, hypothesis in alignment
    )


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """The word errors of each utterance; `sum(counts, ErrorCounts())` is the total. Texts are compared as they are."""
    return [count(alignment) for alignment in align_words(references, hypotheses)]


def character_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """The character errors of each utterance, the spaces between words included. Texts are compared as they are."""
    return [count(alignment) for alignment in align_characters(references, hypotheses)]


@dataclass(frozen=True)
class UtteranceScore:
    """One utterance: its texts before normalising (`hypothesis` None: there was none), its errors after it."""

    id: str
    reference: str
    hypothesis: str | None
    aligned: str
    words: ErrorCounts
    characters: ErrorCounts


@dataclass(frozen=True)
class Score:
    """The scored utterances of a set, and the name of the normaliser that both texts went through."""

    normaliser: str
    utterances: list[UtteranceScore]

    @property
    def words(self) -> ErrorCounts:
        return sum((utterance.words for utterance in self.utterances), ErrorCounts())

    @property
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
        """Kaldi's lines for words, characters and sentences, and the normaliser: a line each."""
        wrong, total = self.wrong_sentences, len(self.utterances)
        return (
            f"{self.words.line('WER')}\n{self.characters.line('CER')}\n"
            f"%SER {percent(100 * wrong / total if total else None)} [ {wrong} / {total} ]\n"
            f"normaliser: {self.normaliser}\n"
        )

    def details(self) -> str:
        """One JSON line an utterance: id, texts as they were given, the marked alignment, and the error counts."""
        return "".join(
            json.dumps({**asdict(utterance), "normaliser": self.normaliser}, ensure_ascii=False) + "\n"
            for utterance in self.utterances
        )


def score(references: Mapping[str, str], hypotheses: Mapping[str, str], normaliser_name: str) -> Score:
    """Score hypotheses against references, both by utterance id, after the named normaliser.

    Every reference scores: one without a hypothesis as if nothing had been recognised. A hypothesis without a reference
    does not score; the caller tells of it.

    Raises:
        InputError: there is no normaliser of that name.
    """
    normalise = normaliser(normaliser_name)
    wanted = [normalise(text) for text in references.values()]
    found = [normalise(hypotheses.get(id, "")) for id in references]
    by_words, by_characters = align_words(wanted, found), character_errors(wanted, found)
    utterances = [
        UtteranceScore(id, text, hypotheses.get(id), marked(alignment), count(alignment), characters)
        for (id, text), alignment, characters in zip(references.items(), by_words, by_characters, strict=True)
    ]
    return Score(normaliser_name, utterances)
