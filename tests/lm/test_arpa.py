"""ARPA files: what is read is what is written, and what is wrong is named with its line."""

import gzip

import numpy as np
import pytest
from arpa_models import Definition, random_arpa

from speechrnn.errors import InputError
from speechrnn.lm.arpa import read_arpa, write_arpa

MODEL = """made by hand

\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1.0\t<UNK>
-99\t<s>\t-0.5
-0.5\t</s>
-0.7\tone\t-0.3
-0.8\ttwo

\\2-grams:
-0.1\t<s> one
-0.2\tone two

\\end\\
"""


def read(tmp_path, contents):
    path = tmp_path / "model.arpa"
    path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    return read_arpa(path)


@pytest.mark.parametrize("name", ["again.arpa", "again.arpa.gz"])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_what_is_written_is_read(tmp_path, name, order):
    model = read_arpa(random_arpa(tmp_path / "model.arpa", order, seed=order))
    write_arpa(tmp_path / name, model)
    again = read_arpa(tmp_path / name)
    assert again.words == model.words
    for table, other in zip(model.tables, again.tables, strict=True):
        assert np.array_equal(table.contexts, other.contexts) and np.array_equal(table.words, other.words)
        assert np.allclose(table.log_probs, other.log_probs, atol=1e-6)
        assert np.allclose(table.backoffs, other.backoffs, atol=1e-6)
    if not name.endswith(".gz"):
        written, first = Definition(tmp_path / name), Definition(tmp_path / "model.arpa")
        assert written.log_probs == pytest.approx(first.log_probs, abs=1e-6)
        assert written.backoffs == pytest.approx(first.backoffs, abs=1e-6)


def test_tables_are_sorted_whatever_the_order_of_the_file(tmp_path):
    model = read_arpa(random_arpa(tmp_path / "model.arpa", 3, seed=9))
    for table in model.tables[1:]:
        keys = table.contexts * len(model.words) + table.words
        assert (np.diff(keys) > 0).all()


def test_blanks_headers_and_other_spellings(tmp_path):
    model = read(tmp_path, MODEL.replace("\t", " ").replace("\n", "\r\n"))
    assert model.words == ["<unk>", "<s>", "</s>", "one", "two"]
    assert model.tables[0].log_probs[0] == pytest.approx(-np.log(10))
    assert model.tables[0].backoffs[3] == pytest.approx(-0.3 * np.log(10))


def test_a_model_without_unknown_word_gives_it_next_to_nothing(tmp_path):
    model = read(tmp_path, MODEL.replace("-1.0\t<UNK>\n", "").replace("1=5", "1=4"))
    assert model.words[0] == "<unk>"
    assert model.tables[0].log_probs[0] == pytest.approx(-99 * np.log(10))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1=5", "1=6", "line 13: expected 6 1-grams as the header says, found 5"),
        ("1=5", "1=4", "line 12: expected the 4 1-grams of the header, then"),
        ("2=2", "2=3", "line 17: expected 3 2-grams as the header says, found 2"),
        ("2=2", "2=1", "line 16: expected .* after the 1 2-grams of the header, found '-0.2"),
        ("2=2", "3=2", "line 5: expected 'ngram 2=COUNT', found 'ngram 3=2'"),
        ("-0.8\ttwo", "zero\ttwo", "line 12: expected logarithms"),
        ("-0.8\ttwo", "0.8\ttwo", "line 12: expected a logarithm of a probability, found 0.8"),
        ("-0.8\ttwo", "nan\ttwo", "line 12: expected a logarithm of a probability, found nan"),
        ("-0.8\ttwo", "-0.8\tone", "line 12: the word 'one' stands twice"),
        ("-0.8\ttwo", "-0.8\ttwo three four", "line 12: expected a logarithm, 1 word and perhaps a back-off"),
        ("one two", "one three", "line 16: the word 'three' is not among the 1-grams"),
        ("one two", "<s> one", "line 16: the n-gram stands twice"),
        ("one two", "one two\t-0.1", "line 16: expected a logarithm, 2 words, found"),
        ("\\end\\\n", "", "expected .* found the end of the file"),
        ("\\data\\", "data", "expected an ARPA file, found no line"),
        ("ngram 1=5\nngram 2=2\n", "", "expected 'ngram 1=COUNT'"),
    ],
)
def test_errors_name_the_line(tmp_path, old, new, message):
    assert old in MODEL
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, MODEL.replace(old, new, 1))
    assert str(error.value).startswith(str(tmp_path / "model.arpa")) and "\n" not in str(error.value)


def test_a_missing_context_is_named(tmp_path):
    longer = MODEL.replace("ngram 2=2\n", "ngram 2=2\nngram 3=1\n").replace(
        "\\end", "\\3-grams:\n-1\ttwo one two\n\\end"
    )
    with pytest.raises(InputError, match="line 20: its context 'two one' is not among the 2-grams"):
        read(tmp_path, longer)


def test_encoding_and_truncation(tmp_path):
    with pytest.raises(InputError, match="line 12: expected words in UTF-8"):
        read(tmp_path, MODEL.replace("two", "zwölf").encode("latin-1"))
    with pytest.raises(InputError, match="expected an ARPA file, found no line"):
        read(tmp_path, bytes(range(256)) * 10)
    packed = gzip.compress(random_arpa(tmp_path / "random", 3, seed=1).read_bytes())
    with pytest.raises(InputError, match="damaged or truncated"):
        read(tmp_path, packed[: len(packed) // 2])
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 255
    with pytest.raises(InputError):
        read(tmp_path, bytes(damaged))
