"""Word and character errors: the Levenshtein alignment of references and hypotheses, counted as Kaldi and jiwer count.

The alignment is of the fewest insertions, deletions and substitutions, each of cost 1, by rapidfuzz, which jiwer uses, too.
Kaldi's compute-wer counts the same number of errors; where several alignments are equally short, the split into the three
kinds may differ from Kaldi's, not from jiwer's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# One aligned pair of tokens: (reference, hypothesis); None stands for an insertion or a deletion.
Pair = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
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

    @property
    def match_error_rate(self) -> float | None:
        """Errors per aligned pair in percent, never above 100 (MER: Morris et al. 2004); None where there is no pair."""
        return 100 * self.errors / (self.reference + self.insertions) if self.reference + self.insertions else None

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.substitutions + other.substitutions,
            self.reference + other.reference,
        )

    def to_dict(self) -> dict[str, int]:
        """The fields by name (dataclasses.asdict takes eight times as long)."""
        return {name: getattr(self, name) for name in self.__slots__}

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
    from rapidfuzz.distance import Levenshtein

    alignments = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        wanted, found = reference.split(), hypothesis.split()
        pairs: list[Pair] = []
        for kind, start, end, other_start, other_end in Levenshtein.opcodes(wanted, found).as_list():
            ours, theirs = wanted[start:end], found[other_start:other_end]
            if kind == "delete":
                pairs += [(word, None) for word in ours]
            elif kind == "insert":
                pairs += [(None, word) for word in theirs]
            else:
                pairs += zip(ours, theirs, strict=True)
        alignments.append(pairs)
    return alignments


def count(alignment: Sequence[Pair]) -> ErrorCounts:
    """The errors in one alignment."""
    insertions = deletions = substitutions = 0
    for reference, hypothesis in alignment:
        if reference != hypothesis:
            if reference is None:
                insertions += 1
            elif hypothesis is None:
                deletions += 1
            else:
                substitutions += 1
    return ErrorCounts(insertions, deletions, substitutions, len(alignment) - insertions)


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
    """The character errors (code points) of each utterance. One space between words counts, as in jiwer's CER."""
    from rapidfuzz.distance import Levenshtein

    counts = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        wanted, found = " ".join(reference.split()), " ".join(hypothesis.split())
        kinds = [kind for kind, _, _ in Levenshtein.editops(wanted, found).as_list()]
        counts.append(ErrorCounts(kinds.count("insert"), kinds.count("delete"), kinds.count("replace"), len(wanted)))
    return counts
