"""Sentences as they are said: abbreviations, numbers, money, times and units as words of A-Z and apostrophes."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
            "twelve": "twelfth"}  # fmt: skip


@cache
def cardinal(number: int) -> str:
    """one hundred twenty three."""
    if number < 20:
        return UNITS[number]
    if number < 100:
        return TENS[number // 10] + (f" {UNITS[number % 10]}" if number % 10 else "")
    scale, name = next((scale, name) for scale, name in SCALES if number >= scale)
    rest = f" {cardinal(number % scale)}" if number % scale else ""
    return f"{cardinal(number // scale)} {name}{rest}"


def ordinal(number: int) -> str:
    """one hundred twenty third."""
    *before, last = cardinal(number).split()
    last = ORDINALS.get(last, (last[:-1] + "ie" if last.endswith("y") else last) + "th")
    return " ".join([*before, last])


def plural(words: str) -> str:
    """nineteen nineties."""
    return words[:-1] + "ies" if words.endswith("y") else words + ("es" if words.endswith("x") else "s")


def year(number: int) -> str:
    """nineteen eighty four, nineteen oh five, two thousand and five read as two thousand five."""
    century, rest = divmod(number, 100)
    if number // 10 % 100 == 0 or not 1100 <= number <= 2099:  # 2000 to 2009, 1000
        return cardinal(number)
    return cardinal(century) + (" hundred" if not rest else f" oh {UNITS[rest]}" if rest < 10 else f" {cardinal(rest)}")


def digits(text: str) -> str:
    """One by one: telephone numbers, codes."""
    return " ".join(UNITS[int(digit)] for digit in text if digit.isdigit())


def whole(text: str) -> str:
    """A number without decimals: a year if it may be one, digits if it begins with 0 or is very long."""
    if "," in text:
        return cardinal(int(text.replace(",", "")))
    if len(text) > 6 or (len(text) > 1 and text[0] == "0"):
        return digits(text)
    return year(int(text)) if len(text) == 4 else cardinal(int(text))


def number(text: str) -> str:
    """With or without decimals."""
    before, point, after = text.partition(".")
    return (
        whole(before or "0")
        if not point
        else f"{cardinal(int((before or '0').replace(',', '')))} point {digits(after)}"
    )


def money(match: re.Match) -> str:
    """$5.50 and $3 million."""
    symbol, amount, scale = match.groups()
    one, many, hundredth = {"$": ("dollar", "dollars", "cent"), "£": ("pound", "pounds", "penny"),
                            "€": ("euro", "euros", "cent")}[symbol]  # fmt: skip
    if scale:
        return f" {number(amount)} {scale} {many} "
    before, _, after = amount.replace(",", "").partition(".")
    said = f"{cardinal(int(before))} {one if int(before) == 1 else many}" if before and int(before) else ""
    if len(after) == 2 and int(after):
        cents = hundredth if int(after) == 1 else "pence" if hundredth == "penny" else "cents"
        said += (" and " if said else "") + f"{cardinal(int(after))} {cents}"
    return f" {said or 'zero ' + many} "


def clock(match: re.Match) -> str:
    """5:30, 6:05, 10:00."""
    hour, minute = int(match[1]), int(match[2])
    if not minute:
        return f" {cardinal(hour)}" + (
            "" if re.match(r"\s*[ap]\.?m\b", match.string[match.end() :], re.I) else " o'clock"
        )
    return f" {cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)} "


MONTHS = "January February March April May June July August September October November December".split()
NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
MEASURES = {"km": "kilometers", "cm": "centimeters", "mm": "millimeters", "m": "meters", "kg": "kilograms", "g": "grams",
            "mi": "miles", "ft": "feet", "lb": "pounds", "lbs": "pounds", "mph": "miles per hour", "oz": "ounces",
            "km/h": "kilometers per hour", "GB": "gigabytes", "MB": "megabytes", "hrs": "hours", "mins": "minutes",
            "min": "minutes", "ml": "milliliters"}  # fmt: skip
ABOUT_NUMBERS = (
    (re.compile(rf"([$£€])\s?({NUMBER})(?:[ -](thousand|million|billion|trillion)\b)?"), money),
    (re.compile(r"\b(1?\d|2[0-3]):([0-5]\d)\b"), clock),
    (re.compile(r"\b(?:\+?1[- ])?\(?\d{3}\)?[- ]\d{3}[- ]\d{4}\b|\b\d{3}-\d{4}\b"), lambda match: digits(match[0])),
    (
        re.compile(rf"\b(the )?(\d\d?)(?:st|nd|rd|th)?(?: of)? (?=(?:{'|'.join(MONTHS)})\b)", re.I),
        lambda match: f"the {ordinal(int(match[2]))} of ",
    ),
    (
        re.compile(rf"\b({'|'.join(MONTHS)}) (\d\d?)(?![\d:])\b(?! ?%)"),
        lambda match: f"{match[1]} {ordinal(int(match[2]))}",
    ),
    (
        re.compile(r"\b(\d+)(?:st|nd|rd|th)\b", re.I),
        lambda match: ordinal(int(match[1])) if len(match[1]) < 10 else match[0],
    ),
    (re.compile(r"\b(\d{3}0)'?s\b"), lambda match: plural(year(int(match[1])))),
    (re.compile(r"(?<!\w)'?([2-9]0)'?s\b"), lambda match: plural(cardinal(int(match[1])))),
    (re.compile(rf"({NUMBER})\s?({'|'.join(map(re.escape, MEASURES))})\b"), lambda m: f"{m[1]} {MEASURES[m[2]]}"),
    (re.compile(rf"({NUMBER})\s?%"), r"\1 percent "),
    (re.compile(r"(?<=\d)\s?[-–]\s?(?=\d)"), " to "),
    (re.compile(r"(?<=\d)(?=[A-Za-z])|(?<=[A-Za-z])(?=\d)"), " "),  # MP3, 7up
    (re.compile(NUMBER), lambda match: f" {number(match[0])} " if len(match[0]) < 13 else "#"),
)


TITLES = {"Mr": "Mister", "Mrs": "Missus", "Dr": "Doctor", "St": "Saint", "Prof": "Professor", "Gen": "General",
          "Col": "Colonel", "Capt": "Captain", "Lt": "Lieutenant", "Sgt": "Sergeant", "Sen": "Senator", "Gov": "Governor",
          "Rev": "Reverend", "Jr": "Junior", "Sr": "Senior", "vs": "versus", "etc": "et cetera", "Mt": "Mount",
          "Ms": "Ms", "Inc": "Incorporated", "Ltd": "Limited", "Co": "Company", "approx": "approximately"}  # fmt: skip
SHORT = {month[:3]: month for month in MONTHS if month != "May"} | {"Sept": "September"}
ABBREVIATIONS = (
    (re.compile(rf"\b({'|'.join(SHORT)})\.?(?= \d)"), lambda match: SHORT[match[1]]),
    (re.compile(r"\bSt\.(?= [a-z]|,|$)"), "Street"),
    (re.compile(r"\b(Mrs?|Dr|St|Ms|Mt)\b\.?(?= [A-Z])"), lambda match: TITLES[match[1]]),
    (re.compile(rf"\b({'|'.join(TITLES)})\.(?= ([A-Z]?))"), lambda match: TITLES[match[1]]),
    (re.compile(r"\betc\."), "et cetera."),
    (re.compile(r"\be\.g\.,?"), "for example"),
    (re.compile(r"\bi\.e\.,?"), "that is"),
    (re.compile(r"\bNo\. ?(?=\d)"), "number "),
    (re.compile(r"\b([ap])\.? ?m\.?(?= [A-Z]|$)", re.I), r"\1 m."),
    (re.compile(r"(?<=[\d\s])([ap])\.?m\b\.?", re.I), r" \1 m"),
    (re.compile(r"\b((?:[A-Z]\.){2,})"), lambda match: match[1].replace(".", " ")),  # U.S.
    (re.compile(r"\b([A-Z])\. (?=[A-Z])"), r"\1 "),  # initials
    (re.compile(r"\b(?:OK|ok|Ok|O\.K\.|okey)(?!\w)"), "okay"),
    (re.compile(r"&"), " and "),
    (re.compile(r"\band/or\b"), "and or"),
)
WAR = re.compile(
    r"\b(War|Part|Chapter|Volume|Act|Type|Phase|Class|Level|Stage|Title|Episode) (I{1,3}|IV|VI{0,3}|IX|X)\b"
)
ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "X": 10}
ROMAN_LEFT = re.compile(r"\b(?:II|III|IV|VI{1,3}|IX|XI{1,3}|XIV|XVI{0,3}|XIX|XX)\b")
QUOTES = str.maketrans("‘’ʼ`´“”„«»–—−…\xa0", "'''''\"\"\"\"\"---. ")
END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])")
ADDRESS = re.compile(r"https?:|www\.|\w@\w|\w\.(?:com|org|net|gov|edu)\b")
UNSPELLED = re.compile(r"[^A-Za-z' ]")
PUNCTUATION = str.maketrans({c: " " for c in '.,;:!?"()[]-/'} | {"\u200b": "", "\xad": ""})
WORDS = range(1, 51)  # of a sentence; of those with one word only some are whole sentences
MOST_SPELLED = 5  # letters of an abbreviation that is spelled


def sentences(paragraph: str) -> Iterator[str]:
    """The sentences of a paragraph, abbreviations and numbers written out."""
    text = " ".join(unicodedata.normalize("NFC", paragraph).translate(QUOTES).split())
    for pattern, said in ABBREVIATIONS:
        text = pattern.sub(said, text)
    for sentence in END.split(text):
        if ADDRESS.search(sentence):
            continue
        sentence = WAR.sub(lambda match: f"{match[1]} {cardinal(ROMAN[match[2]])}", sentence)
        if ROMAN_LEFT.search(sentence):
            continue
        if any(map(str.isdigit, sentence)):
            for pattern, said in ABOUT_NUMBERS:
                sentence = pattern.sub(said, sentence)
        yield sentence


def spell(sentence: str, known: set[str]) -> str:
    """The sentence of A-Z, apostrophes and single spaces; nothing if it cannot be spelled so.

    Args:
        known: the words of the dictionary: an abbreviation among them is a word (TV, FBI, NASA), others are spelled (D V R).
    """
    if not sentence.isascii():
        sentence = "".join(c for c in unicodedata.normalize("NFKD", sentence) if not unicodedata.combining(c))
    plain = sentence.replace("\"'s", "'s").translate(PUNCTUATION)
    if UNSPELLED.search(plain):
        return ""
    shouted = plain.isupper()
    words = []
    for word in plain.split():
        word = word.strip("'") if word.lower() not in LEADING else word
        capitals = word.removesuffix("s").removesuffix("'")
        if not word:
            continue
        if not shouted and 1 < len(capitals) <= MOST_SPELLED and capitals.isupper() and capitals.lower() not in known:
            words += [*capitals[:-1], capitals[-1] + ("'s" if capitals != word else "")]
        elif len(word) > 1 and not re.search("[aeiouyAEIOUY]", word) and word.lower() not in known:
            return ""  # an unknown abbreviation
        else:
            words.append(word)
    found = " ".join(words).upper()
    return "" if NOISE.search(found) else found


NOISE = re.compile(r"(\w)\1\1|''|\w{25}")  # sooo
LEADING = {"'em", "'til", "'twas", "'tis", "'cause", "'bout"}
