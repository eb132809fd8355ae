"""A score's texts in the forms of other scoring tools: Kaldi's text, NIST's trn, and stm with ctm where times are known."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from speechrnn.scoring.score import Score
from speechrnn.scoring.texts import Reference, to_kaldi_text, to_stm, to_trn
from speechrnn.text import scoring_normaliser
from speechrnn.transcript import Transcript
from speechrnn.writers import to_ctm


def files(score: Score) -> Iterator[tuple[str, str]]:
    """Names and contents, one after the other, the references as `ref` and the hypotheses as `hyp`, all after the normaliser.

    ref.stm and hyp.ctm are among them if every utterance has a duration and a hypothesis with times, and each of its words is
    one word after the normaliser.

    Raises:
        InputError: when its turn comes, what a form cannot hold: an id, or a word that means something else in it.
    """
    speakers = {utterance.id: utterance.speaker for utterance in score.utterances}
    sides = {}
    for column, side in enumerate(("ref", "hyp")):
        sides[side] = {
            utterance.id: " ".join(word for pair in utterance.alignment if (word := pair[column]) is not None)
            for utterance in score.utterances
        }
        yield f"{side}.txt", to_kaldi_text(sides[side])
    for side, texts in sides.items():
        yield f"{side}.trn", to_trn(texts, speakers)
    ctm = _ctm(score, sides["hyp"], scoring_normaliser(score.normaliser))
    if ctm is not None:
        spoken = {u.id: Reference(sides["ref"][u.id], u.speaker, u.duration) for u in score.utterances}
        yield "ref.stm", to_stm(spoken)
        yield "hyp.ctm", ctm


def _ctm(score: Score, texts: dict[str, str], normalise: Callable[[str], str]) -> str | None:
    rows = {}
    for utterance in score.utterances:
        if utterance.recognised is None or utterance.duration is None:
            return None
        words = tuple(replace(word, text=normalise(word.text)) for word in utterance.recognised)
        if [word.text for word in words] != texts[utterance.id].split():
            return None
        rows[utterance.id] = to_ctm(utterance.id, Transcript(texts[utterance.id], utterance.duration, words))
    return "".join(rows[id] for id in sorted(rows))  # sclite wants the order that it sorts stm by
