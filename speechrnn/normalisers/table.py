"""A table of one's own: lines `from<TAB>to` that replace whole words of normalised texts."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from speechrnn.errors import InputError
from speechrnn.files import read_bytes, read_text

TABLE = "a table of 'from<TAB>to' lines (a normaliser)"

Normalise = Callable[[str], str]
_BASE = "@base"


def table_label(path: str | os.PathLike) -> str:
    """What reports call a table: the name of its file and the first 8 hexadecimal digits of its SHA-256.

    Raises:
        InputError: it cannot be read.
    """
    return f"{Path(path).name} {hashlib.sha256(read_bytes(path, TABLE)).hexdigest()[:8]}"


def table_normaliser(path: str | os.PathLike, bases: Sequence[str], load: Callable[[str], Normalise]) -> Normalise:
    """The normaliser that a table makes.

    UTF-8, one `from<TAB>to` a line, both of any number of words; an empty right side deletes. Empty lines and lines that begin
    with # say nothing. A line `@base NAME` names the one of `bases`, which `load` gives, that texts and both sides of the
    entries go through first (default: raw). Where several entries match, the one of most words is taken; replacements are not
    looked at again.

    Raises:
        InputError: the file cannot be read, or a line is not of these forms; the message names the line.
    """
    entries: list[tuple[int, str, str]] = []
    base, base_line = "raw", 0
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.split()[0] == _BASE:
            base = " ".join(line.split()[1:])
            if base_line:
                raise InputError(f"{path}, line {number}: a second {_BASE}, after that of line {base_line}; leave one")
            if base not in bases:
                raise InputError(f"{path}, line {number}: expected {_BASE} {' or '.join(bases)}, found {base!r}")
            base_line = number
        elif line.count("\t") == 1:
            left, right = line.split("\t")
            entries.append((number, left, right))
        else:
            raise InputError(
                f"{path}, line {number}: expected 'from<TAB>to', found {line.count(chr(9))} tabs in {line!r}"
            )
    return _replacer(path, entries, base, load(base))


def _replacer(
    path: str | os.PathLike, entries: list[tuple[int, str, str]], base: str, normalise: Normalise
) -> Normalise:
    replacements: dict[tuple[str, ...], list[str]] = {}
    lines: dict[tuple[str, ...], int] = {}
    lengths: defaultdict[str, set[int]] = defaultdict(set)  # of the entries that begin with a word
    for number, source, target in entries:
        words = tuple(normalise(source).split())
        if not words:
            raise InputError(
                f"{path}, line {number}: expected words before the tab, found {source!r}, nothing after {base}"
            )
        if words in replacements:
            raise InputError(
                f"{path}, line {number}: {' '.join(words)!r} stands in line {lines[words]} too (after {base}); leave one"
            )
        replacements[words], lines[words] = normalise(target).split(), number
        lengths[words[0]].add(len(words))
    longest_first = {word: sorted(found, reverse=True) for word, found in lengths.items()}

    def replace(text: str) -> str:
        words = normalise(text).split()
        if longest_first.keys().isdisjoint(words):
            return " ".join(words)
        replaced, index = [], 0
        while index < len(words):
            for length in longest_first.get(words[index], ()):
                found = replacements.get(tuple(words[index : index + length]))
                if found is not None:
                    replaced += found
                    index += length
                    break
            else:
                replaced.append(words[index])
                index += 1
        return " ".join(replaced)

    return replace


def _lines(path: str | os.PathLike) -> list[str]:
    text = read_text(path, TABLE)  # spreadsheets write a byte order mark
    return [line.removesuffix("\r") for line in text.split("\n")]
