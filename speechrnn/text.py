"""Text in and out of the acoustic model: named normalisers and the tokenizer."""

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from speechrnn.errors import InputError

BLANK = "<blank>"  # token 0, the CTC blank
BOUNDARY = "|"  # stands for the space between words: tokens.txt never holds a bare space


def raw(text: str) -> str:
    """The text as it is, in Unicode's composed form (NFC) with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def upper(text: str) -> str:
    """`raw`, in capitals."""
    return raw(text).upper()


# Marks that stand inside words, are neither seen as letters nor said: soft hyphen, tatweel, Armenian's stress, exclamation and
# question marks, the controls of writing direction, word joiner, byte order mark.
_UNSPOKEN = dict.fromkeys(
    map(ord, "\xad\u0640՛՜՞՟\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")
)
# What spells a word where letters stand on both sides (after UAX #29, MidLetter), in one form: apostrophes, geresh, Catalan's
# middle dot, zero-width non-joiner and joiner.
_INSIDE = dict.fromkeys("'’‘`´＇׳", "'") | {"·": "·", "\u200c": "\u200c", "\u200d": "\u200d"}
_SAID = "%&@#§"  # punctuation by its Unicode category, and yet it stands for a word


def words(text: str) -> str:
    """Words alone, whatever the script: NFC, lower case, punctuation away.

    Letters, combining marks and digits stay; so do apostrophes and the like inside a word, and symbols that stand for words
    (% & @ € + ...), which only the writer of the text can spell out. All other punctuation becomes a space.
    """
    text = raw(text.translate(_UNSPOKEN))
    kept = "".join(map(_spoken, " " + text, text, text[1:] + " "))
    return raw(kept.lower().replace("i\u0307", "i"))  # of a capital I with a dot


def _spoken(before: str, character: str, after: str) -> str:
    """What stays of a character between two others: itself, its one form, or a space."""
    category = unicodedata.category(character)
    if character in _INSIDE and _is_letter(before) and _is_letter(after):
        return _INSIDE[character]
    if character in '"״' and "א" <= before <= "ת" and "א" <= after <= "ת":  # gershayim, in Hebrew acronyms
        return '"'
    if category[0] in "PZ" and character not in _SAID or category in ("Sk", "Cf"):
        return " "
    return character


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


# What texts go through on their way into a model, and the language model beside it.
NORMALISERS: dict[str, Callable[[str], str]] = {"raw": raw, "upper": upper, "words": words}
SCORING_NORMALISERS = (*NORMALISERS, "english")  # scoring may forget what a transcript needs
TABLE_SUFFIXES = (".txt", ".tsv")


def normaliser(name: str) -> Callable[[str], str]:
    """The normaliser of that name, for the texts of a model: one of `NORMALISERS`.

    Raises:
        InputError: there is none.
    """
    if name not in NORMALISERS:
        raise InputError(f"normaliser {name!r}: expected one of {', '.join(NORMALISERS)}")
    return NORMALISERS[name]


def scoring_normaliser(name: str) -> Callable[[str], str]:
    """What references and hypotheses go through before they are compared.

    Args:
        name: one of `SCORING_NORMALISERS`, or the path of a table (`speechrnn.normalisers.table` says of what form): a file
            that exists, or a name that ends in .txt or .tsv.

    Raises:
        InputError: there is none, or the table cannot be used.
    """
    if name in NORMALISERS:
        return NORMALISERS[name]
    from speechrnn.normalisers.english import english  # here: transcribing needs none of it
    from speechrnn.normalisers.table import table_normaliser

    bases = NORMALISERS | {"english": english}
    return table_normaliser(name, bases) if _is_table(name) else bases[name]


def normaliser_label(name: str) -> str:
    """What reports call it: the name, or for a table its file's name and a hash of what it holds.

    Raises:
        InputError: there is none of that name.
    """
    from speechrnn.normalisers.table import table_label

    return table_label(name) if _is_table(name) else name


def _is_table(name: str) -> bool:
    if name in SCORING_NORMALISERS:
        return False
    if name.endswith(TABLE_SUFFIXES) or os.path.exists(name):
        return True
    known = ", ".join(SCORING_NORMALISERS)
    raise InputError(f"normaliser {name!r}: expected one of {known}, or the path of a table (.txt, .tsv)")


def characters(texts: Iterable[str]) -> list[str]:
    """The distinct characters of normalised texts, sorted, without the space."""
    return sorted(set().union(*texts) - {" "})


class Tokenizer:
    """Characters as tokens: normalised text to token ids and back.

    Token 0 is the CTC blank; the space is written as the boundary token ``|``.
    """

    def __init__(self, tokens: Sequence[str]):
        if not tokens or tokens[0] != BLANK:
            raise InputError(f"tokens: the first must be {BLANK}, found {tokens[0] if tokens else 'none'!r}")
        self.tokens = list(tokens)
        self._ids = {token: index for index, token in enumerate(tokens)}
        if len(self._ids) != len(tokens):
            repeated = sorted(token for token in self._ids if self.tokens.count(token) > 1)
            raise InputError(f"tokens: each may stand once, found again: {' '.join(repeated)}")

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> "Tokenizer":
        """The tokenizer whose alphabet is the characters of these normalised texts."""
        return cls([BLANK, BOUNDARY, *characters(texts)])

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Tokenizer":
        """Read tokens.txt: one "token id" a line, ids from 0 upwards in order.

        Raises:
            InputError: a line is not of that form.
        """
        tokens = []
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
            fields = line.split(" ")
            if len(fields) != 2 or fields[1] != str(len(tokens)) or not fields[0]:
                raise InputError(f"{path}, line {number}: expected '<token> {len(tokens)}', found {line!r}")
            tokens.append(fields[0])
        try:
            return cls(tokens)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def lines(self) -> str:
        """The contents of tokens.txt."""
        return "".join(f"{token} {index}\n" for index, token in enumerate(self.tokens))

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def boundary(self) -> int | None:
        """The id of the boundary between words; None where the model has none."""
        return self._ids.get(BOUNDARY)

    def outside(self, text: str) -> list[str]:
        """The characters of a normalised text that have no token, in order of appearance."""
        return [c for c in text if c == BOUNDARY or (c != " " and c not in self._ids)]

    def encode(self, text: str) -> list[int]:
        """Token ids of a normalised text.

        Raises:
            InputError: it holds characters that have no token; they are named.
        """
        missing = self.outside(text)
        if missing:
            raise InputError(f"{text!r}: characters outside the alphabet: {' '.join(map(repr, sorted(set(missing))))}")
        return [self._ids[BOUNDARY if c == " " else c] for c in text]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids (blanks and repeats already removed), with single spaces between words."""
        return " ".join("".join(self.tokens[i] for i in ids).replace(BOUNDARY, " ").split())
