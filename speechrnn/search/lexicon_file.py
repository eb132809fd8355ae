"""lm/lexicon.bin of a package: the trie over the words of its language model, made once. A start then takes it as it is, for
which it would otherwise read lexicon.txt, look each word up and build the trie: half a second of 65,000 words.

It tells what it was made of, and is used only with that; `speechrnn.package.lexicon_file` checks all but the language model.
"""

from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from speechrnn.array_file import write_arrays
from speechrnn.package import LEXICON_BIN, LEXICON_FORMAT, LEXICON_MAGIC, Package, checksum, fingerprint
from speechrnn.search.lexicon import Lexicon, Trie

if TYPE_CHECKING:
    from speechrnn.lm.ngram import NgramModel


def write_lexicon(lexicon: Lexicon, ngram: "NgramModel", folder: Path) -> None:
    """Write the lexicon of a language model into the folder `lm/` of a package, whose texts stand there already.

    Raises:
        OSError: it cannot be written.
    """
    arrays = {name: _smallest(array) for name, array in lexicon.trie._asdict().items()}
    arrays["words"] = np.frombuffer("\n".join(lexicon.words).encode(), np.uint8)
    arrays["word_ids"] = _smallest(ngram.indices(lexicon.words))
    header = {
        "format": LEXICON_FORMAT,
        "texts": fingerprint(folder.parent),
        "lm": _lm_fingerprint(ngram),
        "checksum": checksum(arrays),
    }
    write_arrays(folder / LEXICON_BIN, LEXICON_MAGIC, header, arrays)


def read_lexicon(package: Package, ngram: "NgramModel") -> tuple[Lexicon, np.ndarray] | None:
    """The lexicon of a package's language model, and the ids (words,) of its words there; None if it has to be built."""
    if package.lexicon_file is None or package.lexicon_file.header["lm"] != _lm_fingerprint(ngram):
        return None
    arrays = dict(package.lexicon_file.arrays)
    words = arrays.pop("words").tobytes().decode().split("\n")
    word_ids = arrays.pop("word_ids").astype(np.int32)
    return Lexicon.from_trie(words, Trie(**arrays), package.tokenizer), word_ids


def _lm_fingerprint(ngram: "NgramModel") -> list[int]:
    """Of the words of a language model, by their ids: nothing else of it is in the lexicon."""
    return [len(ngram.words_as_bytes), crc32(ngram.words_as_bytes)]


def _smallest(array: np.ndarray) -> np.ndarray:
    """The same whole numbers from 0 upwards in the smallest type that holds them."""
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))
