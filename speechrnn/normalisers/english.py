"""English texts made comparable for scoring, to the effect of OpenAI whisper's EnglishTextNormalizer.

What it does, in this order: Unicode letters to plain lower case ones, bracketed noises out, punctuation out, fillers out,
contractions and abbreviated titles spelled out, spelled numbers to figures, British spellings to American ones. The source of
the effect is appendix C of Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), and the
behaviour of the package whisper-normalizer; docs/normalisers.md lists where this differs and why.
"""

import re
import unicodedata

from speechrnn.normalisers.contractions import expand
from speechrnn.normalisers.numerals import to_figures
from speechrnn.normalisers.spelling import american_spellings

_CURRENCIES = "$¢€£"
_LETTERS = {
    "œ": "oe",
    "ø": "o",
    "æ": "ae",
    "ß": "ss",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "ł": "l",
}  # NFKD leaves them whole
_APOSTROPHES = "‘’ʼ"
_MINUS = "−"


class _Characters(dict):
    """For str.translate after NFKD: accents fall away, marks and symbols beyond ASCII become spaces; filled as they come."""

    def __missing__(self, code: int) -> str | None:
        category = unicodedata.category(chr(code))
        keep = code < 128 or chr(code) in _CURRENCIES or category[0] not in "MSP"
        self[code] = chr(code) if keep else None if category == "Mn" else " "
        return self[code]


_CHARACTERS = _Characters(
    {ord(a): b for a, b in _LETTERS.items()} | {ord(c): "'" for c in _APOSTROPHES} | {ord(_MINUS): "-"}
)
_SYMBOLS = str.maketrans({c: " " for c in '!"#&()*,/:;<=>?@[\\]^_`{|}~'})  # ASCII's, but for those of numerals and '

_BRACKETED = re.compile(r"[<\[][^>\]]*[>\]]|\([^)]+\)")
_TOKENISED = re.compile(r"(?<!\s)\s+'(?=(?:s|d|re|ll|t|ve|m)\b)")  # it 's
_GROUPS = re.compile(r"(?<=[0-9]),(?=[0-9])")  # 1,000
_WHOLE = re.compile(r"(?<![0-9.])([0-9]+)\.0+(?!\.?[0-9])")  # 2.0
_PERCENT = re.compile(r"(?<=[0-9])\s+%")
_BOUNDARY = re.compile(  # b2b, 5km but 5th, us$5, 5%of
    r"(?<=[a-z])(?=[0-9])|(?<=[0-9])(?=[a-z])(?!(?:st|nd|rd|th|s)\b)|(?<=[a-z0-9])(?=[$¢€£])|(?<=%)(?=[a-z0-9])"
)
_STRAY = re.compile(  # what is no part of a numeral
    r"\.(?![0-9])|(?<=[a-z])\.|[$¢€£](?!\.?[0-9])|(?<![0-9])%|(?<=\S)[+-]|[+-](?![$¢€£]?\.?[0-9])"
)


def english(text: str) -> str:
    """The text as scoring compares it: lower case words and figures with single spaces. Idempotent."""
    text = text.lower() if text.isascii() else unicodedata.normalize("NFKD", text).lower().translate(_CHARACTERS)
    text = _TOKENISED.sub("'", _BRACKETED.sub("", text))
    text = _BOUNDARY.sub(" ", _GROUPS.sub("", text))
    text = _STRAY.sub(" ", _PERCENT.sub("%", text).translate(_SYMBOLS))
    text = _WHOLE.sub(r"\1", text)
    spellings = american_spellings()
    return " ".join([spellings.get(word, word) for word in to_figures(expand(text.split()))])
