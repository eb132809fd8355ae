"""Language models of files and of packages: what is read, and what does not belong together."""

import shutil

import pytest
from ambiguous import TEXT, build_lm

import speechrnn
from speechrnn.errors import InputError
from speechrnn.package import read_package, write_decoder
from speechrnn.search.language_model import read_language_model, read_packaged, write_packaged


@pytest.fixture
def package(tmp_path, package_dir):
    return read_package(shutil.copytree(package_dir, tmp_path / "package"))


@pytest.fixture
def lm(package):
    """The folder `lm/` of the package with a language model in it."""
    (package.directory / "lm").mkdir()
    build_lm(package.directory / "lm", name="ngram.lm")
    return package.directory / "lm"


def words(model):
    return sorted(model.lexicon.words), model.lexicon.is_open


def test_a_package_without_one(package):
    assert read_packaged(package) is None


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("name", ["a.lm", "a.arpa", "a.arpa.gz"])
def test_what_is_put_into_a_package_is_read_from_it(package, tmp_path, closed, name):
    model = read_language_model(build_lm(tmp_path, TEXT + "café\n", name), package, closed)
    assert words(model) == (["DAY", "GOOD", "NOW"], not closed)  # what cannot be spelled, nothing can hold
    write_packaged(model, package.tokenizer, package.directory / "lm")
    again = read_packaged(package)
    assert words(again) == words(model)
    sentence = "GOOD DAY NOW".split()
    assert again.ngram.score_sentence(sentence) == model.ngram.score_sentence(sentence)
    assert "3-grams of 3 words" in again.describe() and ("closed" in again.describe()) == closed


def test_a_package_that_lost_it(package, lm):
    write_decoder(package, {"method": "beam", "beam": 8, "lm_weight": 0.5}, package.directory)
    assert read_packaged(read_package(package.directory))
    shutil.rmtree(lm)
    with pytest.raises(
        InputError, match=r"package: expected the language model that model\.json has weights for in lm/"
    ):
        speechrnn.load(package.directory)
    assert speechrnn.load(package.directory, lm=False).decoder.description == "greedy"


def test_a_folder_without_a_model(package, lm):
    (lm / "ngram.lm").unlink()
    with pytest.raises(InputError, match=r"package/lm: expected a language model, ngram\.lm, found none"):
        read_packaged(package)


@pytest.mark.parametrize("contents", [b"", b"speechrnn n-gram\n{}\n", b"just words\n"])
def test_a_model_that_cannot_be_read(package, lm, contents):
    (lm / "ngram.lm").write_bytes(contents)
    with pytest.raises(InputError, match=r"ngram\.lm: expected"):
        read_packaged(package)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("добрый день\nдень\n", "spell 0 of the 2 likeliest, and not .*: is it of the right language"),
        ("good day\nday\n", "and not .*; in upper case it could: `speechrnn lm build --model`"),
    ],
)
def test_words_that_the_model_cannot_spell(package, tmp_path, text, message):
    path = build_lm(tmp_path, text, "other.arpa")
    path.write_text(path.read_text().lower())
    with pytest.raises(InputError, match=rf"other\.arpa: expected words in the alphabet of the model tones.*{message}"):
        read_language_model(path, package)


def test_a_lexicon_of_other_tokens(package, lm):
    (lm / "lexicon.txt").write_text("GOOD G UH D\n")
    with pytest.raises(InputError, match=r"lexicon\.txt, line 1: 'GOOD' is spelled with 'UH'"):
        read_packaged(package)


def test_a_lexicon_of_other_words(package, lm):
    (lm / "lexicon.txt").write_text("GOOD\nBYE\nHELLO\n")
    with pytest.raises(InputError, match=r"lexicon\.txt: .* 2 of 3 .*such as BYE HELLO: they do not belong together"):
        read_packaged(package)


def test_a_lexicon_is_normalised_and_may_hold_words_that_the_model_does_not_know(package, lm):
    (lm / "lexicon.txt").write_text("good\nday\nbye\n")
    assert words(read_packaged(package)) == (["BYE", "DAY", "GOOD"], False)
