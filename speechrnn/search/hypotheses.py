"""What is left at the end of a search, as texts."""

import numpy as np

from speechrnn.search.hotwords import Hotwords
from speechrnn.search.lexicon import ROOT
from speechrnn.search.prefixes import Prefixes
from speechrnn.search.word_scores import WordScores
from speechrnn.text import Tokenizer
from speechrnn.transcript import Hypothesis

SPELLINGS = 8  # more are looked at than are wanted: some may be other spellings of one text


def hypotheses(
    prefixes: Prefixes,
    prefix: np.ndarray,
    acoustic: np.ndarray,
    word_scores: WordScores,
    hotwords: Hotwords | None,
    tokenizer: Tokenizer,
    nbest: int | None,
) -> list[Hypothesis]:
    """The texts of one utterance's prefixes (n,) with acoustic scores (n,), best first. Equal texts become one.

    The last words end here, and the text with them. In a closed vocabulary, prefixes in the middle of a word fall away; if no
    other is left, their last words do.
    """
    lexicon, ends = word_scores.lexicon, prefixes.word_ends
    node = prefixes.node.take(prefix)
    open_word = (lexicon.word_count.take(node) > 0).nonzero()[0]
    whole = (node == ROOT).nonzero()[0] if lexicon.has_words else np.arange(len(prefix))
    first, count = word_scores.ends(prefixes, prefix.take(open_word))
    slot = open_word.repeat(count)
    end = (first - (count.cumsum() - count)).repeat(count) + np.arange(len(slot))
    slot, end = np.concatenate([whole, slot]), np.concatenate([np.full(len(whole), -1), end])
    unfinished = not len(slot)
    if unfinished:
        slot, end = np.arange(len(prefix)), np.full(len(prefix), -1)

    prefix, acoustic, ended = prefix.take(slot), acoustic.take(slot), end >= 0
    at_end = word_scores.end_of_text(np.where(ended, ends.state.take(end), prefixes.state.take(prefix)))
    language = prefixes.language.take(prefix) + np.where(ended, ends.language.take(end), 0.0) + at_end
    bonus = prefixes.bonus.take(prefix) + np.where(ended, ends.bonus.take(end), 0.0) + word_scores.lm_weight * at_end
    if hotwords:
        after = hotwords.follow(prefixes.hot.take(prefix), np.full(len(prefix), lexicon.boundary))
        bonus += np.where(ended, hotwords.earned.take(after), 0.0)

    if (
        nbest and lexicon.boundary is not None and not unfinished
    ):  # a word ended by a boundary or by the end is the same text: spell few
        base = np.where(ended, prefix, prefixes.parent.take(prefix))
        choice = np.where(ended, end - prefixes.first_end.take(prefix), prefixes.choice.take(prefix))
        _, first, group = np.unique(np.stack([base, choice]), axis=1, return_index=True, return_inverse=True)
        merged = np.full(len(first), -np.inf)
        np.logaddexp.at(merged, group.ravel(), acoustic)
        best = np.argsort(-(merged + bonus[first]))[: nbest + SPELLINGS]
        acoustic = merged[best]
        prefix, end, language, bonus = (each[first[best]] for each in (prefix, end, language, bonus))
    paths = prefixes.paths(prefix)[::-1]
    grown = paths >= 0
    all_tokens, all_words = prefixes.token.take(paths), prefixes.word.take(paths)
    found: dict[str, Hypothesis] = {}
    for i, (last, log_prob, lm, worth) in enumerate(zip(end, acoustic, language, bonus, strict=True)):
        tokens = _whole(all_tokens[grown[:, i], i].tolist(), lexicon.boundary, unfinished)
        if lexicon.is_open:
            text = tokenizer.decode(tokens)
        else:
            words = all_words[grown[:, i] & (all_words[:, i] >= 0), i].tolist()
            text = " ".join([lexicon.words[word] for word in [*words, *ends.word[last : last + (last >= 0)]]])
        if same := found.get(text):
            tokens = tokens if log_prob + worth > same.score else list(same.tokens)
            log_prob = np.logaddexp(log_prob, same.acoustic)
        found[text] = Hypothesis(text, tuple(tokens), float(log_prob + worth), float(log_prob), float(lm))
    return sorted(found.values(), key=lambda hypothesis: -hypothesis.score)[:nbest]


def _whole(tokens: list[int], boundary: int | None, unfinished: bool) -> list[int]:
    """The tokens without a boundary at their end; an unfinished last word is left out."""
    if boundary is not None:
        while unfinished and tokens and tokens[-1] != boundary:
            tokens.pop()
        while tokens and tokens[-1] == boundary:
            tokens.pop()
    return tokens
