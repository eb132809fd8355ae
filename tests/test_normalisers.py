"""Normalisers by name and by table: what a table replaces, what is refused, and who may use which."""

import re
import subprocess
import sys
import unicodedata
from importlib.metadata import PackageNotFoundError, version

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechrnn.errors import InputError
from speechrnn.text import NORMALISERS, SCORING_NORMALISERS, normaliser, normaliser_label, scoring_normaliser, words


@pytest.fixture
def table(tmp_path):
    """Writes a table and gives its path."""

    def write(contents, name="table.tsv"):
        path = tmp_path / name
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
        return str(path)

    return write


def test_names():
    assert [scoring_normaliser(name)(" Don't   PANIC") for name in SCORING_NORMALISERS] == [
        "Don't PANIC",
        "DON'T PANIC",
        "don't panic",
        "do not panic",
    ]
    assert [normaliser_label(name) for name in NORMALISERS] == ["raw", "upper", "words"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Mr. Smith hadn't paid the twenty-one pounds.", "mister smith had not paid the £21"),
        ("[noise] Uh, the organisation's colour (hm)  ", "the organization is color"),
        ("in nineteen eighty four they paid five per cent", "in 1984 they paid 5%"),
    ],
)
def test_english_is_whispers_with_single_spaces(text, expected):
    assert scoring_normaliser("english")(text) == expected


def test_the_label_of_english_names_its_package_and_version():
    assert normaliser_label("english") == f"english (whisper-normalizer {version('whisper-normalizer')})"


@pytest.mark.parametrize("use", [scoring_normaliser, normaliser_label])
def test_english_without_its_package(monkeypatch, use):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("speechrnn.normalisers.english.version", missing)
    with pytest.raises(
        InputError, match=r"^normaliser 'english': needs whisper-normalizer, .* `pip install '.\[english\]'`"
    ):
        use("english")


def test_models_take_only_those_that_keep_the_text():
    assert set(NORMALISERS) == {"raw", "upper", "words"}
    with pytest.raises(InputError, match="^normaliser 'english': expected one of raw, upper, words$"):
        normaliser("english")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("„Grüße!“, sagte er – „Mutter-Kind“.", "grüße sagte er mutter kind"),
        ("(well)...  'no'; don’t / dogs' rock 'n' roll", "well no don't dogs rock n roll"),
        (unicodedata.normalize("NFD", "Tiếng Việt, được không?"), "tiếng việt được không"),
        ("السَّلَامُ عَلَيْكُمْ، كَيْفَ ‏حَالُكَ؟", "السَّلَامُ عَلَيْكُمْ كَيْفَ حَالُكَ"),  # vowel signs stay
        ("مرحـــبا", "مرحبا"),  # tatweel
        ("می‌خواهم، «سلام»‌", "می‌خواهم سلام"),
        ('צה"ל אמר: "שלום"; צ״ל, ג׳ירפה', 'צה"ל אמר שלום צ"ל ג\'ירפה'),
        ("नमस्ते, दुनिया।", "नमस्ते दुनिया"),
        ("สวัสดีๆ ที่นี่", "สวัสดีๆ ที่นี่"),
        ("ինչո՞ւ։", "ինչու"),  # the question mark stands inside the word
        ("ΟΔΟΣ, Σ’ ΑΓΑΠΩ", "οδος σ αγαπω"),  # the final sigma
        ("İZMİR col·lecció co­op п’ять", "izmir col·lecció coop п'ять"),
        ("日本語。テスト・です", "日本語 テスト です"),
        ("50 % of €5 & a|b", "50 % of €5 & a|b"),  # for `prepare --alphabet` to find
        ("... !", ""),
    ],
)
def test_words_of_any_script(text, expected):
    assert words(text) == expected
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text)) == expected


@given(st.text())
def test_words_is_composed_lower_case_and_twice_is_once(text):
    found = words(text)
    assert found == unicodedata.normalize("NFC", found) == words(found) == " ".join(found.split())
    letters = [c for c in unicodedata.normalize("NFC", found) if unicodedata.category(c) in ("Lu", "Lt")]
    assert not [c for c in letters if c.lower() != c]


@pytest.mark.parametrize("use", [scoring_normaliser, normaliser_label])
def test_an_unknown_name(use):
    with pytest.raises(
        InputError, match="^normaliser 'greek': expected one of raw, upper, words, english, or the path of a table"
    ):
        use("greek")


def test_words_and_phrases_the_longest_first(table):
    path = table("# ours\n\nNew York\tNYC\nNew York City\tthe city\nerm\t\nyork\tYork\na\tb\nb\tc\n")
    replaced = scoring_normaliser(path)
    assert (
        replaced("erm New York City , New York erm York york Yorkshire a b") == "the city , NYC York York Yorkshire b c"
    )
    assert replaced("New York") == "NYC" and replaced("New") == "New" and replaced("erm") == "" and replaced("") == ""


def test_both_sides_go_through_the_base(table):
    path = table("speech rnn\tspeechrnn\n@base upper\nok\tokay\n", "mine.txt")
    assert scoring_normaliser(path)("ok Speech RNN") == "OKAY SPEECHRNN"
    path = table("@base english\ncolour tv\tTelevision!\ntwenty one\tblackjack\n")
    assert scoring_normaliser(path)("Color-TV: 21, Colour") == "television blackjack color"


@pytest.mark.parametrize("form", [str, lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_line_ends_and_byte_order_marks(table, form):
    assert scoring_normaliser(table(form("é\te\nb\t\n@base raw\n")))("e\u0301 b c") == "e c"


phrases = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(" ".join)


@given(st.dictionaries(phrases, phrases, max_size=5), st.lists(st.sampled_from("abc"), max_size=8).map(" ".join))
def test_a_table_is_a_regular_expression(tmp_path_factory, entries, text):
    path = tmp_path_factory.mktemp("table") / "t.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in entries.items()))
    pattern = "|".join(rf"\b{source}\b" for source in sorted(entries, key=len, reverse=True)) or "(?!)"
    assert scoring_normaliser(str(path))(text) == re.sub(pattern, lambda m: entries[m[0]], text)


@pytest.mark.parametrize(
    "contents, message",
    [
        ("a\tb\nno tab\n", "line 2: expected 'from<TAB>to', found 0 tabs in 'no tab'"),
        ("a\tb\tc\n", "line 1: expected 'from<TAB>to', found 2 tabs in 'a\\\\tb\\\\tc'"),
        ("@base greek\n", "line 1: expected @base raw or upper or words or english, found 'greek'"),
        ("@base\n", "line 1: expected @base raw or upper or words or english, found ''"),
        ("@base raw\n#\n@base upper\n", "line 3: a second @base, after that of line 1; leave one"),
        ("a\tb\n\na\tb\n", "line 3: 'a' stands in line 1 too .after raw.; leave one"),
        ("@base upper\nA\tb\na\tc\n", "line 3: 'A' stands in line 2 too .after upper.; leave one"),
        ("\tb\n", "line 1: expected words before the tab, found '', nothing after raw"),
        ("@base english\nuh\tb\n", "line 2: expected words before the tab, found 'uh', nothing after english"),
    ],
)
def test_what_a_table_may_not_hold(table, contents, message):
    path = table(contents)
    with pytest.raises(InputError, match=f"^{re.escape(path)}, {message}$"):
        scoring_normaliser(path)


@pytest.mark.parametrize("use", [scoring_normaliser, normaliser_label])
def test_a_table_that_cannot_be_read(tmp_path, use):
    with pytest.raises(
        InputError, match="none.txt: expected a table of 'from<TAB>to' lines .a normaliser., found no such file"
    ):
        use(str(tmp_path / "none.txt"))
    with pytest.raises(InputError, match="a normaliser.: Is a directory"):
        use(str(tmp_path))


def test_a_table_that_is_not_utf_8(table):
    with pytest.raises(InputError, match="found the byte 0xff on line 2, which is not UTF-8: save it as UTF-8"):
        scoring_normaliser(table(b"a\tb\n\xff\tc\n"))


def test_the_label_changes_with_the_table(table):
    first = normaliser_label(table("a\tb\n"))
    assert re.fullmatch("table.tsv [0-9a-f]{8}", first)
    assert normaliser_label(table("a\tc\n")) != first == normaliser_label(table("a\tb\n"))


def test_only_scoring_loads_them():
    code = "import speechrnn.text, speechrnn.recognizer, sys\nprint([n for n in sys.modules if 'normalisers' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
