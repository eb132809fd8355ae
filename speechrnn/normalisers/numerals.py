"""Spelled numbers to figures: "nineteen eighty four" to 1984, "two and a half million dollars" to $2500000.

A numeral grows word by word. While it counts (`twenty`, `one hundred and`) the next word is added to it or multiplies it; once
words only follow each other (`nineteen eighty`, `one oh one`) it is `nominal`, a row of digits that grows at its end. Figures
that stand in the text take scales, currencies, percent and decimals, but no further spelled digits: "20 one" are two numbers.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

_UNITS = "one two three four five six seven eight nine".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = (
    "thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion decillion"
)
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS["twelve"] = "twelfth"
_CURRENCIES = {"pound": "£", "euro": "€", "dollar": "$", "cent": "¢"}
_SIGNS = {"minus": "-", "negative": "-", "plus": "+", "positive": "+"}
_REPEATS = {"double": 2, "triple": 3}


@dataclass(frozen=True)
class _Spelled:
    """A number word: its kind (zero, unit, teen, tens or scale), its value, and the ending of an ordinal or a plural."""

    kind: str
    value: int
    ending: str = ""


def _vocabulary() -> dict[str, _Spelled]:
    words = {word: _Spelled("zero", 0) for word in ("zero", "o", "oh")}
    words["zeroth"] = _Spelled("unit", 0, "th")
    cardinals = [(word, "unit", value) for value, word in enumerate(_UNITS, start=1)]
    cardinals += [(word, "teen", value) for value, word in enumerate(_TEENS, start=10)]
    cardinals += [(word, "tens", 10 * value) for value, word in enumerate(_TENS, start=2)]
    cardinals += [("hundred", "scale", 100)]
    cardinals += [(word, "scale", 1000**power) for power, word in enumerate(_SCALES.split(), start=1)]
    for word, kind, value in cardinals:
        stem = word[:-1] + "ie" if word.endswith("y") else word
        ordinal = _ORDINALS.get(word, stem + "th")
        plural = stem + ("es" if word.endswith("x") else "s")
        words[word] = _Spelled(kind, value)
        words[ordinal] = _Spelled(kind, value, {"first": "st", "second": "nd", "third": "rd"}.get(ordinal, "th"))
        words[plural] = _Spelled(kind, value, "s")
    return words


_NUMBERS = _vocabulary()
_MONEY = _CURRENCIES | {word + "s": symbol for word, symbol in _CURRENCIES.items()}
_FIGURES = re.compile(r"([+-]?)([$¢€£]?)([0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
_UNSIGNED = re.compile(r"[0-9]+(\.[0-9]+)?")
_SEPARATE_ENDINGS = {"nd", "rd", "th", "s"}  # the 5 th
_SPECIAL = _NUMBERS.keys() | _MONEY.keys() | _SIGNS.keys() | _REPEATS.keys() | {"per", "percent", "and", "point"}
_MOST_DIGITS = 100  # that a scale multiplies: Python converts no more than 4300 at a time, and decillions need 34
_WHOLE = re.compile(r"([0-9]+)\.0+(%?)")
_ONE = {"1": "one", "1s": "ones"}  # alone they are pronouns more often than numbers
_CENTS = re.compile(  # $0.50 or $0 and ¢50, but for a price after another; $2 and ¢7
    r"([€£$][0-9]+ (?:and )?)?([€£$])(?:0?\.([0-9]{2})|0 (?:and )?¢(0?[1-9]|[1-9][0-9]))(?!\.?[0-9])"
    r"|([€£$][0-9]+) (?:and )?¢(0?[1-9]|[1-9][0-9])(?!\.?[0-9])"
)


def to_figures(words: list[str]) -> list[str]:
    """Lower case words without punctuation (but signs, points, % and currencies within figures), numbers written in figures.

    A one and ones that stand alone are words, however the text has them.
    """
    if _NUMBERS.keys().isdisjoint(words) and not any(map(str.isdigit, "".join(words))):
        return words
    found = [_ONE.get(word, word) for word in _Reader([_ONE.get(word, word) for word in words]).read()]
    text = " ".join(found)
    if "¢" in text or "$" in text or "€" in text or "£" in text:
        return _CENTS.sub(_join_cents, text).split()
    return found


def _join_cents(match: re.Match) -> str:
    """ "$2 and ¢7" to $2.07, $0.50 to ¢50."""
    before, symbol, decimals, cents, amount, more = match.groups()
    if amount:
        return f"{amount}.{int(more):02d}"
    cents = int(decimals or cents)
    return f"{before}{symbol}0.{cents:02d}" if before else f"¢{cents}"


def is_cardinal(word: str) -> bool:
    """Whether a word is a number of things: five, 5, but not fifth or oh."""
    return word[-1].isdigit() or (word in _NUMBERS and not _NUMBERS[word].ending and word not in ("o", "oh"))


@dataclass
class _Numeral:
    digits: str
    sign: str = ""
    currency: str = ""
    last: str = ""  # the kind of the word before
    nominal: bool = False
    written: bool = False  # in figures: no spelled digit may follow
    closed: bool = False  # by its currency


class _Reader:
    """Goes through the words once; `numeral` is the number that may still grow, `out` what is done."""

    def __init__(self, words: list[str]):
        self.words = words
        self.out: list[str] = []
        self.numeral: _Numeral | None = None
        self.sign = ""  # for the number that begins next

    def read(self) -> list[str]:
        index = 0
        while index < len(self.words):
            index += self._word(index)
        self._close()
        return self.out

    def _at(self, index: int) -> str:
        return self.words[index] if index < len(self.words) else ""

    def _spelled(self, index: int) -> _Spelled | None:
        word = self._at(index)
        return None if word == "o" and self._at(index + 1) == "clock" else _NUMBERS.get(word)

    def _word(self, index: int) -> int:
        """Take the word at `index`; how many words were used."""
        word = self.words[index]
        if word not in _SPECIAL:
            figures = _FIGURES.fullmatch(word) if word[-1].isdigit() else None
            if figures:
                self._figures(*figures.groups())
            else:
                self._literal(word)
        elif spelled := self._spelled(index):
            self._number(spelled)
        elif word in _MONEY and self.numeral:
            self.numeral.currency, self.numeral.closed = _MONEY[word], True
        elif word in _SIGNS and self._number_begins(index + 1):
            self._close()
            self.sign = _SIGNS[word]
        elif word in _REPEATS and (digits := self._repeated(index)):
            self._append_digits(digits, "unit")
            return 2
        elif word == "point" and self._decimals_begin(index + 1):
            self._point()
        elif word == "point" and self._point_begins(index + 1):
            pass  # said twice
        elif word == "and" and self.words[index + 1 : index + 3] == ["a", "half"] and (numeral := self._takes_a_half()):
            numeral.digits += ".5"
            numeral.nominal = numeral.written = True
            return 3
        elif word == "and" and (numeral := self._goes_on(index + 1)):
            numeral.last = "and"
        elif self.numeral and (percent := self._percent(index)):
            self.numeral.digits += "%"
            self._close()
            return percent
        else:
            self._literal(word)
        return 1

    def _literal(self, word: str) -> None:
        self._close()
        if word in _SEPARATE_ENDINGS and self.out and self.out[-1][-1].isdigit():
            self.out[-1] += word
        else:
            self.out.append(word)

    def _close(self, ending: str = "") -> None:
        if numeral := self.numeral:
            if whole := _WHOLE.fullmatch(numeral.digits):  # two point zero
                numeral.digits = whole[1] + whole[2]
            self.out.append(f"{numeral.sign}{numeral.currency}{numeral.digits}{ending}")
        self.numeral = None

    def _begin(
        self, digits: str, last: str, currency: str = "", nominal: bool = False, written: bool = False
    ) -> _Numeral:
        self._close()
        self.numeral = _Numeral(digits, self.sign, currency, last, nominal, written)
        self.sign = ""
        return self.numeral

    def _figures(self, sign: str, currency: str, digits: str) -> None:
        numeral = self.numeral
        if numeral and numeral.digits.endswith(".") and not sign and not currency and digits[0] != ".":
            numeral.digits += digits
            numeral.written = True
            return
        self._close()
        self.sign = sign or self.sign
        self._begin(digits, "", currency, written=True)

    def _growing(self) -> _Numeral | None:
        return self.numeral if self.numeral and not self.numeral.written and not self.numeral.closed else None

    def _append_digits(self, digits: str, kind: str) -> None:
        numeral = self._growing() or self._begin("", kind)
        numeral.digits += digits
        numeral.nominal, numeral.last = True, kind

    def _number(self, spelled: _Spelled) -> None:
        if spelled.kind == "scale":
            self._scale(spelled.value)
        elif spelled.kind == "zero":
            self._append_digits("0", "zero")
        else:
            if spelled.ending and not self._completes(spelled):
                self._close()
            self._add(spelled)
        if spelled.ending:
            self._close(spelled.ending)

    def _completes(self, spelled: _Spelled) -> bool:
        """Whether an ordinal or a plural ends this numeral: twenty first, nineteen sixties, but not "one second"."""
        numeral, kind = self._growing(), spelled.kind
        if not numeral:
            return False
        if spelled.ending == "s" and kind != "unit" and len(numeral.digits) == 2 and numeral.digits.isdigit():
            return True
        if numeral.nominal:
            return kind == "unit" and numeral.last in ("tens", "zero") and "." not in numeral.digits
        room = numeral.last not in ("unit", "teen")
        return room and int(numeral.digits) % (10 if kind == "unit" else 100) == 0

    def _add(self, spelled: _Spelled) -> None:
        """One to ninety: added where the numeral ends in zeros that leave it room, else written at its end."""
        numeral, kind, digits = self._growing(), spelled.kind, str(spelled.value)
        if not numeral:
            self._begin(digits, kind)
            return
        if numeral.nominal or (kind != "tens" and numeral.last in ("unit", "teen")):
            if kind == "unit" and numeral.last == "tens":
                numeral.digits = numeral.digits[:-1] + digits
            else:
                numeral.digits += digits
            numeral.nominal = True
        elif int(numeral.digits) % (10 if kind == "unit" else 100) == 0:
            numeral.digits = str(int(numeral.digits) + spelled.value)
        else:
            numeral.digits += digits
            numeral.nominal = True
        numeral.last = kind

    def _scale(self, scale: int) -> None:
        """Hundred, thousand, million ... times what it applies to: the part of the numeral below the next larger scale."""
        numeral = self.numeral
        if not numeral or numeral.closed or len(numeral.digits) > _MOST_DIGITS:
            self._begin(str(scale), "scale")
            return
        if numeral.digits.endswith("."):
            numeral.digits += str(scale)
            return
        if numeral.nominal or numeral.written:
            product = Fraction(numeral.digits) * scale if _FIGURES.fullmatch(numeral.digits) else None
            if product is None or product.denominator != 1:
                self._begin(str(scale), "scale")
                return
            numeral.digits = str(product.numerator)
        else:
            value = int(numeral.digits)
            below = value % (scale * 1000 if scale > 100 else 1000)
            if below > scale and below % scale:  # one thousand two | thousand: two numbers
                numeral.digits = str(value - below % scale)
                self._begin(str(below % scale * scale), "scale")
                return
            numeral.digits = str(value - below + below * scale if below else value * scale)
        numeral.nominal, numeral.written, numeral.last = False, False, "scale"

    def _point(self) -> None:
        numeral = self.numeral
        if not numeral or numeral.closed:
            numeral = self._begin("", "point")
        numeral.digits += "."
        numeral.nominal, numeral.written, numeral.last = True, False, "point"

    def _repeated(self, index: int) -> str:
        """The digits of double and triple at `index`, none if what follows is no digit."""
        spelled, word = self._spelled(index + 1), self._at(index + 1)
        digit = (
            str(spelled.value) if spelled and spelled.kind in ("zero", "unit", "teen") and not spelled.ending else ""
        )
        if len(word) == 1 and word in "0123456789":
            digit = word
        return digit * _REPEATS[self.words[index]]

    def _decimals_begin(self, index: int) -> bool:
        spelled, word = self._spelled(index), self._at(index)
        if word in _REPEATS:
            return bool(self._repeated(index))
        return not spelled.ending if spelled else _UNSIGNED.fullmatch(word) is not None

    def _point_begins(self, index: int) -> bool:
        """Whether point five, point point five or .5 stands at `index`."""
        begin = index
        while self._at(index) == "point":
            index += 1
        return self._at(index).startswith(".") or (index > begin and self._decimals_begin(index))

    def _number_begins(self, index: int) -> bool:
        figures = _FIGURES.fullmatch(self._at(index))
        unsigned = figures is not None and not figures[1]
        return bool(self._spelled(index) or unsigned or self._decimals_begin(index) or self._point_begins(index))

    def _takes_a_half(self) -> _Numeral | None:
        return self.numeral if self.numeral and not self.numeral.currency and self.numeral.digits.isdigit() else None

    def _goes_on(self, index: int) -> _Numeral | None:
        """The numeral that "and" before `index` is within: one hundred and one. None if it is within none."""
        numeral, spelled = self.numeral, self._spelled(index)
        if numeral and numeral.last == "scale" and not numeral.closed and spelled:
            return numeral if spelled.kind in ("unit", "teen", "tens") else None
        return None

    def _percent(self, index: int) -> int:
        """The number of words that say percent after a numeral, 0 if none do."""
        if not self.numeral or self.numeral.currency:
            return 0
        if self.words[index] == "percent":
            return 1
        return 2 if self.words[index : index + 2] == ["per", "cent"] else 0
