"""Words and their pronunciations cut into graphones, a letter and the phones it stands for: the first half of a joint-sequence
model (Bisani and Ney 2008, "Joint-sequence models for grapheme-to-phoneme conversion", Speech Communication 50).

A letter has 0, 1 or 2 phones: in CHECKS, C|CH H| E|EH C| K|K S|S. Which, EM finds from the dictionary alone. Two letters as one
graphone were tried and are no better: the n-gram over graphones learns that a silent H follows on C|CH.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from speechrnn.lm.backoff import END, SPECIAL, START
from speechrnn.lm.ngram_counts import Text

MOST_PHONES = 2  # of a letter: X is K S. Words with more, all abbreviations in English, are left out
ITERATIONS = 8  # of EM: the likelihood of the 126,000 words of cmudict rises by 0.2 % in the last
# A graphone with less than this share of its letter's is a slip of the alignment or of the dictionary. Without them the search
# takes half the time and finds no less.
RARE = 1e-4
SEPARATOR = "|"  # between a letter and its phones, in the names of graphones: what a model's words can never hold


def graphone_text(pronunciations: Sequence[tuple[str, Sequence[str]]]) -> Text:
    """The most likely graphones of each pronunciation, as a text: a sentence a pronunciation, a word a graphone.

    Args:
        pronunciations: (word, phones) pairs. Those that cannot be aligned, or only with a rare graphone, are left out.
    """
    letters = sorted({letter for word, _ in pronunciations for letter in word})
    phones = sorted({phone for _, sequence in pronunciations for phone in sequence})
    graphones, groups = _groups(pronunciations, letters, phones)
    shares = _estimate(groups, len(graphones))
    best = [_best(group, shares) for group in groups]
    chunks = 1 + len(phones) + len(phones) ** 2
    letter = graphones // chunks
    counts = np.bincount(
        np.concatenate([row.ravel() for row in best] or [np.zeros(0)]).astype(int), minlength=len(graphones)
    )
    kept = counts >= np.maximum(RARE * np.bincount(letter, counts)[letter], 1) if len(letter) else counts > 0
    ids = np.cumsum(kept) - 1 + len(SPECIAL)
    names = [_name(code, letters, phones) for code in graphones[kept].tolist()]
    sentences = [ids[row[kept[row].all(axis=1)]] for row in best]
    marked = [np.pad(ids, ((0, 0), (1, 1)), constant_values=((0, 0), (START, END))).ravel() for ids in sentences]
    return Text([*SPECIAL, *names], np.concatenate(marked or [np.zeros(0)]).astype(np.int32))


def _name(code: int, letters: Sequence[str], phones: Sequence[str]) -> str:
    """Such as "X|K|S", and "E|" for a silent letter."""
    size = len(phones)
    letter, chunk = divmod(code, 1 + size + size**2)
    if chunk == 0:
        own = [""]
    elif chunk <= size:
        own = [phones[chunk - 1]]
    else:
        own = [phones[place] for place in divmod(chunk - 1 - size, size)]
    return SEPARATOR.join([letters[letter], *own])


def _groups(
    pronunciations: Sequence[tuple[str, Sequence[str]]], letters: Sequence[str], phones: Sequence[str]
) -> tuple[np.ndarray, list[list[np.ndarray]]]:
    """The lattices of all alignments, those of as many letters and as many phones together.

    Returns:
        the graphones (n,) that any alignment may use, as codes; and for each group, for 0, 1, 2 phones a letter, the indices of
        graphones (letters, phones + 1 - k, words): what letter i has if k phones from j on are its own.
    """
    letter_ids = {letter: i for i, letter in enumerate(letters)}
    phone_ids = {phone: i for i, phone in enumerate(phones)}
    by_size = defaultdict(list)
    for word, sequence in pronunciations:
        if 0 < len(sequence) <= MOST_PHONES * len(word):
            by_size[len(word), len(sequence)].append((word, sequence))
    size = len(phones)
    chunks = 1 + size + size**2
    groups = []
    for _, members in sorted(by_size.items()):
        spelled = np.array([[letter_ids[letter] for letter in word] for word, _ in members], np.int64).T
        spoken = np.array([[phone_ids[phone] for phone in sequence] for _, sequence in members], np.int64).T
        none = np.zeros((len(spoken) + 1, len(members)), np.int64)
        own = [none, 1 + spoken, 1 + size + spoken[:-1] * size + spoken[1:]]
        groups.append([spelled[:, None] * chunks + chunk for chunk in own])
    seen = np.zeros(len(letters) * chunks, bool)
    for arcs in groups:
        for codes in arcs:
            seen[codes] = True
    index = (np.cumsum(seen) - 1).astype(np.int32)
    return np.flatnonzero(seen), [[index[codes] for codes in arcs] for arcs in groups]


def _estimate(groups: Sequence[Sequence[np.ndarray]], size: int) -> np.ndarray:
    """The probabilities (size,) of graphones, each alone, that make the dictionary most likely: EM from equal ones."""
    shares = np.full(size, 1 / max(size, 1))
    for _ in range(ITERATIONS):
        counts = np.zeros(size)
        for arcs in groups:
            weights = [shares[graphones] for graphones in arcs]
            spelled, spoken, words = len(arcs[0]), arcs[0].shape[1] - 1, arcs[0].shape[2]
            before = np.zeros(
                (spelled + 1, spoken + 1, words)
            )  # the probability of the alignments up to (letter, phone)
            after = np.zeros_like(before)
            before[0, 0] = after[-1, -1] = 1
            for i in range(spelled):
                for k, weight in enumerate(weights):
                    before[i + 1, k:] += before[i, : spoken + 1 - k] * weight[i]
            for i in reversed(range(spelled)):
                for k, weight in enumerate(weights):
                    after[i, : spoken + 1 - k] += after[i + 1, k:] * weight[i]
            total = before[-1, -1]
            scale = np.divide(
                1, total, where=total > 0, out=np.zeros_like(total)
            )  # 0: no double holds so long a word's
            for k, (graphones, weight) in enumerate(zip(arcs, weights, strict=True)):
                expected = before[:-1, : spoken + 1 - k] * weight * after[1:, k:] * scale
                counts += np.bincount(graphones.ravel(), expected.ravel(), size)
        shares = counts / max(counts.sum(), 1)
    return shares


def _best(arcs: Sequence[np.ndarray], shares: np.ndarray) -> np.ndarray:
    """The most likely graphones (words, letters) of a group's words."""
    spelled, spoken, words = len(arcs[0]), arcs[0].shape[1] - 1, arcs[0].shape[2]
    log_shares = np.log(np.maximum(shares, np.finfo(float).tiny))
    score = np.full((spelled + 1, spoken + 1, words), -np.inf)
    score[0, 0] = 0
    taken = np.zeros(score.shape, np.int8)  # how many phones the letter before has
    for i in range(spelled):
        for k, graphones in enumerate(arcs):
            new = score[i, : spoken + 1 - k] + log_shares[graphones[i]]
            better = new > score[i + 1, k:]
            score[i + 1, k:][better] = new[better]
            taken[i + 1, k:][better] = k
    result = np.empty((words, spelled), np.int32)
    word, at = np.arange(words), np.full(words, spoken)
    for i in reversed(range(spelled)):
        k = taken[i + 1, at, word]
        at = at - k
        for phones, graphones in enumerate(arcs):
            own = k == phones
            result[own, i] = graphones[i, at[own], word[own]]
    return result
