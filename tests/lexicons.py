"""Lexicons compared."""

import numpy as np

from speechrnn.search.lexicon import Lexicon


def assert_same(lexicon: Lexicon, other: Lexicon) -> None:
    """In every array, and in its type; but for `trie`, of which they were made."""
    ours, theirs = ({k: v for k, v in vars(each).items() if k != "trie"} for each in (lexicon, other))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert np.array_equal(value, theirs[name]), name
        assert getattr(value, "dtype", None) == getattr(theirs[name], "dtype", None), name
