"""`speechrnn lexicon` from end to end: words in, a lexicon out that a decoder reads, and what is said when it cannot be."""

import json

import pytest

from speechrnn.cli import main
from speechrnn.search.lexicon import Lexicon
from speechrnn.text import BLANK, Tokenizer

VOWELS = {"a": "AE1", "e": "EH1", "i": "IH1"}
DICTIONARY = ";;; made\na AH0\na(2) EY1\na(3) AA1\na(4) AE1\n" + "".join(
    f"{first}{vowel}{last} {first.upper()} {phone} {last.upper()}\n"
    for first in "bdg"
    for vowel, phone in VOWELS.items()
    for last in "bdg"
    if first + vowel + last != "deb"
)
PHONES = ["B", "D", "G", "AE", "EH", "IH", "AH", "EY", "AA"]


@pytest.fixture
def dictionary(tmp_path):
    (tmp_path / "dictionary").write_text(DICTIONARY)
    return tmp_path / "dictionary"


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text("bad deb\na bed\n")
    return tmp_path / "text.txt"


def lexicon(*arguments, status=0) -> None:
    assert main(["lexicon", *map(str, arguments)]) == status


def test_words_come_from_the_dictionary_and_the_rest_is_guessed(dictionary, text, tmp_path, capsys):
    lexicon(dictionary, text, "-o", tmp_path / "out.txt")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "4 words, 6 pronunciations: 3 words from the dictionary, 1 guessed: DEB (D EH B)\n" in shown.err
    expected = ["A AH", "A EY", "A AA", "BAD B AE D", "BED B EH D", "DEB D EH B"]
    assert (tmp_path / "out.txt").read_text().splitlines() == expected
    lexicon(dictionary, text, "--pronunciations", 1)
    assert capsys.readouterr().out.splitlines() == [expected[0], *expected[3:]]
    lexicon(dictionary, text, "--normaliser", "raw")
    assert capsys.readouterr().out.splitlines()[:2] == ["a AH", "a EY"]


def test_a_decoder_reads_it(dictionary, text, tmp_path):
    lexicon(dictionary, text, "-o", tmp_path / "out.txt")
    read = Lexicon.read(tmp_path / "out.txt", Tokenizer([BLANK, *PHONES]))
    assert read.words == ["A", "BAD", "BED", "DEB"]
    assert len(read.node_words) == 6


def test_words_of_manifests_and_language_models(dictionary, text, tmp_path, capsys):
    lexicon(dictionary, text)
    expected = capsys.readouterr().out
    utterances = [{"audio_filepath": f"{i}.wav", "text": t} for i, t in enumerate(text.read_text().splitlines())]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(utterance) + "\n" for utterance in utterances))
    for name in ("words.lm", "words.arpa", "words.arpa.gz"):
        assert main(["lm", "build", str(text), "-o", str(tmp_path / name)]) == 0
    capsys.readouterr()
    for words in (manifest, tmp_path / "words.lm", tmp_path / "words.arpa", tmp_path / "words.arpa.gz"):
        lexicon(dictionary, words)
        assert capsys.readouterr().out == expected
    (tmp_path / "more.txt").write_text("dab\n")
    lexicon(dictionary, manifest, tmp_path / "more.txt")
    assert set(capsys.readouterr().out.splitlines()) == {*expected.splitlines(), "DAB D AE B"}


def test_words_that_cannot_be_pronounced_are_named(dictionary, text, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("bad 1984 döb\n")
    lexicon(dictionary, text, "-o", tmp_path / "out.txt", status=1)
    assert (
        "2 words left out, which have letters that no word of the dictionary has: 1984 DÖB:" in capsys.readouterr().err
    )
    assert (tmp_path / "out.txt").read_text() == "BAD B AE D\n"


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("1984\n", "expected words in the letters of"),
        ("\n", "expected texts or a language model, found no word in it"),
        (None, "No such file"),
    ],
)
def test_without_a_word_to_pronounce_nothing_is_written(contents, message, dictionary, tmp_path, capsys):
    if contents is not None:
        (tmp_path / "text.txt").write_text(contents)
    lexicon(dictionary, tmp_path / "text.txt", "-o", tmp_path / "out.txt", status=1)
    error = capsys.readouterr().err
    assert message in error and "text.txt" in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out.txt").exists()
