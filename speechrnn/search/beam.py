"""CTC prefix beam search (Hannun et al., arXiv 1408.2873) in vectorised numpy, several utterances at a time.

The search looks for the text with the highest

    log P(text | audio) + lm_weight * log P_lm(text) + word_bonus * words - unknown_penalty * letters of unknown words + hotwords

where the first term is summed over all alignments of the text with the frames, and the next three are left out without a
language model. The search is this, with a prefix for each beginning of a text:

    live = {empty prefix}
    for frame in frames:
        for prefix in live:
            it stays: by a blank, or by its last token once more
            it grows by each token with which the lexicon goes on; after a blank also by its last token
            if a word may end here:
                it grows by the boundary (or, without one, by the next word's first token), with the language model's score
        add the probabilities of all ways that lead to the same prefix
        drop prefixes that are more than score_threshold below the best
        live = the best `width`, those first that no better prefix of the same future stands before
    end the last words, ask the language model for the end of the text, add equal texts

`tests/search/test_beam_narrow.py` has it with dictionaries and loops, without a language model, and compares. Here it is
vectorised: each prefix has an integer id, and the beam is a few flat arrays with a slot for each live prefix. The slots of
an utterance are adjacent, so the hundred or so numpy calls of a frame serve all utterances. Boundaries at either end, and
double boundaries, do not make another text.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from speechrnn.errors import InputError
from speechrnn.search.frames import BLANK, Frames, check
from speechrnn.search.hotwords import Hotwords
from speechrnn.search.hypotheses import hypotheses
from speechrnn.search.lexicon import ROOT, Lexicon
from speechrnn.search.prefixes import Prefixes
from speechrnn.search.recombination import Recombination
from speechrnn.search.slots import Beam, Extensions, Grown, Slots
from speechrnn.search.word_scores import WordScores
from speechrnn.text import Tokenizer
from speechrnn.transcript import Hypothesis

if TYPE_CHECKING:
    from speechrnn.lm.ngram import NgramModel

BATCH = 32  # utterances at a time: 1 takes four times as long a frame, 16 a tenth longer, 64 save nothing more


class BeamSearch:
    """A search, ready for any number of utterances.

    Args:
        tokenizer: the acoustic model's.
        width: prefixes that are kept after each frame.
        lm: a word n-gram model, or None.
        lexicon: the words that may come. None is any word; with a language model, those that it does not know are unknown.
        lm_words: the ids (words,) of the lexicon's words in the language model; None looks them up.
        hotwords: what to favour, or None.
        lm_weight: of the language model's natural logs.
        word_bonus: for each word, in nats: a language model alone favours few words.
        unknown_penalty: for each letter of a word that the language model does not know, in nats, beside what it gives
            <unk>. Were it for each word, a weak model would write whole sentences as it hears them, without a boundary.
        token_threshold: a frame's tokens that are so many nats below its best are taken for impossible; the blank never is.
        score_threshold: prefixes that are so many nats below the best are dropped.

    Raises:
        InputError: a language model without a lexicon, for a model that does not tell where words end; a hotword that is
            not in a closed lexicon.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        width: int = 64,  # AN4: twice as wide finds no better texts; a weaker model gains by it (docs/decoding.md)
        *,
        lm: "NgramModel | None" = None,
        lexicon: Lexicon | None = None,
        lm_words: np.ndarray | None = None,
        hotwords: Hotwords | None = None,
        lm_weight: float = 0.5,  # to begin with: what suits is a matter of both models
        word_bonus: float = 1.0,  # likewise; without one, words are lost
        unknown_penalty: float = 1.0,  # as a letter model would ask: some 2 nats, times the weight
        token_threshold: float = 8.0,  # AN4 dev: 8, 10 and 14 have the same error rate, 6 a higher one
        score_threshold: float = 15.0,  # AN4 dev: from 12 on, the best scores stay the same
    ):
        self.tokenizer, self.width, self.hotwords = tokenizer, width, hotwords
        self.token_threshold, self.score_threshold = token_threshold, score_threshold
        if lexicon is None:
            words = [] if lm is None else lm.words[3:]
            lexicon = Lexicon.from_words(words, tokenizer, is_open=True)
        self.lexicon, self.boundary = lexicon, lexicon.boundary
        if hotwords and not lexicon.is_open:
            vocabulary = set(lexicon.words)
            for hotword in hotwords.words:
                if missing := [word for word in hotword.split() if word not in vocabulary]:
                    raise InputError(f"hotword {hotword!r}: {missing[0]!r} is not in the lexicon: add it there")
        self.word_scores = WordScores(lexicon, lm, lm_weight, word_bonus, unknown_penalty, lm_words)
        self._choices = int(lexicon.word_count.max()) + 1
        # how much an extension may gain on what it grew from, beside its acoustic score
        self._most_lent = float(hotwords.lent.max()) if hotwords else 0.0
        self._most_gained = max(word_bonus, 0.0) + self._most_lent + (float(hotwords.earned.max()) if hotwords else 0.0)

    def search(self, log_probs: np.ndarray, nbest: int | None = None) -> list[Hypothesis]:
        """The texts that are left at the end, best first; see `search_batch`."""
        return self.search_batch([log_probs], nbest)[0]

    def search_batch(self, batch: Sequence[np.ndarray], nbest: int | None = None) -> list[list[Hypothesis]]:
        """The texts of each utterance that are left at the end, best first; of no frames, the empty text.

        Args:
            batch: log-probabilities (frames, tokens), natural logs; token 0 is the blank.
            nbest: how many texts of an utterance are wanted at most; None is all.

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
            for i, found in zip(frames.order, self._search(frames, nbest), strict=True):
                results[chosen[i]] = found
        return results

    def _search(self, frames: Frames, nbest: int | None) -> list[list[Hypothesis]]:
        """The hypotheses of each utterance of the frames, in their order."""
        running = len(frames.lengths)
        prefixes = Prefixes()
        # places for prefixes that cannot become the best text
        more = max(self.width, nbest) if nbest and nbest > 1 else 0
        recombination = Recombination(self.hotwords, more > 0) if nbest and self.lexicon.words else None
        last = BLANK if self.boundary is None else self.boundary
        state = self.word_scores.start
        prefixes.append(running, parent=-1, token=last, node=ROOT, word=-1, choice=-1, state=state, first_end=-1)
        beam = Beam(*np.tile(np.arange(running), (2, 1)), *np.tile([[0.0], [-np.inf], [0.0]], running))
        results: list[list[Hypothesis]] = []
        for step in range(int(frames.lengths.max(initial=0)) + 1):
            while running and frames.lengths[running - 1] == step:  # the shortest stand last
                running -= 1
                first = int(beam.utterance.searchsorted(running))
                prefix, acoustic = beam.prefix[first:], beam.total[first:] + frames.tail[running]
                scorers = self.word_scores, self.hotwords, self.tokenizer
                results.append(hypotheses(prefixes, prefix, acoustic, *scorers, nbest))
                beam = Beam(*(column[:first] for column in beam))
            if running:
                beam = self._step(prefixes, beam, frames, frames.first[:running] + step, recombination, more)
        return results[::-1]

    def _step(
        self,
        prefixes: Prefixes,
        beam: Beam,
        frames: Frames,
        rows: np.ndarray,
        recombination: Recombination | None,
        more: int,
    ) -> Beam:
        """The beam after one more frame of each utterance; `rows` (utterances,) says which in `frames`."""
        utterance, prefix, blank, other, total = beam
        row = rows.take(utterance)
        base = row * frames.width
        if frames.gapped.take(rows).any():
            gapped = frames.gapped.take(row)
            total = total + frames.gap.take(row)
            blank, other = np.where(gapped, total, blank), np.where(gapped, -np.inf, other)

        # a prefix stays as it is; a boundary after a boundary changes nothing
        last = prefixes.token.take(prefix)
        of_last = frames.log_probs.take(base + last)
        stay_blank = total + frames.log_probs.take(base)
        stay_other = of_last + (other if self.boundary is None else np.where(last == self.boundary, total, other))
        # and another live prefix may grow into it
        prefixes.slot[prefix] = np.arange(len(prefix))
        parent = prefixes.parent.take(prefix)
        above = prefixes.slot.take(parent)
        grown = ((prefix.take(above, mode="clip") == parent) & (of_last > -np.inf)).nonzero()[0]
        above, token = above.take(grown), last.take(grown)
        before = np.where(last.take(above) == token, blank.take(above), total.take(above))
        stay_other[grown] = np.logaddexp(stay_other.take(grown), before + of_last.take(grown))
        already = Grown(above, token, prefixes.choice.take(prefix.take(grown)))

        stay = np.logaddexp(stay_blank, stay_other)
        bias = prefixes.bias.take(prefix)
        rank = stay + bias
        # what is lent saves a prefix from being dropped, and makes no other one be dropped
        plain = rank - self.hotwords.lent.take(prefixes.hot.take(prefix)) if self.hotwords else rank
        best = np.maximum.reduceat(plain, utterance.searchsorted(np.arange(len(rows))))
        floor = best.take(utterance) - self.score_threshold
        least = floor - bias - total - self._most_lent
        node, bonus = prefixes.node.take(prefix), prefixes.bonus.take(prefix)
        slots = Slots(prefix, row, base, last, node, bonus, blank, total, floor, least)
        extensions = self._within_words(prefixes, slots, already, frames)
        if self.lexicon.has_words and frames.may_end.take(rows).any():
            ended = self._after_words(prefixes, slots, already, frames)
            if ended is not None:
                extensions = Extensions(*map(np.concatenate, zip(extensions, ended, strict=True)))
        stays = stay_blank, stay_other, stay
        return self._select(prefixes, beam, stays, rank, plain, extensions, recombination, more)

    def _spread(self, slots: Slots, taken: tuple[np.ndarray, np.ndarray], frames: Frames) -> tuple[np.ndarray, ...]:
        """Each slot with each token that is possible in its frame, but for those `taken` and those below the threshold.

        `taken` are a slot and a token of each. Returns, (extensions,): the slot, the token, the acoustic score.
        """
        count = frames.count.take(slots.row)
        start = count.cumsum() - count
        slot = np.arange(len(count)).repeat(count)
        at = (frames.start.take(slots.row) - start).take(slot) + np.arange(len(slot))
        score = frames.token_log_probs.take(at).astype(np.float64)
        place = frames.place.take(slots.base + slots.last)
        again = (place >= 0).nonzero()[0]  # the last token once more needs a blank before it
        score[(start + place).take(again)] += slots.blank.take(again) - slots.total.take(again)
        score[start.take(taken[0]) + frames.place.take(slots.base.take(taken[0]) + taken[1])] = -np.inf
        keep = (score > slots.least.take(slot)).nonzero()[0]
        slot = slot.take(keep)
        return slot, frames.tokens.take(at.take(keep)), slots.total.take(slot) + score.take(keep)

    def _within_words(self, prefixes: Prefixes, slots: Slots, already: Grown, frames: Frames) -> Extensions:
        """The extensions that go on with a word, or begin one after a boundary."""
        within = already.choice < 0
        taken = already.above.compress(within), already.token.compress(within)
        slot, token, acoustic = self._spread(slots, taken, frames)
        node = self.lexicon.follow(slots.node.take(slot), token)
        rank = acoustic + slots.bonus.take(slot)
        return self._above_threshold(prefixes, slots, slot, token, acoustic, node, np.full(len(slot), -1), rank)

    def _after_words(self, prefixes: Prefixes, slots: Slots, already: Grown, frames: Frames) -> Extensions | None:
        """The extensions that end a word: by the boundary, or without one by the next word's first token."""
        acoustic = slots.total
        if self.boundary is not None:
            acoustic = acoustic + frames.log_probs.take(slots.base + self.boundary)
        may = acoustic + slots.bonus + self._most_gained > slots.floor
        slot = (may & (self.lexicon.word_count.take(slots.node) > 0)).nonzero()[0]
        if not len(slot):
            return None
        first, count = self.word_scores.ends(prefixes, slots.prefix.take(slot))
        start = count.cumsum() - count
        first_pair = np.full(len(slots.prefix), -1)  # a pair is a slot and one of its ends
        first_pair[slot] = start
        end = (first - start).repeat(count)
        end += np.arange(len(end))
        slot = slot.repeat(count)
        live = (already.choice >= 0) & (first_pair.take(already.above) >= 0)
        above, taken, choice = (column.compress(live) for column in already)
        taken_pair = first_pair.take(above) + choice
        if self.boundary is not None:
            acoustic = acoustic.take(slot)
            acoustic[taken_pair] = -np.inf
            token, node = np.full(len(slot), self.boundary), np.full(len(slot), ROOT)
        else:
            pairs = Slots(*(column.take(slot) for column in slots))
            pairs = pairs._replace(least=pairs.floor - pairs.bonus - pairs.total - self._most_gained)
            pair, token, acoustic = self._spread(pairs, (taken_pair, taken), frames)
            slot, end = slot.take(pair), end.take(pair)
            node = self.lexicon.follow(np.full(len(slot), ROOT), token)
        rank = acoustic + slots.bonus.take(slot) + prefixes.word_ends.bonus.take(end)
        return self._above_threshold(prefixes, slots, slot, token, acoustic, node, end, rank)

    def _above_threshold(self, prefixes: Prefixes, slots: Slots, slot, token, acoustic, node, end, rank) -> Extensions:
        """The extensions that may stay in the beam, by rank with what hotwords and the look-ahead say of them."""
        plain = rank = rank + self.word_scores.lookahead.take(node)
        if self.hotwords:
            hot = self.hotwords.follow(prefixes.hot.take(slots.prefix.take(slot)), token)
            plain = plain + self.hotwords.earned.take(hot)
            rank = plain + self.hotwords.lent.take(hot)
        keep = (rank > slots.floor.take(slot)).nonzero()[0]
        return Extensions(*(each.take(keep) for each in (slot, token, acoustic, node, end, rank, plain)))

    def _select(
        self, prefixes: Prefixes, beam: Beam, stay: tuple, rank, plain, extensions: Extensions, recombination, more: int
    ) -> Beam:
        """The best `width` of each utterance, of the prefixes that stay and the extensions; then, of those that have a better
        one of the same future, as many as fill the width, and `more`.

        `stay` are the blank, other and total of those that stay, `rank` their ranks, `plain` the same without what is lent.
        """
        live = len(rank)
        rank = np.concatenate([rank, extensions.rank])
        order = np.argsort(-rank)
        utterance = np.concatenate([beam.utterance, beam.utterance.take(extensions.slot)]).take(order)
        group = utterance.astype(np.int16)
        recombined = np.zeros(len(order), bool)
        if recombination:
            recombined = recombination.recombined(prefixes, beam, extensions, order, utterance)
            group = 2 * group + recombined
        if group.max():  # more than one
            by_group = group.argsort(kind="stable")
            order, utterance, recombined = order.take(by_group), utterance.take(by_group), recombined.take(by_group)
        rank = rank.take(order)
        firsts = utterance.searchsorted(np.arange(utterance[-1] + 1))
        best = rank.take(firsts)
        if self.hotwords:
            best = np.maximum.reduceat(np.concatenate([plain, extensions.plain]).take(order), firsts)
        place = np.arange(len(order)) - firsts.take(utterance)
        room: np.ndarray | int = self.width
        if more:
            better = np.bincount(utterance[~recombined], minlength=len(firsts)).take(utterance)
            room = np.where(recombined, np.maximum(self.width, better) + more, self.width)
        keep = (place < room) & (rank >= (best - self.score_threshold).take(utterance))
        chosen = order.compress(keep)

        stays, longer = (chosen < live).nonzero()[0], (chosen >= live).nonzero()[0]
        old, new = chosen.take(stays), chosen.take(longer) - live
        prefix, acoustic = np.empty(len(chosen), np.int64), np.empty((3, len(chosen)))
        prefix[stays] = beam.prefix.take(old)
        for row, column in zip(acoustic, stay, strict=True):
            row[stays] = column.take(old)
        if len(longer):
            prefix[longer] = self._add(prefixes, beam.prefix, Extensions(*(column.take(new) for column in extensions)))
            acoustic[0, longer] = -np.inf
            acoustic[1, longer] = acoustic[2, longer] = extensions.acoustic.take(new)
        return Beam(utterance.compress(keep), prefix, *acoustic)

    def _add(self, prefixes: Prefixes, live: np.ndarray, chosen: Extensions) -> np.ndarray:
        """The ids (n,) of chosen extensions of live prefixes; those that were never met before are added."""
        parent = live.take(chosen.slot)
        choice = np.where(chosen.end >= 0, chosen.end - prefixes.first_end.take(parent), -1)
        ids, new = prefixes.find((parent * self._choices + choice + 1) * len(self.tokenizer) + chosen.token)
        if len(new):
            _, token, acoustic, node, end, rank, _ = (column.take(new) for column in chosen)
            parent, ended, ends = parent.take(new), end >= 0, prefixes.word_ends
            bonus = prefixes.bonus.take(parent) + np.where(ended, ends.bonus.take(end), 0.0)
            hot: np.ndarray = np.zeros(len(new))
            if self.hotwords:
                hot = self.hotwords.follow(prefixes.hot.take(parent), token)
                bonus += self.hotwords.earned.take(hot)
            prefixes.append(
                len(new),
                parent=parent,
                token=token,
                node=node,
                word=np.where(ended, ends.word.take(end), -1),
                choice=choice.take(new),
                state=np.where(ended, ends.state.take(end), prefixes.state.take(parent)),
                hot=hot,
                language=prefixes.language.take(parent) + np.where(ended, ends.language.take(end), 0.0),
                bonus=bonus,
                bias=rank - acoustic,
                first_end=-1,
            )
        return ids
