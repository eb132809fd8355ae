"""What a step of the beam search knows of the live prefixes, and of those that may come: flat arrays, a place for each."""

from typing import NamedTuple

import numpy as np


class Beam(NamedTuple):
    """The live prefixes (slots,), in order of utterance, with log-probabilities of their alignments."""

    utterance: np.ndarray
    prefix: np.ndarray  # ids
    blank: np.ndarray  # of the alignments that end with a blank
    other: np.ndarray  # of those that end with the last token
    total: np.ndarray  # of both


class Slots(NamedTuple):
    """What a step knows of the live prefixes, (slots,)."""

    prefix: np.ndarray
    row: np.ndarray  # of the frame
    base: np.ndarray  # where that row begins in flat arrays
    last: np.ndarray  # token
    node: np.ndarray
    bonus: np.ndarray
    blank: np.ndarray
    total: np.ndarray
    floor: np.ndarray  # what ranks below it is dropped
    least: np.ndarray  # the log-probability of a token that is worth a closer look


class Grown(NamedTuple):
    """Live prefixes that are one token longer than live ones."""

    above: np.ndarray  # slot of the shorter one
    token: np.ndarray
    choice: np.ndarray  # which of its ends; -1 where no word ended


class Extensions(NamedTuple):
    """Prefixes that are not live, one token longer than live ones, (extensions,)."""

    slot: np.ndarray  # of the shorter one
    token: np.ndarray
    acoustic: np.ndarray  # log-probability
    node: np.ndarray
    end: np.ndarray  # row of `prefixes.word_ends` for the word that ended; -1 if none did
    rank: np.ndarray
    plain: np.ndarray  # the same without what hotwords lend
