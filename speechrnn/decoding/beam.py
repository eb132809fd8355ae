"""CTC prefix beam search (Hannun et al., arXiv 1408.2873) in vectorised numpy, several utterances at a time.

What is searched for is the text with the highest

    log P(text | audio) + lm_weight * log P_lm(text) + word_bonus * words - unknown_penalty * unknown words + hotwords

where the first term is summed over all alignments of the text with the frames. A prefix is known by an integer, so that the
alignments of equal prefixes are added exactly; boundaries at either end or doubled do not make another text. The language
model is asked when a word ends. The state of the search is a beam: a few flat arrays with a slot for each prefix, those of an
utterance side by side, so that about a hundred numpy calls serve a frame of all utterances.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from speechrnn.decoding.frames import BLANK, Frames, check
from speechrnn.decoding.hotwords import Hotwords
from speechrnn.decoding.lexicon import ROOT, Lexicon
from speechrnn.decoding.prefixes import Ends, Prefixes
from speechrnn.errors import InputError
from speechrnn.text import Tokenizer
from speechrnn.transcript import Hypothesis

BATCH = 16  # utterances at a time: most of what batches save (benchmarks/beam_search.py), and small arrays still
END = 2  # </s> of a language model
UNKNOWN = 0  # <unk>


class Beam(NamedTuple):
    """The live prefixes (slots,), in order of utterance and within it of rank."""

    utterance: np.ndarray
    prefix: np.ndarray  # ids
    blank: np.ndarray  # log-probability of the alignments that end with a blank
    other: np.ndarray  # and of those that end with the last token


class Extensions(NamedTuple):
    """Prefixes one token longer than live ones, (extensions,)."""

    slot: np.ndarray  # of the prefix that grows
    token: np.ndarray
    acoustic: np.ndarray  # log-probability
    node: np.ndarray  # of the lexicon, afterwards
    end: np.ndarray  # row of `Ends` for the word that ends; -1 if none does
    hot: np.ndarray  # state of the hotwords, afterwards
    bonus: np.ndarray
    bias: np.ndarray


class Slots(NamedTuple):
    """What a step knows of the live prefixes, (slots,)."""

    prefix: np.ndarray
    row: np.ndarray  # of the frame
    base: np.ndarray  # where that row begins in flat arrays
    last: np.ndarray  # token
    node: np.ndarray
    bonus: np.ndarray
    bias: np.ndarray
    blank: np.ndarray
    total: np.ndarray  # blank and other together
    floor: np.ndarray  # what ranks below it is dropped


class Grown(NamedTuple):
    """Live prefixes that grew from live ones: by which token, ending which word (-1: none)."""

    above: np.ndarray  # slot of the shorter one
    token: np.ndarray
    choice: np.ndarray


class BeamSearch:
    """A search, ready for any number of utterances.

    Args:
        tokenizer: the acoustic model's.
        width: prefixes that are kept after each frame.
        lm: a word n-gram model (`speechrnn.decoding.ngram`), or None.
        lexicon: the words that may come; None is any word, and with a language model those outside it count as unknown.
        hotwords: what to favour, or None.
        lm_weight: of the language model's natural logs.
        word_bonus: for each word, in nats; a language model alone favours few words.
        unknown_penalty: for each word that the language model does not know, in nats, beside what it gives <unk>.
        token_threshold: a frame's tokens that are so many nats below its best are left out.
        score_threshold: prefixes that are so many nats below the best are dropped.

    Raises:
        InputError: a language model without a lexicon, for a model that does not tell where words end; a hotword that is
            not in the lexicon.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        width: int = 64,  # of 16 to 256 the first that is as good as all
        *,
        lm=None,
        lexicon: Lexicon | None = None,
        hotwords: Hotwords | None = None,
        lm_weight: float = 0.5,
        word_bonus: float = 0.0,
        unknown_penalty: float = 5.0,
        token_threshold: float = 10.0,
        score_threshold: float = 20.0,
    ):
        self.tokenizer, self.width, self.lm, self.hotwords = tokenizer, width, lm, hotwords
        self.lm_weight, self.word_bonus, self.unknown_penalty = lm_weight, word_bonus, unknown_penalty
        self.token_threshold, self.score_threshold = token_threshold, score_threshold
        if lexicon is None and lm is None:
            lexicon = Lexicon.unconstrained(tokenizer)
        elif lexicon is None:
            lexicon = Lexicon.from_words(lm.words[3:], tokenizer, is_open=True)
        self.lexicon, self.boundary = lexicon, lexicon.boundary
        if hotwords and not lexicon.is_open:
            vocabulary = set(lexicon.words)
            for hotword in hotwords.words:
                if missing := [word for word in hotword.split() if word not in vocabulary]:
                    raise InputError(f"hotword {hotword!r}: {missing[0]!r} is not in the lexicon: add it there")
        if lm is not None:
            self._lm_words = lm.indices([*lexicon.words, "<unk>"]).astype(np.int32)
        self.may_end = bool(lexicon.word_count.any())
        self._choices = int(lexicon.word_count.max()) + 1
        self._ahead = self._look_ahead()
        # how much an extension may gain on what it grew from, beside its acoustic score
        self._most_lent = float(hotwords.lent.max()) if hotwords else 0.0
        self._most_gained = max(word_bonus, 0.0) + self._most_lent + (float(hotwords.earned.max()) if hotwords else 0.0)

    def _look_ahead(self) -> np.ndarray:
        """(nodes,): what the best word that can still come is worth below the best of all, by its unigram probability.

        Lent to a prefix until its word ends.
        """
        if self.lm is None:
            return np.zeros(self.lexicon.nodes)
        unigrams, _ = self.lm.score(np.full(len(self._lm_words), self.lm.empty), self._lm_words)
        worth = self.lm_weight * unigrams.astype(np.float64) - self.unknown_penalty * (self._lm_words == UNKNOWN)
        ahead = self.lexicon.best_ahead(worth)
        return ahead - ahead[ROOT]

    def search(self, log_probs: np.ndarray) -> list[Hypothesis]:
        """The texts that are left at the end, best first; see `search_batch`."""
        return self.search_batch([log_probs])[0]

    def search_batch(self, batch: Sequence[np.ndarray]) -> list[list[Hypothesis]]:
        """The texts of each utterance that are left at the end, best first; of no frames, the empty text.

        Args:
            batch: log-probabilities (frames, tokens), natural logs; token 0 is the blank.

        Raises:
            InputError: there is NaN among them, or their shape is not the tokenizer's.
        """
        for i, log_probs in enumerate(batch):
            name = "log-probabilities" if len(batch) == 1 else f"log-probabilities of utterance {i + 1} of {len(batch)}"
            check(log_probs, len(self.tokenizer), name)
        by_length = sorted(range(len(batch)), key=lambda i: -len(batch[i]))
        results: list[list[Hypothesis]] = [[] for _ in batch]
        for begin in range(0, len(batch), BATCH):
            chosen = by_length[begin : begin + BATCH]
            frames = Frames([batch[i] for i in chosen], self.token_threshold, self.boundary)
            for i, hypotheses in zip(frames.order, self._search(frames), strict=True):
                results[chosen[i]] = hypotheses
        return results

    def _search(self, frames: Frames) -> list[list[Hypothesis]]:
        """The hypotheses of each utterance of the frames, in their order."""
        count = len(frames.lengths)
        prefixes, ends = Prefixes(), Ends()
        start = self.lm.start if self.lm else 0
        last = BLANK if self.boundary is None else self.boundary
        prefixes.append(count, parent=-1, token=last, node=ROOT, word=-1, choice=-1, state=start, first_end=-1)
        results: list[list[Hypothesis]] = []
        beam = Beam(np.arange(count), np.arange(count), np.zeros(count), np.full(count, -np.inf))
        running = count
        for step in range(int(frames.lengths.max(initial=0)) + 1):
            while running and frames.lengths[running - 1] == step:  # the shortest stand last
                running -= 1
                slots = slice(int(np.searchsorted(beam.utterance, running)), None)
                results.append(
                    self._finish(prefixes, ends, Beam(*(column[slots] for column in beam)), frames.tail[running])
                )
                beam = Beam(*(column[: slots.start] for column in beam))
            if running:
                beam = self._step(prefixes, ends, beam, frames, frames.first[:running] + step)
        return results[::-1]

    def _step(self, prefixes: Prefixes, ends: Ends, beam: Beam, frames: Frames, rows: np.ndarray) -> Beam:
        """The beam after one more frame of each utterance; `rows` (utterances,) says which in `frames`."""
        utterance, prefix, blank, other = beam
        row = rows[utterance]
        base = row * frames.width
        total = np.logaddexp(blank, other)
        if frames.gapped[rows].any():
            gapped = frames.gapped[row]
            total = total + frames.gap[row]
            blank, other = np.where(gapped, total, blank), np.where(gapped, -np.inf, other)

        # a prefix stays as it is; a boundary after a boundary changes nothing
        last = prefixes.token[prefix]
        of_last = frames.log_probs.take(base + last)
        stay_blank = total + frames.log_probs.take(base)
        stay_other = of_last + (other if self.boundary is None else np.where(last == self.boundary, total, other))
        # and another live prefix may grow into it
        prefixes.slot[prefix] = np.arange(len(prefix))
        parent = prefixes.parent[prefix]
        above = prefixes.slot[parent]
        grown = np.flatnonzero((prefix.take(above, mode="clip") == parent) & (of_last > -np.inf))
        above = above[grown]
        into = np.where(last[above] == last[grown], blank[above], total[above]) + of_last[grown]
        stay_other[grown] = np.logaddexp(stay_other[grown], into)
        bias = prefixes.bias[prefix]
        rank = np.logaddexp(stay_blank, stay_other) + bias

        best = np.maximum.reduceat(rank, utterance.searchsorted(np.arange(len(rows))))
        node, bonus = prefixes.node[prefix], prefixes.bonus[prefix]
        slots = Slots(prefix, row, base, last, node, bonus, bias, blank, total, best[utterance] - self.score_threshold)
        grown = Grown(above, last[grown], prefixes.choice[prefix[grown]])
        extensions = self._within_words(prefixes, slots, grown, frames)
        if self.may_end:
            ended = self._after_words(prefixes, ends, slots, grown, frames)
            if ended is not None:
                extensions = Extensions(*map(np.concatenate, zip(extensions, ended, strict=True)))
        return self._select(prefixes, ends, beam, stay_blank, stay_other, rank, extensions)

    def _spread(
        self, slots: Slots, slot: np.ndarray, frames: Frames
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Each of the slots (n,) with each token that is possible in its frame.

        Returns where the tokens of each begin (n,), and (extensions,) which of the n, the token, the acoustic score.
        """
        row = slots.row.take(slot)
        count = frames.count.take(row)
        stop = count.cumsum()
        start = stop - count
        which = np.arange(len(slot)).repeat(count)
        token = frames.tokens.take((frames.start.take(row) - start).take(which) + np.arange(len(which)))
        slot = slot.take(which)
        before = np.where(token == slots.last.take(slot), slots.blank.take(slot), slots.total.take(slot))
        return start, which, token, before + frames.log_probs.take(slots.base.take(slot) + token)

    def _within_words(self, prefixes: Prefixes, slots: Slots, grown: Grown, frames: Frames) -> Extensions:
        """The extensions that go on with a word, or begin one after a boundary."""
        start, slot, token, acoustic = self._spread(slots, np.arange(len(slots.prefix)), frames)
        same = grown.choice < 0  # their prefixes are in the beam already
        if self.boundary is not None:
            same &= grown.token != self.boundary
        above, grown_token = grown.above[same], grown.token[same]
        acoustic[start[above] + frames.place.take(slots.base[above] + grown_token)] = -np.inf
        keep = np.flatnonzero(acoustic + slots.bias.take(slot) > slots.floor.take(slot) - self._most_lent)
        slot, token, acoustic = slot.take(keep), token.take(keep), acoustic.take(keep)
        node = self.lexicon.follow(slots.node.take(slot), token)
        if not self.lexicon.is_open:
            keep = np.flatnonzero(node >= 0)
            slot, token, acoustic, node = slot.take(keep), token.take(keep), acoustic.take(keep), node.take(keep)
        bonus = slots.bonus.take(slot)
        return self._extensions(prefixes, slots, slot, token, acoustic, node, np.full(len(slot), -1), bonus)

    def _after_words(
        self, prefixes: Prefixes, ends: Ends, slots: Slots, grown: Grown, frames: Frames
    ) -> Extensions | None:
        """The extensions that end a word: by the boundary, or without one by the next word's first token."""
        most = slots.total + slots.bonus + self._most_gained
        if self.boundary is not None:
            acoustic = slots.total + frames.log_probs.take(slots.base + self.boundary)
            most = acoustic + slots.bonus + self._most_gained
        slot = np.flatnonzero((most > slots.floor) & (self.lexicon.word_count.take(slots.node) > 0))
        if not len(slot):
            return None
        at = np.full(len(slots.prefix), -1)
        first, count = self._ends(prefixes, ends, slots.prefix[slot])
        start = count.cumsum() - count
        at[slot] = start
        slot = slot.repeat(count)
        end = (first - start).repeat(count) + np.arange(len(slot))

        # which of these prefixes are in the beam already
        same = np.flatnonzero((grown.choice >= 0) & (at[grown.above] >= 0))
        above, token = grown.above[same], grown.token[same]
        pair = at[above] + grown.choice[same]
        if self.boundary is not None:
            acoustic = acoustic.take(slot)
            acoustic[pair] = -np.inf
            token = np.full(len(slot), self.boundary)
            node = np.full(len(slot), ROOT)
        else:
            start, which, token_, acoustic = self._spread(slots, slot, frames)
            acoustic[start[pair] + frames.place.take(slots.base[above] + token)] = -np.inf
            token, slot, end = token_, slot.take(which), end.take(which)
            node = self.lexicon.follow(np.full(len(slot), ROOT), token)
            keep = np.flatnonzero(node >= 0)
            slot, token, acoustic, node, end = (each.take(keep) for each in (slot, token, acoustic, node, end))
        bonus = slots.bonus.take(slot) + ends.bonus.take(end)
        return self._extensions(prefixes, slots, slot, token, acoustic, node, end, bonus)

    def _extensions(self, prefixes: Prefixes, slots: Slots, slot, token, acoustic, node, end, bonus) -> Extensions:
        """With what hotwords and the look-ahead say of them; those that cannot stay in the beam are left out."""
        bias = bonus + self._ahead.take(node)
        hot = slot  # without hotwords, any number
        if self.hotwords:
            hot = self.hotwords.after.take(prefixes.hot.take(slots.prefix.take(slot)) * len(self.tokenizer) + token)
            earned = self.hotwords.earned.take(hot)
            bonus, bias = bonus + earned, bias + earned + self.hotwords.lent.take(hot)
        keep = np.flatnonzero(acoustic + bias > slots.floor.take(slot))
        return Extensions(*(each.take(keep) for each in (slot, token, acoustic, node, end, hot, bonus, bias)))

    def _ends(self, prefixes: Prefixes, ends: Ends, prefix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For prefixes (n,) whose last words may end: the first row in `ends` of each, and how many it has."""
        count = self.lexicon.word_count.take(prefixes.node[prefix])
        new = np.flatnonzero(prefixes.first_end[prefix] < 0)
        if len(new):
            asked, own = prefix[new], count[new]
            start = own.cumsum() - own
            which = np.arange(len(new)).repeat(own)
            first_word = self.lexicon.first_word.take(prefixes.node[asked])
            word = self.lexicon.node_words.take((first_word - start).take(which) + np.arange(len(which)))
            prefixes.first_end[asked] = ends.size + start
            language, state = 0.0, 0
            bonus = self.word_bonus
            if self.lm is not None:
                lm_word = self._lm_words.take(word)
                language, state = self.lm.score(prefixes.state[asked].take(which), lm_word)
                bonus = (
                    bonus + self.lm_weight * language.astype(np.float64) - self.unknown_penalty * (lm_word == UNKNOWN)
                )
            ends.append(len(word), word=word, state=state, language=language, bonus=bonus)
        return prefixes.first_end[prefix], count

    def _select(
        self, prefixes: Prefixes, ends: Ends, beam: Beam, stay_blank, stay_other, rank, extensions: Extensions
    ) -> Beam:
        """The best `width` of each utterance, of those that stay and those that are longer."""
        live = len(rank)
        rank = np.concatenate([rank, extensions.acoustic + extensions.bias])
        utterance = np.concatenate([beam.utterance, beam.utterance.take(extensions.slot)])
        order = np.argsort(-rank)
        order = order.take(np.argsort(utterance.take(order).astype(np.int16), kind="stable"))
        rank, utterance = rank.take(order), utterance.take(order)
        first = utterance.searchsorted(np.arange(utterance[-1] + 1)).take(utterance)
        keep = (np.arange(len(order)) - first < self.width) & (rank >= rank.take(first) - self.score_threshold)
        chosen, utterance = order[keep], utterance[keep]

        longer = chosen >= live
        grown = chosen[longer] - live
        slot, token, acoustic, node, end, hot, bonus, bias = (column.take(grown) for column in extensions)
        parent = beam.prefix.take(slot)
        ended = end >= 0
        choice = np.where(ended, end - prefixes.first_end[parent], -1)
        keys = (parent * self._choices + choice + 1) * len(self.tokenizer) + token
        ids, new = prefixes.find(keys)
        if len(new):
            end, ended, parent = end[new], ended[new], parent[new]
            prefixes.append(
                len(new),
                parent=parent,
                token=token[new],
                node=node[new],
                word=np.where(ended, ends.word.take(end), -1),
                choice=choice[new],
                state=np.where(ended, ends.state.take(end), prefixes.state[parent]),
                hot=hot[new],
                language=prefixes.language[parent] + np.where(ended, ends.language.take(end), 0.0),
                bonus=bonus[new],
                bias=bias[new],
                first_end=-1,
            )
        blank, other = np.full((2, len(chosen)), -np.inf)
        prefix = np.empty(len(chosen), np.int64)
        stays = chosen[~longer]
        prefix[longer], other[longer] = ids, acoustic
        prefix[~longer], blank[~longer], other[~longer] = beam.prefix[stays], stay_blank[stays], stay_other[stays]
        return Beam(utterance, prefix, blank, other)

    def _finish(self, prefixes: Prefixes, ends: Ends, beam: Beam, tail: float) -> list[Hypothesis]:
        """The hypotheses of one utterance: its last words end, prefixes of the same text become one.

        In a closed vocabulary, prefixes in the middle of a word fall away; if none is left, their last words do.
        """
        acoustic = np.logaddexp(beam.blank, beam.other) + tail
        node = prefixes.node[beam.prefix]
        count = self.lexicon.word_count.take(node) if self.may_end else np.zeros(len(node), np.int64)
        whole = np.flatnonzero(node == ROOT if self.may_end else node >= 0)
        slot = np.flatnonzero(count > 0)
        first, count = self._ends(prefixes, ends, beam.prefix[slot])
        slot = slot.repeat(count)
        end = (first - (count.cumsum() - count)).repeat(count) + np.arange(len(slot))
        slot, end = np.concatenate([whole, slot]), np.concatenate([np.full(len(whole), -1), end])
        cut = not len(slot)
        if cut:
            slot, end = np.arange(len(node)), np.full(len(node), -1)
        prefix, ended = beam.prefix[slot], end >= 0
        language = prefixes.language[prefix] + np.where(ended, ends.language.take(end), 0.0)
        bonus = prefixes.bonus[prefix] + np.where(ended, ends.bonus.take(end), 0.0)
        if self.lm is not None:
            state = np.where(ended, ends.state.take(end), prefixes.state[prefix])
            last, _ = self.lm.score(state, np.full(len(state), END, np.int32))
            language, bonus = language + last, bonus + self.lm_weight * last.astype(np.float64)
        if self.hotwords:
            after = self.hotwords.after[prefixes.hot[prefix], self.boundary]
            bonus = bonus + np.where(ended, self.hotwords.earned[after], 0.0)

        found: dict[str, Hypothesis] = {}
        paths = prefixes.paths(prefix.tolist())
        for path, own_end, log_prob, lm, extra in zip(paths, end, acoustic[slot], language, bonus, strict=True):
            text, tokens = self._spell(prefixes, ends, path, int(own_end), cut)
            score = log_prob + extra
            if same := found.get(text):
                log_prob = np.logaddexp(log_prob, same.acoustic)
                tokens = tokens if score > same.score else same.tokens
                score = log_prob + extra
            found[text] = Hypothesis(text, tokens, float(score), float(log_prob), float(lm))
        return sorted(found.values(), key=lambda hypothesis: -hypothesis.score)

    def _spell(
        self, prefixes: Prefixes, ends: Ends, path: list[int], end: int, cut: bool
    ) -> tuple[str, tuple[int, ...]]:
        """The text of a path and an end, and its tokens without a last boundary; `cut` leaves out an unfinished word."""
        tokens = prefixes.token[path].tolist()
        if self.boundary is not None:
            if cut:
                while tokens and tokens[-1] != self.boundary:
                    tokens.pop()
            while tokens and tokens[-1] == self.boundary:
                tokens.pop()
        if self.lexicon.is_open:
            return self.tokenizer.decode(tokens), tuple(tokens)
        words = [word for word in prefixes.word[path].tolist() if word >= 0] + (
            [int(ends.word[end])] if end >= 0 else []
        )
        return " ".join(self.lexicon.words[word] for word in words), tuple(tokens)
