"""The word alignment of NIST's sclite: a substitution costs 4, an insertion or a deletion 3, a correct word nothing.

Weighed so, a deletion beside an insertion (6) is never better than a substitution (4), but four of them (12) are as good as
three substitutions: the cost alone does not fix the counts. Where several alignments cost the same, sclite's choice is made
here as well: looking back from the end of both texts, a pair of words (equal or not) is taken before an insertion, and an
insertion before a deletion (SCTK's documentation: github.com/usnistgov/SCTK, doc/sclite.htm; the order is its program's).

Words are compared as they are, as `sclite -s` does, and every word is a plain one: `(word)`, `<word>`, `wor-`, `a/b` have no
meaning, as they have none for sclite without its options. What it gives a meaning to in any case (`{ a / b }`, `@`, `a;b`, `a*`)
is refused where such files are read and written: speechrnn.scoring.segments.plain.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from speechrnn.scoring.errors import Pair

SUBSTITUTION = 4
GAP = 3  # an insertion or a deletion
BLOCK = 1 << 22  # cells that are aligned at once, a byte each; of the costs, only two rows of them are kept

# The last step on the cheapest way to a cell
DELETE, INSERT, PAIR, BEGIN = range(4)
NO_WORD = -1
DOWN, RIGHT = np.array([1, 0, 1, 0]), np.array([0, 1, 1, 0])  # by step, reference and hypothesis words that it takes


def align_words_as_sclite(references: Sequence[str], hypotheses: Sequence[str]) -> list[list[Pair]]:
    """Align each hypothesis with its reference, word by word, as sclite does. Words are what white space separates.

    Time and memory grow with the product of a pair's lengths: texts of 10,000 words take 100 MB and seconds.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"expected as many hypotheses as references, found {len(hypotheses)} and {len(references)}")
    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__  # a new word gets the next number
    number_of = vocabulary.__getitem__
    ours = [list(map(number_of, text.split())) for text in references]
    theirs = [list(map(number_of, text.split())) for text in hypotheses]
    words = [*vocabulary, None]  # NO_WORD is the last
    correct: list[Pair] = [(word, word) for word in words]  # one tuple a word, however often it is right
    alignments: list[list[Pair]] = [[]] * len(ours)
    different = []
    for index, (reference, hypothesis) in enumerate(zip(ours, theirs, strict=True)):
        if reference == hypothesis:
            alignments[index] = [correct[number] for number in reference]
        else:
            different.append(index)
    different.sort(key=lambda index: (len(ours[index]), len(theirs[index])))
    for block in _blocks(different, ours, theirs):
        aligned = _align([ours[index] for index in block], [theirs[index] for index in block])
        for index, (reference, hypothesis) in zip(block, aligned, strict=True):
            pairs = zip(map(words.__getitem__, reference), map(words.__getitem__, hypothesis), strict=True)
            alignments[index] = list(pairs)
    return alignments


def _blocks(order: Sequence[int], ours: Sequence[list], theirs: Sequence[list]) -> Iterator[list[int]]:
    """The utterances, of like length, in groups that are padded and aligned together."""
    block: list[int] = []
    rows = columns = 0
    for index in order:
        rows, columns = max(rows, len(ours[index]) + 1), max(columns, len(theirs[index]) + 1)
        if block and rows * columns * (len(block) + 1) > BLOCK:
            yield block
            block, rows, columns = [], len(ours[index]) + 1, len(theirs[index]) + 1
        block.append(index)
    if block:
        yield block


def _align(references: Sequence[list[int]], hypotheses: Sequence[list[int]]) -> list[tuple[list[int], list[int]]]:
    """For each utterance the aligned word numbers of both sides, equally many, NO_WORD where a side has none."""
    ours, row = _padded(references)
    theirs, column = _padded(hypotheses)
    last = _last_steps(ours, theirs)
    utterances = np.arange(len(row))
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    steps = np.zeros(len(row), np.int64)
    while (row + column).any():  # from the ends of the texts to their beginnings, which lie at (0, 0)
        step = last[row, utterances, column]
        down, right = DOWN[step], RIGHT[step]
        sides[0].append(np.where(down, ours[utterances, row - 1], NO_WORD))
        sides[1].append(np.where(right, theirs[utterances, column - 1], NO_WORD))
        steps += step != BEGIN
        row, column = row - down, column - right
    aligned = [np.stack(side[::-1], axis=1) for side in sides]
    first = len(sides[0]) - steps
    return [(aligned[0][n, first[n] :].tolist(), aligned[1][n, first[n] :].tolist()) for n in utterances]


def _padded(texts: Sequence[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Word numbers (utterances, words, at least 1) int32, and how many of them are each text's own."""
    lengths = np.array([len(text) for text in texts])
    padded = np.zeros((len(texts), max(lengths.max(), 1)), np.int32)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = [number for text in texts for number in text]
    return padded, lengths


def _last_steps(references: np.ndarray, hypotheses: np.ndarray) -> np.ndarray:
    """The last step on the cheapest way to each cell: (reference words + 1, utterances, hypothesis words + 1) uint8."""
    (utterances, rows), columns = references.shape, hypotheses.shape[1]
    last = np.empty((rows + 1, utterances, columns + 1), np.uint8)
    last[0], last[:, :, 0], last[0, :, 0] = INSERT, DELETE, BEGIN
    type_ = np.int16 if GAP * (rows + columns) + SUBSTITUTION < np.iinfo(np.int16).max else np.int32
    inserted = np.arange(columns + 1, dtype=type_) * GAP
    above = np.repeat(inserted[None], utterances, axis=0)
    cost = np.empty_like(above)
    for row in range(1, rows + 1):
        wrong = references[:, row - 1, None] != hypotheses
        paired = above[:, :-1] + wrong * type_(SUBSTITUTION)
        cost[:, 0] = row * GAP
        np.minimum(paired, above[:, 1:] + type_(GAP), out=cost[:, 1:])
        # A cell may also be reached by insertions from any cell to its left: cost[j] = min over k <= j of cost[k] + GAP (j - k)
        cost -= inserted
        np.minimum.accumulate(cost, axis=1, out=cost)
        cost += inserted
        reached = np.where(cost[:, 1:] == cost[:, :-1] + type_(GAP), np.uint8(INSERT), np.uint8(DELETE))
        reached[cost[:, 1:] == paired] = PAIR
        last[row, :, 1:] = reached
        above, cost = cost, above
    return last
