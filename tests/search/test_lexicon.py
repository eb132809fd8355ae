"""The trie against sets of prefixes written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechrnn.errors import InputError
from speechrnn.search.lexicon import LONGEST, ROOT, Lexicon
from speechrnn.text import BLANK, BOUNDARY, Tokenizer, upper

LETTERS = Tokenizer([BLANK, BOUNDARY, *"ABC"])
PHONES = Tokenizer([BLANK, "HH", "AH", "L", "OW"])
words_ = st.lists(st.text("ABC", min_size=1, max_size=5), unique=True, max_size=12)


def walk(lexicon, tokens):
    """The node of a spelling from the root, -1 once it has left the trie."""
    node = ROOT
    for token in tokens:
        if node >= 0:
            node = int(lexicon.follow(np.array([node]), np.array([token]))[0])
    return node


def words_at(lexicon, node):
    first = lexicon.first_word[node]
    return [[*lexicon.words, "?"][word] for word in lexicon.node_words[first : first + lexicon.word_count[node]]]


@given(words_, st.lists(st.text("ABC", max_size=6), max_size=12))
def test_closed_and_open(words, others):
    closed = Lexicon.from_words(words, LETTERS)
    is_open = Lexicon.from_words(words, LETTERS, is_open=True)
    prefixes = {word[:i] for word in words for i in range(len(word) + 1)} | {""}
    assert closed.nodes == len(prefixes)
    for text in [*words, *prefixes, *others]:
        node = walk(closed, LETTERS.encode(text))
        assert (node >= 0) == (text in prefixes)
        assert node < 0 or words_at(closed, node) == [text] * (text in words)
        node = walk(is_open, LETTERS.encode(text))
        assert words_at(is_open, node) == ([text] if text in words else ["?"] if text else [])
        assert not words or is_open.letters[node] == len(text)


@given(words_)
def test_best_reachable(words):
    scores = np.random.default_rng(len(words)).normal(size=len(words) + 1)
    for is_open in (False, True):
        lexicon = Lexicon.from_words(words, LETTERS, is_open)
        best = lexicon.best_reachable(scores[lexicon.node_words])
        prefixes = {word[:i] for word in words for i in range(len(word) + 1)}
        for prefix in prefixes:
            reachable = [score for word, score in zip(words, scores, strict=False) if word.startswith(prefix)]
            unknown = is_open and any(each and each.startswith(prefix) for each in prefixes - set(words))
            assert best[walk(lexicon, LETTERS.encode(prefix))] == max(
                reachable + [scores[-1]] * unknown, default=-np.inf
            )
        assert not is_open or best[-1] == scores[-1]


@pytest.mark.parametrize("words", [["AB"], ["AB", "C" * 60]])
def test_an_unknown_word_ends_somewhere(words):
    """Else it could be a whole sentence. Where no word is known, a model may have no boundaries."""
    lexicon = Lexicon.from_words(words, LETTERS, is_open=True)
    letters = LETTERS.encode("AB" * LONGEST)
    assert words_at(lexicon, walk(lexicon, letters[:LONGEST])) == ["?"]
    assert walk(lexicon, letters[: LONGEST + 1]) == -1
    assert words_at(lexicon, walk(lexicon, LETTERS.encode(words[-1]))) == [words[-1]]
    assert walk(lexicon, LETTERS.encode("C" * 55 + "A")) == -1
    assert walk(Lexicon.from_words([], LETTERS, is_open=True), letters) >= 0


def test_pronunciations_and_homophones(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("LOW L OW\nHELLO HH AH L OW\n\nHELLO  HH L OW\nLO L OW\n")
    lexicon = Lexicon.read(path, PHONES)
    assert lexicon.words == ["LOW", "HELLO", "LO"]
    assert words_at(lexicon, walk(lexicon, [3, 4])) == ["LOW", "LO"]
    assert words_at(lexicon, walk(lexicon, [1, 2, 3, 4])) == words_at(lexicon, walk(lexicon, [1, 3, 4])) == ["HELLO"]
    assert words_at(lexicon, walk(lexicon, [1, 2])) == [] and walk(lexicon, [2]) == -1


def test_a_word_list_goes_through_the_normaliser(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("cab\nBAC\ncab\n")
    assert Lexicon.read(path, LETTERS, upper).words == ["CAB", "BAC"]


def test_without_words_anything_goes():
    lexicon = Lexicon.from_words([], LETTERS, is_open=True)
    node = walk(lexicon, [2, 4, 4, 3])
    assert node >= 0 and words_at(lexicon, node) == ["?"] and words_at(lexicon, ROOT) == []
    assert not Lexicon.from_words([], PHONES, is_open=True).word_count.any()  # no boundary says where a word ends


def test_an_open_vocabulary_leaves_out_what_has_no_spelling():
    words = ["A", "X-RAY", "", "B", "B😀", "A|", "A A", "C\udc80"]
    assert Lexicon.from_words(words, LETTERS, is_open=True).words == ["A", "B"]


@pytest.mark.parametrize(
    ("contents", "error"),
    [
        ("CAB\nCAB HH\n", "lexicon.txt, line 2: 'CAB' is spelled with 'HH', which"),
        ("cab\n", "line 1: 'cab' is spelled with 'c'"),
        ("A|B\n", "line 1: 'A|B' is spelled with '|'"),
        ("\n\n", "found no word in it"),
        (b"\xff\xfe", "expected a lexicon"),
    ],
)
def test_lexicon_files_that_cannot_be_used(tmp_path, contents, error):
    path = tmp_path / "lexicon.txt"
    path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    with pytest.raises(InputError) as raised:
        Lexicon.read(path, LETTERS)
    assert error in str(raised.value)


def test_other_errors(tmp_path):
    with pytest.raises(InputError, match="expected a lexicon"):
        Lexicon.read(tmp_path / "absent.txt", LETTERS)
    with pytest.raises(InputError, match="'ДА': characters outside the alphabet: 'А' 'Д'"):
        Lexicon.from_words(["A", "ДА"], LETTERS)
    with pytest.raises(InputError, match="'A B': expected one word"):
        Lexicon.from_words(["A B"], LETTERS)
    with pytest.raises(InputError, match="'B': expected a spelling, found none"):
        Lexicon(["A", "B"], [(0, [2]), (1, [])], LETTERS)
