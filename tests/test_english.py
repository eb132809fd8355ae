"""The english normaliser against whisper's own, against numbers spelled here, and as a projection: twice is once."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from whisper_normalizer.english import EnglishSpellingNormalizer, EnglishTextNormalizer

from speechrnn.normalisers.english import english
from speechrnn.normalisers.spelling import american_spellings

PAGE = Path(__file__).parent.parent / "docs" / "normalisers.md"
DIFFERENCES = re.findall(r"^\| `(.+?)` \| `(.*?)` \| `(.*?)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

AGREED = """\
THE TRANSCRIPTS ARE IN CAPITALS
  Spaces	and   tabs 
"Well," she said, "that's it -- isn't it?"
[noise] Dr. Brown (whispering): you'll need it. <unk>
Uh, um, hmm, mm-hmm... uh-huh, I mean, mhm
I can't, won't, don't, ain't; y'all've, let's, I'ma, ma'am
he'd gone, she's been, it's got, they'd been, we'd done, he's done, I'd've
I'm gonna wanna hafta kinda sorta gotta, dunno 'cause shoulda
do n't it 's they 're 't was
Mr. and Mrs. Smith, Prof. Jones, Capt. Lt. Col. Gen. Sen. Rep. Gov. Rev. Hon. Jr. Sr. Esq.
St. John's, the U.S. Army at 5 p.m.
rock'n'roll, the boys' books, 'quoted'
café, naïve, Ærøskøbing, Straße, Łódź, señor
twenty one, one hundred and five, two thousand and nineteen, three million four hundred thousand
nineteen eighty four, nineteen oh five, nineteen hundred, twenty twenty, two thousand
the nineteen sixties, the 1960s, the sixties, eighteen hundreds, the twenty twenties
first, second, third, fifth, twelfth, twenty first, thirty second, one hundredth, one hundred and first
five dollars, twenty pounds, three euros, fifty cents, five dollars and seven cents, two and a half million dollars
$5, $20.50, £1,000, €3.25 million, $5.00
about $0.50 or £0.75 or five dollars and no cents
five percent, twenty per cent, 3.5%, three point five percent
one of the ones, number 1 and the 1s
one two three, five five five oh one two three, double seven, triple zero, double oh seven
zero point five, three point one four, two point five million, minus forty, plus five, two and a half
1,000,000 of 2,500 in 1999 at 3:30
5th 22nd 103rd B2B MP3 5km 90s
the minus sign, the point is, per se, the pound, cents and dollars, and then
hundreds of thousands of millions
one million two hundred thirty four thousand five hundred and sixty seven
2.3.4.5 and 192.168.0.5
the colour of the organisation's theatre: grey, honour, travelling, analysed, manoeuvres, anaesthetic
cheques, draughty, gaol, jewellery, programme, pyjamas, sceptical, skilful, tyres, whilst, yoghurt
C++ & C#, a/b, x_y, 50/50, #1, a@b, ~5, ^, |
日本語 и по-русски, Ελλάδα
2 + 2 = 4
""".splitlines()


@pytest.fixture(scope="module")
def whisper():
    normalise = EnglishTextNormalizer()
    return lambda text: " ".join(normalise(text).split())  # it leaves spaces at both ends


@pytest.mark.parametrize("text", AGREED)
def test_agreement_with_whisper(whisper, text):
    assert english(text) == whisper(text)


@pytest.mark.parametrize("text, theirs, ours", DIFFERENCES)
def test_the_documented_differences_are_what_the_page_says(whisper, text, theirs, ours):
    assert (whisper(text), english(text)) == (theirs, ours)


def test_the_page_documents_differences():
    assert len(DIFFERENCES) > 30


def test_spellings_agree_with_whispers_list_but_for_its_slips():
    theirs = EnglishSpellingNormalizer().mapping
    slips = {"archaeology", "archeological", "flyer / flier", "pummelled", "pummelling", "snowploughs", "tranquilly"}
    fillers = {"mhm", "mmm"}
    assert {b for b, a in theirs.items() if american_spellings().get(b, b) != a} == slips | fillers


def test_no_american_spelling_is_respelled():
    spellings = american_spellings()
    assert not spellings.keys() & set(spellings.values())


UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen".split()
UNITS += "eighteen nineteen".split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def spelled(number: int, link: str) -> str:
    """A number in words; `link` stands between hundreds, thousands and what follows them: " and " or " "."""
    for scale, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= scale:
            rest = number % scale
            joint = (link if rest < 100 else " ") + spelled(rest, link) if rest else ""
            return f"{spelled(number // scale, link)} {name}{joint}"
    if number < 20:
        return UNITS[number]
    return TENS[number // 10] + (f" {UNITS[number % 10]}" if number % 10 else "")


@given(st.one_of(st.integers(2, 3000), st.integers(2, 10**12 - 1)), st.sampled_from([" ", " and "]))
def test_spelled_numbers_are_figures(number, link):
    text = spelled(number, link)
    assert english(text) == english(f"{number:,}") == str(number)
    assert english(f"{text} dollars") == english(f"${number:,}") == f"${number}"
    assert english(f"{text} point oh five percent") == english(f"{number}.05%") == f"{number}.05%"
    assert english(f"minus {text}") == english(f"-{number}") == f"-{number}"


@given(st.integers(11, 99), st.integers(11, 99))
def test_years_are_spoken_in_two_halves(century, year):
    assert english(f"in {spelled(century, ' ')} {spelled(year, ' ')}") == f"in {century}{year}"


@pytest.mark.parametrize("number", range(1, 120))
def test_ordinals(number):
    words = spelled(number, " and ").split()
    irregular = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
    irregular["twelve"] = "twelfth"
    words[-1] = irregular.get(words[-1], words[-1].removesuffix("y") + ("ieth" if words[-1].endswith("y") else "th"))
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    assert english(f"the {' '.join(words)} of") == english(f"the {number}{ending} of") == f"the {number}{ending} of"


PIECES = """zero oh o one two five nine ten twelve twenty ninety hundred thousand million first third ninth twentieth hundredth
fives sixties hundreds and a half point minus plus double triple dollars cents pounds percent per cent clock ones 1 1s 0 5 05 007
2.5 5.0 $5 $1.50 $0.50 ¢7 -5 +3 5% 10,000 1.2.3 3rd 5s mm uh mr st th s 's 'd been don't can't've o'clock colour
organised civilisation
… .. — ' ’s (a) [b] b2b us$5 ½ é""".split()


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join) | st.text(alphabet="019 .,$%'-+smdt¢£a’½", max_size=9)
)
@example("one million one one one")
@example("five point zero s")
@example("$0 ¢50 and ¢7")
@example("thirty nine hundred thousand thousand")
def test_twice_is_once_and_nothing_but_words_and_figures_is_left(text):
    once = english(text)
    assert english(once) == once
    assert re.fullmatch(r"[a-z0-9 .$¢£%+-]*", once) and once == " ".join(once.split())
    for symbol in re.findall(r"\S*[.$¢£%+-]\S*", once):
        assert re.search("[0-9]", symbol)


@pytest.mark.parametrize(
    "text", ["trillion " * 600, "9" * 6000 + " million", "one " * 6000 + "million", "(" * 3000, "' " * 9000]
)
def test_absurd_lengths(text):
    once = english(text)
    assert english(once) == once
