"""ARPA files, the text form of back-off language models that every toolkit reads; gzip-compressed ones, too.

The format: https://www.speech.sri.com/projects/srilm/manpages/ngram-format.5.html (logarithms to base 10).
"""

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from speechrnn.errors import InputError, reason
from speechrnn.files import write_atomically
from speechrnn.lm.backoff import IMPOSSIBLE, SPECIAL, BackoffTables, Table

LN10 = float(np.log(10))
CHUNK = 100_000  # lines parsed at once
HEADER_LINES = 1000  # in which \data\ has to come
GZIP = b"\x1f\x8b"


def read_arpa(path: str | os.PathLike) -> BackoffTables:
    """Read an ARPA file, plain or gzip-compressed (told apart by content).

    Words keep the file's order after <unk>, <s> and </s>; one of these three that has no entry gets probability 1e-99.

    Raises:
        InputError: it cannot be read, or is not of the form: the line, the expectation and what was found.
    """
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == GZIP
            file.seek(0)
            return _Reader(str(path), gzip.open(file) if packed else file).read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: expected a whole gzip file, found a damaged or truncated one ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: expected an ARPA file: {reason(error)}") from None


class _Reader:
    def __init__(self, path: str, lines: Iterator[bytes]):
        self.path, self.lines, self.number = path, iter(lines), 0  # the number of the last line that was read

    def fail(self, message: str, number: int | None = None) -> None:
        raise InputError(f"{self.path}, line {self.number if number is None else number}: {message}")

    def next_line(self) -> bytes:
        """The next line that is not blank, stripped; b"" at the end of the file."""
        for line in self.lines:
            self.number += 1
            if line.strip():
                return line.strip()
        return b""

    def read(self) -> BackoffTables:
        line = self.next_line()
        while line != b"\\data\\":
            if not line or self.number > HEADER_LINES or b"\0" in line:
                raise InputError(
                    f"{self.path}: expected an ARPA file, found no line \\data\\ in its first {self.number} lines"
                )
            line = self.next_line()
        counts: list[int] = []
        while match := re.fullmatch(rb"ngram\s+(\d+)\s*=\s*(\d+)", line := self.next_line()):
            if int(match[1]) != len(counts) + 1:
                self.fail(f"expected 'ngram {len(counts) + 1}=COUNT', found {_shown(line)}")
            counts.append(int(match[2]))
        if not counts or not counts[0]:
            self.fail(f"expected 'ngram 1=COUNT' with a count above 0, found {_shown(line)}")
        model = BackoffTables(list(SPECIAL), [])
        ids: dict[bytes, int] = {}
        for length, count in enumerate(counts, start=1):
            if line != b"\\%d-grams:" % length:
                known = f"the {counts[length - 2]} {length - 1}-grams of the header, then " if length > 1 else ""
                self.fail(f"expected {known}\\{length}-grams:, found {_shown(line)}")
            self.section(model, ids, length, count, length == len(counts))
            line = self.next_line()
        if line != b"\\end\\":
            self.fail(
                f"expected \\end\\ after the {counts[-1]} {len(counts)}-grams of the header, found {_shown(line)}"
            )
        return model

    def section(self, model: BackoffTables, ids: dict[bytes, int], length: int, count: int, last: bool) -> None:
        """Read the n-grams of one length into the model."""
        first_line = self.number + 1
        words = np.empty((count, length), np.int32)
        values = np.zeros((2, count))
        for begin in range(0, count, CHUNK):
            end = min(begin + CHUNK, count)
            rows = [line.split() for line in islice(self.lines, end - begin)]
            for row, fields in enumerate(rows):
                if not length + 1 <= len(fields) <= length + 2 - last or fields[0][:1] == b"\\":
                    self.number = first_line + begin + row
                    if not fields or fields[0][:1] == b"\\":
                        self.fail(f"expected {count} {length}-grams as the header says, found {begin + row}")
                    wanted = f"a logarithm, {length} word{'s' * (length > 1)}"
                    wanted += "" if last else " and perhaps a back-off"
                    self.fail(f"expected {wanted}, found {_shown(b' '.join(fields))}")
            if len(rows) < end - begin:
                self.number = first_line + begin + len(rows) - 1
                self.fail(f"expected {count} {length}-grams as the header says, found {begin + len(rows)} and the end")
            if length == 1:
                for row, fields in enumerate(rows):
                    self.add_word(model.words, ids, fields[1], first_line + begin + row)
            for position in range(length):
                try:
                    words[begin:end, position] = [ids[fields[position + 1]] for fields in rows]
                except KeyError as error:
                    row = next(row for row, fields in enumerate(rows) if fields[position + 1] not in ids)
                    self.fail(f"the word {_shown(error.args[0])} is not among the 1-grams", first_line + begin + row)
            try:
                values[0, begin:end] = [float(fields[0]) for fields in rows]
                values[1, begin:end] = [float(fields[length + 1]) if len(fields) > length + 1 else 0 for fields in rows]
            except ValueError as error:
                row = next(row for row, fields in enumerate(rows) if not _numbers(fields[0], *fields[length + 1 :]))
                self.fail(f"expected logarithms: {error}", first_line + begin + row)
        bad = ~np.isfinite(values).all(axis=0) | (values[0] > 0.01)
        if bad.any():
            row = int(bad.argmax())
            self.fail(f"expected a logarithm of a probability, found {values[0, row]:g}", first_line + row)
        self.number = first_line + count - 1
        model.tables.append(self.table(model, words, values * LN10, first_line))

    def add_word(self, words: list[str], ids: dict[bytes, int], word: bytes, number: int) -> None:
        if word in ids:
            self.fail(f"the word {_shown(word)} stands twice among the 1-grams", number)
        try:
            text = word.decode("utf-8")
        except UnicodeDecodeError as error:
            self.fail(f"expected words in UTF-8: {error}", number)
        special = text.lower() if text.lower() in SPECIAL else None  # older toolkits write <UNK>
        ids[word] = SPECIAL.index(special) if special else len(words)
        if not special:
            words.append(text)

    def table(self, model: BackoffTables, words: np.ndarray, values: np.ndarray, first_line: int) -> Table:
        """The sorted table of n-grams (n, length) and their two natural logarithms (2, n)."""
        size = len(model.words)
        if not model.tables:
            table = Table(np.zeros(size, np.int64), np.arange(size, dtype=np.int32), *np.zeros((2, size)))
            table.log_probs[: len(SPECIAL)] = IMPOSSIBLE
            table.log_probs[words[:, 0]], table.backoffs[words[:, 0]] = values
            return table
        contexts = words[:, 0].astype(np.int64)
        for length in range(2, words.shape[1]):
            contexts = model.find(length, contexts, words[:, length - 1])
        if (contexts < 0).any():
            row = int((contexts < 0).argmax())
            text = " ".join(model.words[word] for word in words[row, :-1])
            self.fail(f"its context {text!r} is not among the {words.shape[1] - 1}-grams", first_line + row)
        keys = contexts * size + words[:, -1]
        order = np.argsort(keys, kind="stable")
        repeated = np.flatnonzero(np.diff(keys[order]) == 0)
        if len(repeated):
            self.fail("the n-gram stands twice", first_line + int(order[repeated[0] + 1]))
        return Table(contexts[order], words[order, -1], *values[:, order])


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", "backslashreplace")) if line else "the end of the file"


def _numbers(*fields: bytes) -> bool:
    try:
        return all(float(field) is not None for field in fields)
    except ValueError:
        return False


def is_arpa_name(path: str | os.PathLike) -> bool:
    """Whether a file to be written is meant to be an ARPA file."""
    return str(path).endswith((".arpa", ".arpa.gz"))


def write_arpa(path: str | os.PathLike, model: BackoffTables) -> None:
    """Write a model as an ARPA file, compressed if the name ends in .gz."""
    out = io.BytesIO()
    # No time stamp in the gzip header: the same model gives the same file.
    file = gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0) if str(path).endswith(".gz") else out
    file.write(b"\\data\\\n")
    for length, table in enumerate(model.tables, start=1):
        file.write(b"ngram %d=%d\n" % (length, len(table)))
    texts = [""]
    for length, table in enumerate(model.tables, start=1):
        file.write(b"\n\\%d-grams:\n" % length)
        prefixes = texts
        last = length == model.order
        texts = []
        for begin in range(0, len(table), CHUNK):
            part = slice(begin, begin + CHUNK)
            contexts, words = table.contexts[part].tolist(), table.words[part].tolist()
            grams = [prefixes[c] + model.words[w] for c, w in zip(contexts, words, strict=True)]
            log_probs = (table.log_probs[part] / LN10).tolist()
            backoffs = (table.backoffs[part] / LN10).tolist()
            lines = [
                f"{p:.7g}\t{gram}\t{b:.7g}\n" if b else f"{p:.7g}\t{gram}\n"
                for p, gram, b in zip(log_probs, grams, backoffs, strict=True)
            ]
            file.write("".join(lines).encode("utf-8"))
            if not last:
                texts += [gram + " " for gram in grams]
    file.write(b"\n\\end\\\n")
    if file is not out:
        file.close()
    write_atomically(Path(path), out.getbuffer())
