"""A language model with the words that a search may spell: of a file, or of the folder `lm/` of a model package.

ngram.lm     the n-gram model, in the binary form or as ARPA
lexicon.txt  optional: the only words that may come, a word a line (see `speechrnn.search.lexicon`); without it any may
lexicon.bin  with phones: the trie over the words of both, for a quick start (see `speechrnn.search.lexicon_file`)
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speechrnn.errors import InputError
from speechrnn.files import write_atomically
from speechrnn.lm.ngram import NgramModel
from speechrnn.package import LEXICON_BIN, Package
from speechrnn.search.lexicon import Lexicon
from speechrnn.search.lexicon_file import read_lexicon, write_lexicon
from speechrnn.text import Tokenizer, normaliser

NGRAM, LEXICON = "ngram.lm", "lexicon.txt"
FIRST_WORD = 3  # before it stand <unk>, <s> and </s>
LIKELIEST = 1000  # words by which a language model is judged: rare ones may be anything
SHARE = 0.5  # of words that must be usable: with less, the case is wrong, or it is another language
NAMED = 3  # words of an error


class LanguageModel(NamedTuple):
    """An n-gram model, the words that may come, and what it is called.

    word_ids: the ids (words,) of the lexicon's words in the n-gram model, None where they are not known yet.
    """

    ngram: NgramModel
    lexicon: Lexicon
    name: str
    word_ids: np.ndarray | None = None

    def describe(self) -> str:
        """What it is, in a few words."""
        vocabulary = "open" if self.lexicon.is_open else "closed"
        return f"{self.ngram.order}-grams of {len(self.lexicon.words):,} words ({self.name}, {vocabulary} vocabulary)"


def read_language_model(
    path: str | os.PathLike, package: Package, closed: bool = False, also: Sequence[str] = ()
) -> LanguageModel:
    """A language model of a file, for the acoustic model of a package; the words are its own, with `closed` no others.

    With phones the words are those that have a pronunciation, `also` these; no others may come.

    Raises:
        InputError: it cannot be read, or the acoustic model cannot spell its words.
    """
    ngram = NgramModel.read(path)
    words = ngram.words[FIRST_WORD:]
    _check_spelling(ngram, package, path)
    tokenizer = package.tokenizer
    if closed:
        words = [word for word in words if word and not tokenizer.outside(word)]
    elif tokenizer.has_phones:
        words = [*words, *also]
    return LanguageModel(ngram, Lexicon.from_words(words, tokenizer, is_open=not closed), Path(path).name)


def read_packaged(package: Package, also: Sequence[str] = ()) -> LanguageModel | None:
    """The language model of a package; None if it has none. `also` as in `read_language_model`.

    Raises:
        InputError: it cannot be read, or does not belong to the acoustic model.
    """
    folder = package.lm_directory
    if folder is None and package.decoder["method"] == "beam" and "lm_weight" in package.decoder:
        raise InputError(
            f"{package.directory}: expected the language model that model.json has weights for in lm/, found none: put it back, "
            "or do without it (--no-lm, lm=False)"
        )
    if folder is None:
        return None
    if not (folder / NGRAM).is_file():
        raise InputError(f"{folder}: expected a language model, {NGRAM}, found none; `speechrnn tune` puts one there")
    if not (folder / LEXICON).exists():
        if not also and package.lexicon_file and (made := _ready(package, folder / NGRAM)):
            return made
        return read_language_model(folder / NGRAM, package, also=also)
    ngram = NgramModel.read(folder / NGRAM)
    lexicon = Lexicon.read(folder / LEXICON, package.tokenizer, normaliser(package.normaliser))
    unknown = [word for word, id in zip(lexicon.words, ngram.indices(lexicon.words), strict=True) if id == 0]
    if len(unknown) > SHARE * len(lexicon.words):
        raise InputError(
            f"{folder / LEXICON}: expected words that {NGRAM} knows, found {len(unknown):,} of {len(lexicon.words):,} that it "
            f"does not, such as {' '.join(unknown[:NAMED])}: they do not belong together"
        )
    return LanguageModel(ngram, lexicon, NGRAM)


def _ready(package: Package, path: Path) -> LanguageModel | None:
    """The language model with the lexicon that was made for it; None if that is another's."""
    ngram = NgramModel.read(path)
    made = read_lexicon(package, ngram)
    return made and LanguageModel(ngram, made[0], NGRAM, made[1])


def write_packaged(model: LanguageModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a model of `read_language_model` as the folder `lm/` of a package.

    The words of a closed vocabulary are written too. With phones they are those that have a pronunciation: there the trie is
    written, and the package's texts stand beside the folder already.

    Raises:
        OSError: it cannot be written.
    """
    model.ngram.write(folder / NGRAM)
    if tokenizer.has_phones:
        write_lexicon(model.lexicon, model.ngram, folder)
    elif not model.lexicon.is_open:
        write_atomically(folder / LEXICON, "".join(f"{word}\n" for word in model.lexicon.words))


def copy_packaged(package: Package, folder: Path) -> None:
    """Copy the folder `lm/` of a package, if it has one, into another one, whose texts stand there; the trie is made anew.

    Raises:
        InputError: the language model cannot be read, or does not belong to the package.
        OSError: it cannot be written.
    """
    if package.lm_directory is None:
        return
    shutil.copytree(package.lm_directory, folder)
    index_packaged(package, folder)


def index_packaged(package: Package, folder: Path) -> bool:
    """Make the trie of the folder `lm/` of a package anew, of its texts. Returns whether there is anything to make.

    Raises:
        InputError: the language model cannot be read, or does not belong to the package.
        OSError: it cannot be written.
    """
    (folder / LEXICON_BIN).unlink(missing_ok=True)
    if not package.tokenizer.has_phones or (folder / LEXICON).exists():
        return False
    model = read_language_model(folder / NGRAM, package)
    write_lexicon(model.lexicon, model.ngram, folder)
    return True


def _check_spelling(ngram: NgramModel, package: Package, path: str | os.PathLike) -> None:
    ids = np.arange(FIRST_WORD, len(ngram.words), dtype=np.int32)
    if not len(ids):
        raise InputError(f"{path}: expected a language model of words, found none in it")
    scores, _ = ngram.score(np.full(len(ids), ngram.empty), ids)
    likeliest = [ngram.words[id] for id in ids[np.argsort(-scores, kind="stable")[:LIKELIEST]]]
    outside = package.tokenizer.outside
    missing = [word for word in likeliest if outside(word)]
    if len(missing) <= (1 - SHARE) * len(likeliest):
        return
    if package.tokenizer.has_phones:
        raise InputError(
            f"{path}: expected words that the lexicon of the model {package.name} pronounces, found that it does "
            f"{len(likeliest) - len(missing):,} of the {len(likeliest):,} likeliest, and not {' '.join(missing[:NAMED])}: "
            f"`speechrnn lexicon` makes one of a dictionary and this language model"
        )
    found = (
        f"{path}: expected words in the alphabet of the model {package.name}, found that it can spell "
        f"{len(likeliest) - len(missing):,} of the {len(likeliest):,} likeliest, and not {' '.join(missing[:NAMED])}"
    )
    for case in ("upper", "lower"):
        if sum(not outside(getattr(word, case)()) for word in likeliest) >= SHARE * len(likeliest):
            raise InputError(
                f"{found}; in {case} case it could: `speechrnn lm build --model` turns the text into its case"
            )
    raise InputError(f"{found}: is it of the right language?")
