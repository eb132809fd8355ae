"""The words that the English language model knows: frequent ones of books and modern text, and common ones of a larger list.

python recipes/english/word_list.py books.txt.xz modern.txt.xz words-214k.txt.xz cmudict.dict.xz -o words.txt

A word that neither list nor dictionary has is a name, a word of another language, or misspelled: it must stand twice as often in
books, four times as often in modern text.
"""

import argparse
from collections import Counter
from pathlib import Path

from modern_text import SINGLE
from written_out import cardinal

from speechrnn.lm.ngram_counts import read_sentences

ALWAYS = (
    *(word.upper() for word in SINGLE),
    *(cardinal(number).upper() for number in (*range(21), *range(30, 91, 10))),
    *map(chr, range(ord("A"), ord("Z") + 1)),
)


def counts(path: str) -> Counter[str]:
    """How often each word stands in a text."""
    found: Counter[str] = Counter()
    for _, line in read_sentences(path):
        found.update(line.split())
    return found


def main(args: argparse.Namespace) -> None:
    """Write the words, one a line, sorted."""
    listed = {}
    for _, line in read_sentences(args.listed):
        word, count = line.split()
        listed[word.upper()] = int(count)
    known = {line.split()[0].split("(")[0].upper() for _, line in read_sentences(args.dictionary) if line.strip()}
    words = {word for word in sorted(listed, key=listed.get, reverse=True)[: args.common] if word in known}
    for path, least, unlisted in ((args.books, args.in_books, 2), (args.modern, args.in_modern, 4)):
        for word, count in counts(path).items():
            if count >= least * (1 if word in known or word in listed else unlisted):
                words.add(word)
    for path in args.all_of:
        words.update(counts(path))
    words.update(ALWAYS)
    Path(args.output).write_text("".join(f"{word}\n" for word in sorted(words)))
    print(f"{len(words):,} words")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("books", help="a text")
    parser.add_argument("modern", help="a text")
    parser.add_argument("listed", help="words and their counts, two columns")
    parser.add_argument("dictionary", help="CMU's")
    parser.add_argument("-o", "--output", required=True, help="the words, one a line")
    parser.add_argument(
        "--in-books", type=int, default=4, metavar="N", help="take words that stand so often (default: 4)"
    )
    parser.add_argument(
        "--in-modern", type=int, default=4, metavar="N", help="take words that stand so often (default: 4)"
    )
    parser.add_argument(
        "--common", type=int, default=45000, metavar="N", help="the first so many of the list (default: 45000)"
    )
    parser.add_argument(
        "--all-of", nargs="*", default=[], metavar="TEXT", help="texts or manifests all of whose words are taken"
    )
    main(parser.parse_args())
