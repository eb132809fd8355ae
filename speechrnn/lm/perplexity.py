"""How well a language model foresees a text."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from speechrnn.lm.backoff import END, UNKNOWN
from speechrnn.lm.ngram import NgramModel

SENTENCES = 10_000  # scored at once: a few megabytes


@dataclass
class Fit:
    """What a text costs under a model.

    `words` are all running words, `unknown` those that the model does not know, by word in `unknown_words`: they are not
    scored. `log_prob` and `end_log_prob` are natural logarithms, of the known words and of the sentence ends. `hits[k]`
    scores, ends included, come from n-grams of k + 1 words.
    """

    sentences: int
    words: int
    unknown: int
    unknown_words: dict[str, int]
    log_prob: float
    end_log_prob: float
    hits: list[int]

    @property
    def perplexity(self) -> float:
        """Of the known words and the ends of sentences."""
        return float(np.exp(-(self.log_prob + self.end_log_prob) / (self.words - self.unknown + self.sentences)))

    @property
    def perplexity_without_ends(self) -> float:
        """Of the known words alone; NaN if there is none."""
        known = self.words - self.unknown
        return float(np.exp(-self.log_prob / known)) if known else float("nan")


def measure(model: NgramModel, sentences: Iterable[tuple[str, str]], normalise: Callable[[str], str]) -> Fit:
    """Score the sentences (where, text) of a text; those without a word are left out, and all of them may be."""
    fit = Fit(0, 0, 0, {}, 0.0, 0.0, [0] * model.order)
    batch: list[list[str]] = []
    for _, text in sentences:
        if words := normalise(text).split():
            batch.append(words)
        if len(batch) == SENTENCES:
            _add(fit, model, batch)
            batch = []
    if batch:
        _add(fit, model, batch)
    return fit


def _add(fit: Fit, model: NgramModel, sentences: list[list[str]]) -> None:
    """Score a batch, one word of every sentence at a time, the longest sentences first."""
    sentences.sort(key=len, reverse=True)
    lengths = np.array([len(words) for words in sentences])
    ids = np.full((len(sentences), lengths[0] + 1), END, np.int32)
    for row, words in zip(ids, sentences, strict=True):
        row[: len(words)] = model.indices(words)
        for word, id in zip(words, row, strict=False):
            if id == UNKNOWN:
                fit.unknown_words[word] = fit.unknown_words.get(word, 0) + 1
    states = np.full(len(sentences), model.start)
    for position in range(lengths[0] + 1):
        active = int((lengths >= position).sum())
        asked = ids[:active, position]
        used = model.lengths(states[:active], asked)
        scores, states = model.score(states[:active], asked)
        known, end = asked != UNKNOWN, lengths[:active] == position
        fit.log_prob += float(scores[known & ~end].sum(dtype=np.float64))
        fit.end_log_prob += float(scores[end].sum(dtype=np.float64))
        for length, hits in enumerate(np.bincount(used[known], minlength=model.order + 1)[1:].tolist()):
            fit.hits[length] += hits
    fit.sentences += len(sentences)
    fit.words += int(lengths.sum())
    fit.unknown = sum(fit.unknown_words.values())
