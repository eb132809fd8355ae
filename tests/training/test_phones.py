"""Models whose tokens are phones: a lexicon says how words are pronounced, from training to transcripts."""

import shutil

import pytest
from ambiguous import build_lm
from conftest import RATE, tones
from tiny_runs import tiny, tone_corpus

from speechrnn.errors import InputError
from speechrnn.export.export import export
from speechrnn.manifest import read_manifest
from speechrnn.package import read_package
from speechrnn.pronunciation.pronunciations import with_words
from speechrnn.recognizer import Recognizer
from speechrnn.search.hotwords import Hotwords
from speechrnn.search.lexicon import Lexicon
from speechrnn.text import Tokenizer, lexicon_lines, read_pronunciations
from speechrnn.training.run import train

LEXICON = {"HELLO": ["HH AH L OW", "HH EH L OW"], "LOW": ["L OW"], "LO": ["L OW"], "A": ["AH", "EY"]}
PHONES = Tokenizer.from_pronunciations(LEXICON)


def test_words_are_spelled_as_they_are_pronounced():
    assert PHONES.tokens == ["<blank>", "|", "AH", "EH", "EY", "HH", "L", "OW"]
    assert PHONES.encode("A LOW") == [2, 1, 6, 7]  # the first pronunciation
    assert PHONES.spellings("HELLO") == [[5, 2, 6, 7], [5, 3, 6, 7]] and PHONES.spellings("HALLO") == []
    assert PHONES.decode([1, 5, 2, 1, 1, 6, 7, 1]) == "HH-AH L-OW"
    assert PHONES.outside("HI LOW YOU") == ["HI", "YOU"]
    with pytest.raises(InputError, match="'A HALLO': words without a pronunciation: 'HALLO'"):
        PHONES.encode("A HALLO")


def test_a_pronunciation_with_a_phone_that_is_no_token_is_none():
    tokenizer = Tokenizer(PHONES.tokens, {**LEXICON, "HI": ["HH AY"], "A": ["AY", "AH"]})
    assert tokenizer.outside("A HI") == ["HI"] and tokenizer.encode("A") == [2]
    assert Lexicon.from_words(["HI", "A"], tokenizer, is_open=True).words == ["A"]


def test_a_lexicon_is_what_was_written(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text(lexicon_lines(LEXICON))
    assert read_pronunciations(path) == LEXICON
    path.write_text("\ufeffHELLO\tHH AH L OW\n\n  LOW  L \u00a0OW \nHELLO HH EH L OW\nLO L OW\nA AH\nA EY\nA AH\n")
    assert read_pronunciations(path) == LEXICON


@pytest.mark.parametrize(
    ("contents", "error"),
    [
        ("A AH\nHELLO\n", "line 2: expected a word and its phones, found 'HELLO'"),
        ("A | AH\n", "line 1: expected a word and its phones"),
        ("\n \n", "found no word in it"),
        (b"\xff", "expected a pronouncing lexicon"),
        (None, "expected a pronouncing lexicon"),
    ],
)
def test_lexicons_that_cannot_be_used(tmp_path, contents, error):
    path = tmp_path / "lexicon.txt"
    if contents is not None:
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    with pytest.raises(InputError) as raised:
        read_pronunciations(path)
    assert error in str(raised.value) and str(path) in str(raised.value)


def test_a_vocabulary_of_words_alone_is_pronounced_by_the_model(tmp_path):
    lexicon = Lexicon.from_words(["LOW", "HELLO", "UNKNOWN", "LO"], PHONES, is_open=True)
    assert lexicon.words == ["LOW", "HELLO", "LO"] and not lexicon.is_open
    node = 0
    for token in PHONES.encode("LO"):
        node = int(lexicon.follow([node], [token])[0])
    assert lexicon.word_count[node] == 2  # homophones
    (tmp_path / "words.txt").write_text("LOW\nHELLO\nLO\n")
    assert Lexicon.read(tmp_path / "words.txt", PHONES).words == lexicon.words
    (tmp_path / "words.txt").write_text("LOW\nHI\n")
    with pytest.raises(InputError, match="'HI': words without a pronunciation"):
        Lexicon.read(tmp_path / "words.txt", PHONES)


def test_a_hotword_is_heard_in_every_pronunciation():
    hotwords = Hotwords({"a hello": 1.0}, str.upper, PHONES)
    for first in PHONES.spellings("A"):
        for second in PHONES.spellings("HELLO"):
            state, earned = 0, 0.0
            for token in [*first, PHONES.boundary, *second, PHONES.boundary]:
                state = int(hotwords.after[state, token])
                earned += float(hotwords.earned[state])
            assert earned == 6.0  # five phones and the boundary between them
    with pytest.raises(InputError, match="hotword 'you': words without a pronunciation: 'YOU'"):
        Hotwords({"you": 1.0}, str.upper, PHONES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A package whose words are A, B, C and two of them, each pronounced by tones of its own; B has two pronunciations."""
    folder = tmp_path_factory.mktemp("phones")
    tone_corpus(folder)
    words = sorted({word for u in read_manifest(folder / "train.jsonl") for word in u.text.split()} | {"CC", "BB"})
    lexicon = {word: [" ".join(f"t{letter}" for letter in word)] for word in words}
    lexicon["C"] = ["tC", "tA tA tA"]
    lexicon["SEE"] = ["tC"]  # never trained on
    (folder / "lexicon.txt").write_text(lexicon_lines(lexicon))
    train(tiny(folder, folder / "run", optimiser__epochs=12, data__lexicon=str(folder / "lexicon.txt")))
    export(folder / "run", folder / "package")
    return folder


def test_from_training_to_phones(trained, capsys):
    package = read_package(trained / "package")
    assert package.token_type == "phones" and package.tokenizer.tokens == ["<blank>", "|", "tA", "tB", "tC"]
    assert package.training["per"]["dev"] < 20 and "wer" not in package.training
    assert "%PER" in (trained / "run" / "log.jsonl").read_text()
    recognizer = Recognizer(trained / "package")
    assert recognizer.transcribe(tones("AB B"), RATE).text == "AB B"  # of the model's own lexicon
    assert recognizer.decoder.description.endswith("words of the model's lexicon, no language model")
    aligned = recognizer.align(tones("AB C"), "AB see", RATE)
    assert [word.text for word in aligned.words] == ["AB", "see"]
    assert recognizer.transcribe(tones("AB C"), RATE, times=True).words[0].start == aligned.words[0].start
    with pytest.raises(InputError, match="the word 'Åse': the model model has no pronunciation of it"):
        recognizer.align(tones("AB C"), "Åse", RATE)


def test_a_word_outside_the_lexicon_is_guessed_from_it(trained, tmp_path):
    package = with_words(read_package(trained / "package"), ["ABBA", "C", "Å"])
    assert package.tokenizer.spellings("ABBA")[0] == [2, 3, 3, 2] and package.tokenizer.outside("C Å") == ["Å"]
    sound = tones("ABBA C")
    assert [word.text for word in Recognizer(trained / "package").align(sound, "Abba c", RATE).words] == ["Abba", "c"]
    lm = build_lm(tmp_path, "ab c\nab ba c\n" * 5, "words.lm", "--order", "2")
    for hotwords, text in (("abba", "ABBA C"), (None, "AB BA C")):
        recognizer = Recognizer(trained / "package", lm=lm, hotwords=hotwords)
        assert recognizer.transcribe(sound, RATE).text == text
    with pytest.raises(InputError, match="hotword 'Å': words without a pronunciation"):
        Recognizer(trained / "package", hotwords="Å")


def test_a_language_model_turns_phones_into_words(trained, tmp_path):
    for favourite, other in (("C", "SEE"), ("SEE", "C")):  # homophones: only the language model tells them apart
        lm = build_lm(
            tmp_path, f"ab {favourite}\n" * 9 + f"ab {other}\nb a\nhello a\n", f"{favourite}.lm", "--order", "2"
        )
        recognizer = Recognizer(trained / "package", lm=lm)
        found = recognizer.transcribe(tones("AB C"), RATE, times=True)
        assert found.text == f"AB {favourite}" and [word.text for word in found.words] == ["AB", favourite]
        assert (
            "HELLO" not in recognizer.decoder.search.lexicon.words
            and "closed vocabulary" in recognizer.decoder.description
        )


def test_a_lexicon_with_other_phones_than_the_models_is_named(trained, tmp_path):
    package = shutil.copytree(trained / "package", tmp_path / "package")
    with open(package / "lexicon.txt", "a") as lexicon:
        lexicon.write("D tA tX\n")
    with pytest.raises(
        InputError, match=r"lexicon.txt, line \d+: expected phones that are tokens .* found 'tX' in 'D tA tX'"
    ):
        read_package(package)
    (package / "lexicon.txt").unlink()
    with pytest.raises(InputError, match="lexicon.txt: expected a pronouncing lexicon"):
        read_package(package)
    text = (trained / "lexicon.txt").read_text()
    try:
        (trained / "lexicon.txt").write_text(text + "D tX\n")
        with pytest.raises(InputError, match="run: its data.lexicon goes into the package: .*found 'tX'"):
            export(trained / "run", tmp_path / "again")
    finally:
        (trained / "lexicon.txt").write_text(text)
    with pytest.raises(InputError, match="sherpa-onnx would print the phones"):
        export(trained / "run", tmp_path / "sherpa", form="sherpa-onnx")


def test_the_lexicon_of_a_language_model_may_be_words_alone_and_not_empty(trained, tmp_path):
    package = shutil.copytree(trained / "package", tmp_path / "package")
    (package / "lm").mkdir()
    build_lm(package / "lm", "ab c\nab see\n" * 5, "ngram.lm", "--order", "2")
    for words, text in (("AB\nSEE\n", "AB SEE"), ("AB\ttA tB\nC tC\n", "AB C")):
        (package / "lm" / "lexicon.txt").write_text(words)
        assert Recognizer(package, beam=8).transcribe(tones("AB C"), RATE).text == text
    (package / "lm" / "lexicon.txt").write_text("\n")
    with pytest.raises(InputError, match="found no word in it"):
        Recognizer(package, beam=8)
