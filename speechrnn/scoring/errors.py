"""Word and character errors: the Levenshtein alignment of references and hypotheses, by jiwer.

The alignment is of the fewest insertions, deletions and substitutions, each of cost 1.
Kaldi's compute-wer counts the same number of errors; where several alignments are equally short, the split into the three
kinds may differ from Kaldi's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jiwer import AlignmentChunk

# One aligned pair of tokens: (reference, hypothesis); None stands for an insertion or a deletion.
Pair = tuple[str | None, str | None]


BATCH = 1000  # utterances in a call of jiwer, which holds a string for each character


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
    from jiwer import process_words

    alignments = []
    for wanted, found, chunks in _processed(process_words, references, hypotheses):
        pairs: list[Pair] = []
        for chunk in chunks:
            ours = wanted[chunk.ref_start_idx : chunk.ref_end_idx]
            theirs = found[chunk.hyp_start_idx : chunk.hyp_end_idx]
            pairs += zip_longest(ours, theirs)  # one is empty for an insertion or a deletion
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
        reference if reference is not None and reference == hypothesis else f"({reference or '*'}->{hypothesis or '*'})"
        for reference, hypothesis in alignment
    )


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """The word errors of each utterance; `sum(counts, ErrorCounts())` is the total. Texts are compared as they are."""
    from jiwer import process_words

    return [_counts(*each) for each in _processed(process_words, references, hypotheses)]


def character_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """The character errors (code points) of each utterance. One space between words counts, as in jiwer's CER."""
    from jiwer import process_characters

    return [_counts(*each) for each in _processed(process_characters, references, hypotheses)]


def _processed(
    process: Callable, references: Sequence[str], hypotheses: Sequence[str]
) -> Iterator[tuple[list[str], list[str], list["AlignmentChunk"]]]:
    """The tokens of each reference and hypothesis, and how jiwer aligns them."""
    if len(references) != len(hypotheses):
        raise ValueError(f"expected a hypothesis for each of {len(references)} references, found {len(hypotheses)}")
    for start in range(0, len(references), BATCH):
        texts = references[start : start + BATCH], hypotheses[start : start + BATCH]
        # jiwer separates words at the space alone
        output = process(*([" ".join(text.split()) for text in each] for each in texts))
        yield from zip(output.references, output.hypotheses, output.alignments, strict=True)


def _counts(wanted: Sequence[str], found: Sequence[str], chunks: Sequence["AlignmentChunk"]) -> ErrorCounts:
    substitutions = sum(chunk.ref_end_idx - chunk.ref_start_idx for chunk in chunks if chunk.type == "substitute")
    deletions = sum(chunk.ref_end_idx - chunk.ref_start_idx for chunk in chunks if chunk.type == "delete")
    return ErrorCounts(len(found) - len(wanted) + deletions, deletions, substitutions, len(wanted))
