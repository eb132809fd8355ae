"""Hotwords: what they change in a search, and what is refused. Their worth is compared with brute force in test_beam.py."""

import numpy as np
import pytest

from speechrnn.errors import InputError
from speechrnn.search.beam import BeamSearch
from speechrnn.search.hotwords import Hotwords
from speechrnn.search.lexicon import Lexicon
from speechrnn.text import BLANK, BOUNDARY, Tokenizer, upper

LETTERS = Tokenizer([BLANK, BOUNDARY, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"])


def spoken(text, heard, lead=1.0):
    """Log-probabilities of `heard` with each letter `lead` nats ahead of that of `text`, a blank between letters."""
    log_probs = np.full((2 * len(text), len(LETTERS)), -15.0)
    for i, pair in enumerate(zip(LETTERS.encode(text), LETTERS.encode(heard), strict=True)):
        log_probs[2 * i, list(pair)] = [-lead, 0] if pair[0] != pair[1] else 0
        log_probs[2 * i + 1, 0] = 0
    return log_probs - np.logaddexp.reduce(log_probs, axis=1, keepdims=True)


def texts(log_probs, **settings):
    return [h.text for h in BeamSearch(LETTERS, **settings).search(log_probs)]


def test_a_hotword_wins_over_what_sounds_alike():
    log_probs = spoken("CALL NADJA NOW", "CALL NATHA NOW")
    assert texts(log_probs)[0] == "CALL NATHA NOW"
    assert texts(log_probs, hotwords=Hotwords({"Nadja": 1.0}, upper, LETTERS))[0] == "CALL NADJA NOW"
    assert texts(log_probs, hotwords=Hotwords({"Nadja": 0.1}, upper, LETTERS))[0] == "CALL NATHA NOW"


def test_a_hotword_survives_pruning_long_before_it_is_whole():
    """Each letter is worse than another: without what is lent, the threshold and the width would drop the prefix."""
    log_probs = spoken("GUGGENHEIM", "XXXXXXXXXX", lead=3.0)
    hotwords = Hotwords({"GUGGENHEIM": 4.0}, upper, LETTERS)
    assert texts(log_probs, hotwords=hotwords, score_threshold=2.5)[0] == "GUGGENHEIM"
    assert texts(log_probs, hotwords=hotwords, width=2, score_threshold=2.5)[0] == "GUGGENHEIM"


def test_a_hotword_wins_over_silence():
    log_probs = np.full((4, len(LETTERS)), -15.0)
    log_probs[:, 0] = 0
    log_probs[[0, 2], LETTERS.encode("AB")] = -3
    assert texts(log_probs, score_threshold=2.5)[0] == ""
    assert texts(log_probs, score_threshold=2.5, hotwords=Hotwords({"AB": 4.0}, upper, LETTERS))[0] == "AB"


def test_what_is_not_finished_is_given_back():
    """And what was lent has dropped nothing else meanwhile, though it is more than the threshold."""
    log_probs = spoken("NADJ", "NATH")  # the beginning of the hotword only
    with_it = BeamSearch(LETTERS, hotwords=Hotwords({"NADJA": 5.0}, upper, LETTERS)).search(log_probs)
    assert [(h.text, pytest.approx(h.score)) for h in BeamSearch(LETTERS).search(log_probs)[:1]] == [
        (h.text, h.score) for h in with_it[:1]
    ]


def test_inside_another_word_it_is_no_hotword():
    log_probs = spoken("CAT CATS", "CAT CATS")
    best = BeamSearch(LETTERS, hotwords=Hotwords({"CAT": 2.0}, upper, LETTERS)).search(log_probs)[0]
    assert best.text == "CAT CATS"
    assert best.score - best.acoustic == pytest.approx(6.0)  # once: three letters


def test_a_phrase_and_a_word_in_it_in_a_closed_vocabulary():
    lexicon = Lexicon.from_words(["NEW", "YORK", "FORK"], LETTERS)
    log_probs = spoken("NEW YORK", "NEW FORK")
    assert texts(log_probs, lexicon=lexicon)[0] == "NEW FORK"
    hotwords = Hotwords({"new york": 0.5, "new": 0.1}, upper, LETTERS)
    best = BeamSearch(LETTERS, lexicon=lexicon, hotwords=hotwords).search(log_probs)[0]
    assert best.text == "NEW YORK"
    assert best.score - best.acoustic == pytest.approx(8 * 0.5 + 3 * 0.1)


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ({"Nadja": 1, "Надя": 1}, "hotword 'Надя': characters outside the alphabet: 'А' 'Д' 'Н' 'Я'"),
        ({"R2D2": 1}, "hotword 'R2D2': characters outside the alphabet: '2'"),
        ({" ": 1}, "hotword ' ': expected letters, found none"),
        ({"A": 0}, "hotword 'A': expected a positive weight, found 0"),
        ({"A": float("nan")}, "found nan"),
    ],
)
def test_what_cannot_be_a_hotword(weights, error):
    with pytest.raises(InputError) as raised:
        Hotwords(weights, upper, LETTERS)
    assert error in str(raised.value)


def test_hotwords_need_words():
    with pytest.raises(InputError, match="expected a model with the token"):
        Hotwords({"A": 1}, upper, Tokenizer([BLANK, "A"]))


def test_a_closed_vocabulary_refuses_hotwords_outside_it():
    with pytest.raises(InputError, match="hotword 'NEW YORK': 'YORK' is not in the lexicon"):
        hotwords = Hotwords({"NEW YORK": 1}, upper, LETTERS)
        BeamSearch(LETTERS, lexicon=Lexicon.from_words(["NEW"], LETTERS), hotwords=hotwords)
