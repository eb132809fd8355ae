"""lm/lexicon.bin: the lexicon that is built, from the file; what is stale or damaged is not used."""

import shutil

import numpy as np
import pytest
from ambiguous import TEXT, blend, build_lm
from conftest import DESCRIPTION, RATE, TOKENS
from lexicons import assert_same

import speechrnn
from speechrnn.cli import main
from speechrnn.package import read_package, write_decoder, write_package
from speechrnn.search.language_model import copy_packaged, read_language_model, read_packaged, write_packaged
from speechrnn.text import Tokenizer

WORDS = ["DAY", "GOOD", "GOLD", "NOW", "WAY", "NOT"]
WEIGHTS = {"method": "beam", "beam": 12, "lm_weight": 0.7}
SOUND = blend("good way now", "good day now")


@pytest.fixture
def package(tmp_path, tone_onnx):
    """The folder of a package whose phones are letters; a word has two pronunciations, and two are homophones."""
    pronunciations = {word: [" ".join(word)] for word in WORDS} | {"NOW": ["N O W", "N O"], "KNOW": ["N O W"]}
    tokenizer = Tokenizer(TOKENS, pronunciations)
    write_package(tmp_path / "plain", tone_onnx, tokenizer, DESCRIPTION | {"token_type": "phones"}, "")
    plain = read_package(tmp_path / "plain")
    model = read_language_model(build_lm(tmp_path, TEXT + "know way gold\n"), plain)
    write_decoder(plain, WEIGHTS, tmp_path / "tuned", lambda folder: write_packaged(model, plain.tokenizer, folder))
    return tmp_path / "tuned"


def is_used(folder):
    model = read_packaged(read_package(folder))
    return model.word_ids is not None


def heard(folder):
    return speechrnn.load(folder, 1).transcribe(SOUND, RATE).text


def test_it_equals_what_is_built_and_gives_the_same_texts(package):
    made, text = read_package(package), heard(package)
    model = read_packaged(made)
    assert model.word_ids is not None and "pronunciations" not in vars(made.tokenizer)
    (package / "lm" / "lexicon.bin").unlink()
    built = read_packaged(read_package(package))
    assert built.word_ids is None
    assert_same(model.lexicon, built.lexicon)
    assert model.word_ids.tolist() == built.ngram.indices(built.lexicon.words).tolist()
    assert heard(package) == text == "good day now"
    assert made.tokenizer.spellings("NOW") == read_package(package).tokenizer.spellings("NOW")


@pytest.mark.parametrize("name", ["lexicon.txt", "tokens.txt"])
def test_with_other_texts_it_is_not_used(package, name):
    with open(package / name, "a") as file:
        file.write("DOG D O G\n" if name == "lexicon.txt" else f"extra {len(TOKENS)}\n")
    assert read_package(package).lexicon_file is None and not is_used(package)
    if name == "lexicon.txt":
        assert heard(package) == "good day now"
        assert main(["models", "index", str(package)]) == 0
        assert is_used(package)


def test_with_another_language_model_it_is_not_used(package, tmp_path):
    shutil.copy(build_lm(tmp_path, "good way now\nday\n" * 9), package / "lm" / "ngram.lm")
    assert read_package(package).lexicon_file is not None and not is_used(package)
    assert sorted(read_packaged(read_package(package)).lexicon.words) == ["DAY", "GOOD", "NOW", "WAY"]


def test_damage_is_found(package):
    path = package / "lm" / "lexicon.bin"
    whole = path.read_bytes()
    begins = whole.find(b"\n\n") + 64  # of the arrays
    places = np.random.default_rng(0).integers(0, len(whole), 40).tolist()
    for place in [*places, 20, 30]:
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        model = read_packaged(read_package(package))
        assert "NOW" in model.lexicon.words and model.lexicon.nodes > 10
    for contents in (b"", whole[:-1], whole[:40], whole[:begins], b"speechrnn lexicon\n[]\n", whole + b"\0"):
        path.write_bytes(contents)
        assert not is_used(package)
    path.write_bytes(whole.replace(b'"format": 1', b'"format": 9'))
    assert not is_used(package)
    path.write_bytes(whole)
    assert is_used(package)


def test_hotwords_of_any_kind_are_heard(package):
    for hotword in ("way", "nod"):  # in the lexicon, and not
        words = speechrnn.load(package, 1, hotwords=hotword).decoder.search.lexicon.words
        assert hotword.upper() in words


def test_a_copy_has_it_and_one_without_phones_needs_none(package, tmp_path, package_dir, capsys):
    (package / "lm" / "lexicon.bin").unlink()
    old = read_package(package)
    description = DESCRIPTION | {"token_type": "phones", "decoder": WEIGHTS}
    write_package(tmp_path / "again", b"", old.tokenizer, description, "", lambda folder: copy_packaged(old, folder))
    assert is_used(tmp_path / "again")
    assert main(["models", "index", str(package_dir)]) == 1
    assert "expected phones and a language model" in capsys.readouterr().err
