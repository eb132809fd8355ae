"""Modern English text for the language model, from public repositories: a sentence a line, of A-Z, apostrophes and single spaces.

python recipes/english/modern_text.py MIRRORS cmudict.dict.xz -o modern.txt.xz --held-out modern-held-out.txt \\
    --sources SOURCES.tsv --leave-out dev-clean.txt common-voice-test.txt

MIRRORS holds a git directory of each repository of SOURCES below, owner+name; those that are missing are cloned. What is read is
the commit that stands there. Numbers, titles and units are written as words, as in
books.txt.xz; a sentence with something that cannot be spelled is dropped, and one that came before.
"""

import argparse
import io
import lzma
import re
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

from text_sources import SOURCES
from written_out import WORDS, cardinal, sentences, spell

from speechrnn.lm.ngram_counts import read_sentences


def git_directory(mirrors: Path, repository: str) -> Path | None:
    """Where the repository lies, if it is there."""
    folder = mirrors / repository.replace("/", "+")
    candidates = (
        folder,
        folder / "repo",
        folder / ".git",
        folder / "repo/.git",
        folder.with_name(folder.name + ".git"),
    )
    return next((path for path in candidates if (path / "HEAD").exists()), None)


def clone(mirrors: Path, repository: str) -> Path:
    """A copy of the newest commit, made now."""
    directory = mirrors / repository.replace("/", "+")
    address = f"https://github.com/{repository}"
    subprocess.run(["git", "clone", "--quiet", "--bare", "--depth", "1", address, directory], check=True)
    return directory


def git(directory: Path, *arguments: str, given: bytes = b"") -> bytes:
    """What git prints."""
    command = ["git", f"--git-dir={directory}", *arguments]
    return subprocess.run(command, input=given, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def files(directory: Path, paths: str) -> Iterator[bytes]:
    """The contents of the files whose paths match; large files that a partial copy lacks are left out."""
    entries = (
        entry.split("\t") for entry in git(directory, "ls-tree", "-r", "-l", "-z", "HEAD").decode().split("\0")[:-1]
    )
    ids = [about.split()[2] for about, path in entries if re.fullmatch(paths, path) and about.split()[3].isdigit()]
    for begin in range(0, len(ids), 100):  # a process for a hundred of them
        out = io.BytesIO(git(directory, "cat-file", "--batch", given="\n".join(ids[begin : begin + 100]).encode()))
        while head := out.readline().split():
            yield out.read(int(head[2]))
            out.read(1)


class LeftOut:
    """Texts of tests: a sentence that is among them, or shares EIGHT words in a row with them, is not taken."""

    EIGHT = 8

    def __init__(self, paths: list[str], known: set[str]):
        self.lines: set[str] = set()
        self.runs: set[tuple[str, ...]] = set()
        for path in paths:
            for _, line in read_sentences(path):
                words = (spell(" ".join(sentences(line)), known) or line.upper()).split()
                self.lines.add(" ".join(words))
                self.runs.update(self._runs(words))

    def __contains__(self, line: str) -> bool:
        return line in self.lines or not self.runs.isdisjoint(self._runs(line.split()))

    def _runs(self, words: list[str]) -> list[tuple[str, ...]]:
        return [tuple(words[i : i + self.EIGHT]) for i in range(len(words) - self.EIGHT + 1)]


SINGLE = (
    "yes no okay stop go start begin end up down left right on off in out back forward forwards backward backwards next "
    "previous first last open close play pause resume repeat continue cancel help hello hi goodbye bye thanks please sorry "
    "louder softer louder quieter faster slower lights light music volume mute unmute more less enter delete erase clear "
    "undo redo save send call dial answer hang yesterday today tomorrow now later never always maybe sure right wrong true "
    "false good great fine bad red green blue yellow black white orange purple brown pink gray monday tuesday wednesday "
    "thursday friday saturday sunday january february march april may june july august september october november "
    "december north south east west morning afternoon evening night oh hundred thousand million point dot dash star pound "
    "computer internet email television airport pizza homework weather news time date alarm timer"
).split()


ROWS = 500  # of letters and digits


def single_words() -> Iterator[str]:
    """Each word, letter and number said alone, and rows of two to ten digits or letters, that are the same each time."""
    letters = [chr(code) for code in range(ord("A"), ord("Z") + 1)]
    numbers = [cardinal(value).upper() for value in range(101)]
    yield from dict.fromkeys([*(word.upper() for word in SINGLE), *letters, *numbers])
    random = Random(0)
    for row in range(ROWS):
        yield " ".join(random.choices(numbers[:10] if row % 2 else letters, k=2 + row // 2 % 9))


def main(args: argparse.Namespace) -> None:
    """Write the text, what is held out of it, and how many words each source gave."""
    known = {
        line.split()[0].split("(")[0].replace(".", "") for _, line in read_sentences(args.dictionary) if line.strip()
    }
    left_out = LeftOut(args.leave_out, known)
    seen: set[str] = set()
    rows = ["name\trepository\tcommit\tpaths\tlicence\tstated in\tsentences\twords"]
    with lzma.open(args.output, "wt", preset=6) as out, open(args.held_out, "w") as held_out:
        for source in SOURCES:
            directory = git_directory(Path(args.mirrors), source.repository)
            if directory is None:
                directory = clone(Path(args.mirrors), source.repository)
            lines_here = words_here = 0
            for data in files(directory, source.paths):
                for paragraph in source.read(data):
                    for sentence in sentences(paragraph):
                        line = spell(sentence, known)
                        count = len(line.split())
                        if count not in WORDS or line in seen or line in left_out:
                            continue
                        seen.add(line)
                        lines_here, words_here = lines_here + 1, words_here + count
                        (held_out if zlib.crc32(line.encode()) % 100 == 0 else out).write(line + "\n")
            commit = git(directory, "rev-parse", "HEAD").decode().strip()
            row = (source.name, source.repository, commit, source.paths, source.licence, source.stated)
            rows.append("\t".join([*row, str(lines_here), str(words_here)]))
            print(f"{words_here:10,} words of {lines_here:,} sentences: {source.name}", flush=True)
    if args.single_words:
        Path(args.single_words).write_text("".join(f"{line}\n" for line in single_words()))
    if args.sources:
        Path(args.sources).write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mirrors", help="the folder of the git directories")
    parser.add_argument("dictionary", help="CMU's: which abbreviations are words")
    parser.add_argument("-o", "--output", required=True, help="the text, xz")
    parser.add_argument("--held-out", required=True, help="a hundredth of it, to measure with")
    parser.add_argument("--leave-out", nargs="*", default=[], help="sentences of tests, one a line")
    parser.add_argument("--sources", help="a table of the sources, their commits, licences and words")
    parser.add_argument("--single-words", help="for a text of single words, and of rows of letters and of digits")
    main(parser.parse_args())
