"""Text in and out of the acoustic model: named normalisers and the tokenizer."""

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from speechrnn.errors import InputError
from speechrnn.files import read_text

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
        InputError: there is none, the table cannot be used, or the package that `english` is of is not installed.
    """
    if name in NORMALISERS:
        return NORMALISERS[name]
    from speechrnn.normalisers.english import english  # here: transcribing needs none of it
    from speechrnn.normalisers.table import table_normaliser

    return table_normaliser(name, SCORING_NORMALISERS, scoring_normaliser) if _is_table(name) else english()


def normaliser_label(name: str) -> str:
    """What reports call it: the name, for `english` with its package's version, for a table its file's name and a hash.

    Raises:
        InputError: there is none of that name.
    """
    if name in NORMALISERS:
        return name
    from speechrnn.normalisers.english import english_label
    from speechrnn.normalisers.table import table_label

    return table_label(name) if _is_table(name) else english_label()


def _is_table(name: str) -> bool:
    if name in SCORING_NORMALISERS:
        return False
    if name.endswith(TABLE_SUFFIXES) or os.path.exists(name):
        return True
    known = ", ".join(SCORING_NORMALISERS)
    raise InputError(f"normaliser {name!r}: expected one of {known}, or the path of a table (.txt, .tsv)")


Pronunciations = Mapping[str, Sequence[str]]  # of words: the phones of each pronunciation, with spaces between


def read_pronunciations(path: str | os.PathLike, tokens: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Read a pronouncing lexicon: a word and its phones a line, with spaces between. A word may stand on several lines.

        HELLO HH AH L OW

    `tokens` are those of the model that it is for; None: it may have any.

    Raises:
        InputError: it cannot be read, is empty, or a line has no phones or one that is none of the tokens.
    """
    lines = read_text(path, "a pronouncing lexicon (a word and its phones a line)").splitlines()
    known = None if tokens is None else set(tokens)
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines, start=1):
        word, *phones = line.split() or [""]
        if not word:
            continue
        if not phones or BOUNDARY in line or BLANK in phones:
            raise InputError(f"{path}, line {number}: expected a word and its phones, found {line.strip()!r}")
        if known is not None and not known.issuperset(phones):
            missing = next(phone for phone in phones if phone not in known)
            raise InputError(
                f"{path}, line {number}: expected phones that are tokens of the model, found {missing!r} in {line.strip()!r}"
            )
        each, spelled = found.setdefault(word, []), " ".join(phones)
        if spelled not in each:
            each.append(spelled)
    if not found:
        raise InputError(f"{path}: expected a pronouncing lexicon (a word and its phones a line), found no word in it")
    return found


def lexicon_lines(pronunciations: Pronunciations) -> str:
    """What `read_pronunciations` reads."""
    return "".join(f"{word} {phones}\n" for word, each in pronunciations.items() for phones in each)


def characters(texts: Iterable[str]) -> list[str]:
    """The distinct characters of normalised texts, sorted, without the space."""
    return sorted(set().union(*texts) - {" "})


class Tokenizer:
    """Normalised text to token ids and back; the tokens are characters, or the phones in which a lexicon pronounces words.

    Token 0 is the CTC blank; the space is written as the boundary token ``|``.

    Args:
        tokens: what the outputs of the acoustic model mean, in order.
        pronunciations: by word, each one's phones with spaces between, the usual one first, or what reads them when they are
            first asked for; None: the tokens are characters.

    Raises:
        InputError: the first token is not the blank, or one stands twice.
    """

    def __init__(
        self, tokens: Sequence[str], pronunciations: Pronunciations | Callable[[], Pronunciations] | None = None
    ):
        if not tokens or tokens[0] != BLANK:
            raise InputError(f"tokens: the first must be {BLANK}, found {tokens[0] if tokens else 'none'!r}")
        self.tokens, self._given = list(tokens), pronunciations
        self.has_phones = pronunciations is not None  # the tokens are phones; else they are characters
        self._ids = {token: index for index, token in enumerate(tokens)}
        if len(self._ids) != len(tokens):
            repeated = sorted(token for token in self._ids if self.tokens.count(token) > 1)
            raise InputError(f"tokens: each may stand once, found again: {' '.join(repeated)}")

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> "Tokenizer":
        """The tokenizer whose alphabet is the characters of these normalised texts."""
        return cls([BLANK, BOUNDARY, *characters(texts)])

    @classmethod
    def from_pronunciations(cls, pronunciations: Pronunciations) -> "Tokenizer":
        """The tokenizer whose tokens are all the phones of a lexicon."""
        phones = sorted({phone for each in pronunciations.values() for spelled in each for phone in spelled.split()})
        return cls([BLANK, BOUNDARY, *phones], pronunciations)

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Tokenizer":
        """Read tokens.txt: one "token id" a line, ids from 0 upwards in order.

        Raises:
            InputError: it cannot be read, or a line is not of that form.
        """
        tokens: list[str] = []
        for number, line in enumerate(read_text(path, "tokens (a token and its id a line)").splitlines(), start=1):
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

    @cached_property
    def pronunciations(self) -> Pronunciations:
        """How words are pronounced; of none where the tokens are characters."""
        return (self._given() if callable(self._given) else self._given) or {}

    @property
    def boundary(self) -> int | None:
        """The id of the boundary between words; None where the model has none."""
        return self._ids.get(BOUNDARY)

    def outside(self, text: str) -> list[str]:
        """What of a normalised text cannot be spelled, in order of appearance: characters, or words without a pronunciation."""
        if not self.has_phones:
            return [c for c in text if c == BOUNDARY or (c != " " and c not in self._ids)]
        return [word for word in text.split() if not self._pronounced(word)]

    def lacks(self, text: str) -> str:
        """What of a normalised text cannot be spelled, for an error; empty if all of it can."""
        if not (missing := self.outside(text)):
            return ""
        what = "words without a pronunciation" if self.has_phones else "characters outside the alphabet"
        return f"{what}: {' '.join(map(repr, sorted(set(missing))))}"

    def encode(self, text: str) -> list[int]:
        """Token ids of a normalised text; of words with several pronunciations the first.

        Raises:
            InputError: it holds characters that have no token, or words that have no pronunciation; they are named.
        """
        if lacking := self.lacks(text):
            raise InputError(f"{text!r}: {lacking}")
        if not self.has_phones:
            return [self._ids[BOUNDARY if c == " " else c] for c in text]
        spelled = f" {BOUNDARY} ".join(self._pronounced(word)[0] for word in text.split())
        return [self._ids[phone] for phone in spelled.split()]

    def spellings(self, word: str) -> list[list[int]]:
        """The token ids of every way to spell a word: none if it cannot be spelled."""
        if not self.has_phones:
            return [] if self.outside(word) else [self.encode(word)]
        return [[self._ids[phone] for phone in spelled.split()] for spelled in self._pronounced(word)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids (blanks and repeats already removed), with single spaces between words; phones have hyphens
        between them."""
        tokens = [self.tokens[i] for i in ids]
        if not self.has_phones:
            return " ".join("".join(tokens).replace(BOUNDARY, " ").split())
        return " ".join("-".join(word.split()) for word in " ".join(tokens).split(BOUNDARY) if word.strip())

    def _pronounced(self, word: str) -> list[str]:
        """A word's pronunciations, less those with a phone that is no token."""
        return [each for each in self.pronunciations.get(word, ()) if all(phone in self._ids for phone in each.split())]
