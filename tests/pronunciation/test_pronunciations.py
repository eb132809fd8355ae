"""Pronunciations: the dictionary's form, alignment and search against brute force, and a made language that is learned."""

import gzip
import lzma
import math
from collections import defaultdict
from itertools import product

import numpy as np
import pytest

from speechrnn.errors import InputError
from speechrnn.lm.ngram import NgramModel
from speechrnn.pronunciation import graphones, pronunciations
from speechrnn.pronunciation.graphones import graphone_text
from speechrnn.pronunciation.pronunciations import Pronouncer, read_dictionary

DICTIONARY = """;;; a comment
read R EH1 D # the past
read(2) R IY1 D
a.  AH0
a.(2) EY1
a.(3) EY2

ad-hoc AE1 D HH AA1 K
Ärger EH1 R G ER0
"""


def made_language(words, seed=0):
    """Words of a made orthography with rules: C is S before E and I, else K; a final E and every H are silent; X is K S."""
    random = np.random.default_rng(seed)
    result = {}
    while len(result) < words:
        word = "".join(random.choice(list("ABCEHINSTX"), random.integers(2, 8)))
        phones = []
        for here, after in zip(word, [*word[1:], ""], strict=True):
            if here == "C":
                phones.append("S" if after and after in "EI" else "K")
            elif here == "X":
                phones += ["K", "S"]
            elif here != "H" and not (here == "E" and not after):
                phones.append({"A": "AH", "E": "EH", "I": "IH"}.get(here, here))
        if phones:
            result[word] = [" ".join(phones)]
    return result


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_a_dictionary_of_cmus_form_is_read(pack, tmp_path):
    path = tmp_path / "dictionary"
    path.write_bytes(pack(DICTIONARY.encode()))
    assert read_dictionary(path) == {
        "READ": ["R EH D", "R IY D"],
        "A.": ["AH", "EY"],
        "AD-HOC": ["AE D HH AA K"],
        "ÄRGER": ["EH R G ER"],
    }
    assert list(read_dictionary(path, "raw")) == ["read", "a.", "ad-hoc", "Ärger"]
    assert list(read_dictionary(path, "words")) == ["read", "a", "ärger"]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"read R IY1 D\nlead\n", "line 2: expected a word and its phones such as 'read R IY1 D', found 'lead'"),
        (b"read 0.5 R IY1 D\n", "line 1: expected a word and its phones"),
        (b"(2) R IY1 D\n", "line 1: expected a word and its phones"),
        (b"re|ad R IY1 D\n", "line 1: '|'"),
        (b"\n;;; nothing\n", "found no word in it"),
        (b"read R IY1 D\n\xff\n", "line 2: expected UTF-8"),
    ],
)
def test_what_is_no_dictionary_is_refused_by_line(contents, message, tmp_path):
    (tmp_path / "dictionary").write_bytes(contents)
    with pytest.raises(InputError) as error:
        read_dictionary(tmp_path / "dictionary")
    assert message in str(error.value) and str(tmp_path / "dictionary") in str(error.value)


def alignments(word, phones):
    """All ways to give each letter 0, 1 or 2 of the phones, in order."""
    for taken in product((0, 1, 2), repeat=len(word)):
        if sum(taken) == len(phones):
            ends = np.cumsum(taken)
            yield ["|".join([c, *(phones[e - k : e] or [""])]) for c, k, e in zip(word, taken, ends, strict=True)]


def test_the_alignment_is_that_of_em_over_all_alignments_one_by_one():
    pairs = [(word, own[0].split()) for word, own in made_language(60).items() if len(word) < 6]
    lattices = [list(alignments(*pair)) for pair in pairs]
    shares = dict.fromkeys({g for lattice in lattices for path in lattice for g in path}, 0.01)
    for _ in range(graphones.ITERATIONS):
        counts = defaultdict(float)
        for lattice in lattices:
            weights = [math.prod(shares[g] for g in path) for path in lattice]
            for weight, path in zip(weights, lattice, strict=True):
                for g in path:
                    counts[g] += weight / sum(weights)
        shares = {g: counts[g] / sum(counts.values()) for g in shares}
    best = {
        pair[0]: max(math.prod(shares[g] for g in path) for path in lattice)
        for pair, lattice in zip(pairs, lattices, strict=True)
    }
    text = graphone_text(pairs)
    sentences = " ".join(text.words[id] for id in text.ids).split("</s>")[:-1]
    found = {"".join(g[0] for g in s.split()[1:]): math.prod(shares[g] for g in s.split()[1:]) for s in sentences}
    assert found == pytest.approx(best)  # ties are many: several alignments may be the best


def test_pronunciations_that_no_letters_can_hold_are_left_out():
    text = graphone_text([("A", ["K", "S", "K"]), ("AB", ["K"]), ("C", [])])
    assert sum(id == 1 for id in text.ids) == 1
    assert graphone_text([]).tokens == 0


def test_the_search_finds_what_an_exhaustive_one_finds(monkeypatch):
    monkeypatch.setattr(pronunciations, "BEAM", 10**6)
    monkeypatch.setattr(pronunciations, "WIDTH", 10**6)
    dictionary = {"AX": ["AH K S", "AH S"], "XA": ["S AH"], "AA": ["AH", "EY AH"], "X": ["X"]}
    pronouncer = Pronouncer.train(dictionary, order=3)
    model = pronouncer._model
    for word in ("XAX", "AXA", "AA"):
        expected = defaultdict(float)
        for path in product(model.words[3:], repeat=len(word)):
            if all(name.startswith(letter) for name, letter in zip(path, word, strict=True)):
                phones = " ".join(phone for name in path for phone in name.split("|")[1:] if phone)
                expected[phones] += np.exp(model.score_sentence(path))
        expected.pop("", None)
        found = pronouncer.pronounce([word], most=1000)[0]
        assert {p.phones for p in found} == expected.keys()
        assert [p.log_prob for p in found] == sorted((p.log_prob for p in found), reverse=True)
        for p in found:
            assert p.log_prob == pytest.approx(np.log(expected[p.phones] / sum(expected.values())), abs=1e-4)


def test_a_made_language_is_learned():
    language = made_language(1200)
    words = list(language)
    pronouncer = Pronouncer.train({word: language[word] for word in words[200:]})
    found = pronouncer.pronounce(words[:200])
    assert sum(best[0].phones == language[word][0] for word, best in zip(words, found, strict=False)) >= 195
    assert pronouncer.pronounce(words[:30], 3) == [pronouncer.pronounce([word], 3)[0] for word in words[:30]]


def test_words_without_a_pronunciation_have_none():
    pronouncer = Pronouncer.train({"AB": ["AH B"], "ABH": ["AH B"], "BAH": ["B AH"]})
    assert pronouncer.pronounce(["ÖB", "", "AB", "A1"])[::3] == [[], []]
    assert pronouncer.pronounce(["ÖB", "", "AB"])[1:] == [[], pronouncer.pronounce(["AB"])[0]]
    assert pronouncer.unknown_letters("1AÖ1") == ["1", "Ö"]
    with pytest.raises(InputError, match="one or two phones for a letter"):
        Pronouncer.train({"A": ["A B C"]})


def test_it_is_one_file_and_smaller_pruned(tmp_path):
    language = made_language(600)
    words = list(made_language(50, seed=1))
    whole, pruned = Pronouncer.train(language), Pronouncer.train(language, entropy=1e-5)
    whole.write(tmp_path / "whole")
    pruned.write(tmp_path / "pruned")
    assert Pronouncer.read(tmp_path / "whole").pronounce(words, 2) == whole.pronounce(words, 2)
    assert Pronouncer.read(tmp_path / "pruned").pronounce(words, 2) == pruned.pronounce(words, 2)
    assert (tmp_path / "pruned").stat().st_size < (tmp_path / "whole").stat().st_size
    other = tmp_path / "words.arpa"
    other.write_text("\\data\\\nngram 1=3\n\n\\1-grams:\n-1 <s>\n-1 </s>\n-1 HELLO\n\n\\end\\\n")
    assert NgramModel.read(other).words[-1] == "HELLO"
    with pytest.raises(InputError, match="words.arpa: pronunciations: expected a model whose words .* found 'HELLO'"):
        Pronouncer.read(other)
