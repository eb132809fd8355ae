"""Log-probabilities to texts as a package, and whoever loads it, want it: greedy, or by a prefix beam search."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from speechrnn.errors import InputError, check_count
from speechrnn.package import LOG_PRIORS, PRIOR_WEIGHT, Package
from speechrnn.search.frames import check
from speechrnn.search.greedy import greedy
from speechrnn.search.priors import discounted
from speechrnn.text import normaliser
from speechrnn.transcript import Hypothesis

if TYPE_CHECKING:
    from speechrnn.search.beam import BeamSearch
    from speechrnn.search.hotwords import Hotwords
    from speechrnn.search.language_model import LanguageModel

Lm = str | os.PathLike | Literal[False] | None
HotwordWeights = str | Iterable[str] | Mapping[str, float] | None

HOTWORD_WEIGHT = 1.0  # for each letter, in nats; docs/decoding.md shows what it does
SEARCHED = ("lm_weight", "word_bonus", "unknown_penalty")  # of a package's decoder, as `BeamSearch` names them


class Decoder:
    """A decoder, ready for any number of utterances.

    It searches if the package's method is `beam`, if anything is asked for that takes a search, or if the tokens are phones, for
    words of the package's own lexicon where no language model has others; otherwise it is greedy.

    Args:
        package: whose log-probabilities they are; its own weights of a search are used, or else those of `BeamSearch`.
        lm: a language model's file; None is the one in the package's `lm/` if there is one, False is none.
        hotwords: words and phrases to favour, or their weights (see `speechrnn.search.hotwords`); `HOTWORD_WEIGHT` each.
        beam: prefixes that are kept after each frame; None is as many as the package says, else as `BeamSearch` does.
        nbest: how many hypotheses are wanted of an utterance, at most; None is one.

    Attributes:
        description: what it does, for people and records.

    Raises:
        InputError: the language model cannot be read or does not belong to the package, a hotword cannot be spelled or is not in
            the package's lexicon, a number is less than 1, or an argument is of another type.
    """

    def __init__(
        self,
        package: Package,
        *,
        lm: Lm = None,
        hotwords: HotwordWeights = None,
        beam: int | None = None,
        nbest: int | None = None,
    ):
        for name, value in (("beam", beam), ("nbest", nbest)):
            if value is not None:
                check_count(name, value)
        if not (lm is None or lm is False or isinstance(lm, str | os.PathLike)):
            raise InputError(f"lm: expected a language model's file, False or None, found {lm!r}")
        self.package, self.nbest = package, nbest
        self.search: BeamSearch | None = None
        self._prior_weight, self._log_priors = 0.0, np.zeros(0)
        self.description = "greedy"
        by_default = package.decoder["method"] == "beam" and lm is None
        phones = package.tokenizer.has_phones  # words are found by a search alone
        if by_default or lm not in (None, False) or hotwords or beam or nbest or phones:
            self._prepare(lm, hotwords, beam)

    def _prepare(self, lm: Lm, hotwords: HotwordWeights, beam: int | None) -> None:
        """The search. What it takes is imported only here: a greedy start is quicker without."""
        from speechrnn.search.language_model import read_language_model, read_packaged

        package, normalise = self.package, normaliser(self.package.normaliser)
        weights = _hotword_weights(hotwords)
        favoured = [word for hotword in weights for word in normalise(hotword).split()]
        if package.tokenizer.has_phones and favoured:
            from speechrnn.pronunciation.pronunciations import with_words

            package = with_words(package, favoured)
        model = None
        if lm is not False:
            model = read_packaged(package, favoured) if lm is None else read_language_model(lm, package, also=favoured)
        automaton = None
        if weights:
            from speechrnn.search.hotwords import Hotwords

            automaton = Hotwords(weights, normalise, package.tokenizer)
        self.search = beam_search(package, model, automaton, beam, package.decoder)
        if model and PRIOR_WEIGHT in package.decoder:
            self._prior_weight = package.decoder[PRIOR_WEIGHT]
            self._log_priors = np.array(package.decoder[LOG_PRIORS])
        parts = [f"beam {self.search.width}"]
        if model:
            scores = self.search.word_scores
            parts += [model.describe(), f"lm weight {scores.lm_weight:g}", f"word bonus {scores.word_bonus:g}"]
            parts += [f"prior weight {self._prior_weight:g}"] if self._prior_weight else []
            parts += [f"unknown penalty {scores.unknown_penalty:g}"] if model.lexicon.is_open else []
        elif not self.search.lexicon.is_open:
            parts.append(f"{len(self.search.lexicon.words):,} words of the model's lexicon, no language model")
        if weights:
            kinds = " ".join(f"{weight:g}" for weight in sorted(set(weights.values())))
            parts.append(f"{len(weights)} hotword{'s' if len(weights) > 1 else ''} of weight {kinds}")
        self.description = ", ".join(parts)

    def decode(self, batch: Sequence[np.ndarray], names: Sequence[str] | None = None) -> list[list[Hypothesis]]:
        """The hypotheses of each utterance, best first, at least one.

        The acoustic score of a greedy one is that of its best alignment alone; a search may take priors away from it.

        Args:
            batch: log-probabilities (frames, tokens), natural logs; token 0 is the blank.
            names: what the utterances are called in errors.

        Raises:
            InputError: there is NaN among them, or their shape is not the tokenizer's.
        """
        for name, log_probs in zip(names or [""] * len(batch), batch, strict=True):
            check(log_probs, len(self.package.tokenizer), f"{name}: log-probabilities" if name else "log-probabilities")
        if self.search:
            heard = [discounted(log_probs, self._log_priors, self._prior_weight) for log_probs in batch]
            return self.search.search_batch(heard, self.nbest or 1)
        return [[self._greedy(log_probs)] for log_probs in batch]

    def _greedy(self, log_probs: np.ndarray) -> Hypothesis:
        tokens = greedy(log_probs)
        score = float(log_probs.max(axis=1).sum(dtype=np.float64))
        return Hypothesis(self.package.tokenizer.decode(tokens), tuple(tokens), score, score, 0.0)


def beam_search(
    package: Package,
    model: "LanguageModel | None",
    hotwords: "Hotwords | None",
    beam: int | None,
    weights: Mapping[str, float],
) -> "BeamSearch":
    """A search for a package's log-probabilities; `weights` may hold `beam` and those of SEARCHED, which have defaults.

    Raises:
        InputError: a hotword is not in a closed lexicon.
    """
    from speechrnn.search.beam import BeamSearch

    chosen: dict[str, Any] = {name: weights[name] for name in SEARCHED if name in weights}
    if package.tokenizer.has_phones:
        chosen["unknown_penalty"] = 0.0  # of words that a letter model would spell; here all are listed
    width = beam or weights.get("beam")
    if width:
        chosen["width"] = int(width)
    ngram, lexicon, ids = (model.ngram, model.lexicon, model.word_ids) if model else (None, None, None)
    if lexicon is None and package.tokenizer.has_phones:
        from speechrnn.search.lexicon import Lexicon

        lexicon = Lexicon.from_words(package.tokenizer.pronunciations, package.tokenizer, is_open=True)
    try:
        return BeamSearch(package.tokenizer, lm=ngram, lexicon=lexicon, lm_words=ids, hotwords=hotwords, **chosen)
    except InputError as error:
        raise InputError(f"{error}, or let any word come, with no language model (--no-lm, lm=False)") from None


def _hotword_weights(hotwords: HotwordWeights) -> Mapping[str, float]:
    if isinstance(hotwords, Mapping):
        weights = hotwords
    elif isinstance(hotwords, Iterable | None):
        weights = dict.fromkeys([hotwords] if isinstance(hotwords, str) else hotwords or (), HOTWORD_WEIGHT)
    else:
        raise InputError(f"hotwords: expected words, or a dict with their weights, found {hotwords!r}")
    for hotword, weight in weights.items():
        if not isinstance(hotword, str):
            raise InputError(f"hotwords: expected words, found {hotword!r}")
        if not isinstance(weight, int | float | np.number):
            raise InputError(f"hotword {hotword!r}: expected a positive weight, found {weight!r}")
    return weights
