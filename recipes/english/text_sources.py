"""Where modern English text comes from, under which licence, and what is said in each kind of file."""

import csv
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape

# What is said in a file: paragraphs, sentences or turns of a conversation, as they are written.


def lines(data: bytes) -> Iterator[str]:
    """A sentence a line."""
    yield from data.decode(errors="replace").splitlines()


def tatoeba(data: bytes) -> Iterator[str]:
    """The English side of manythings.org's pairs; Tom stands in a fifth of them, so that of those three in four are left out."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    for line in archive.read("deu.txt").decode().splitlines():
        sentence = line.split("\t")[0]
        if not re.search(r"\bTom\b", sentence) or zlib.crc32(sentence.encode()) % 4 == 0:
            yield sentence


def schema_guided(data: bytes) -> Iterator[str]:
    """What the users say: the system's turns are templates."""
    for dialogue in json.loads(data):
        yield from (turn["utterance"] for turn in dialogue["turns"] if turn["speaker"] == "USER")


def self_dialogue(data: bytes) -> Iterator[str]:
    """Answer.sentence1 to Answer.sentence20, but for those of workers who are blocked (blocked_workers.txt) or were rejected."""
    for row in csv.DictReader(io.StringIO(data.decode(errors="replace"))):
        if row.get("AssignmentStatus") != "Rejected" and row.get("WorkerId") not in BLOCKED:
            yield from (text for key, text in row.items() if key and key.startswith("Answer.sentence") and text)


BLOCKED = {"A2GSIQYXC3SFMI", "A34MRQ1OP87XC6", "A3N8B6OSHHUUCI", "AVFEF3TMBLERO"}


def star(data: bytes) -> Iterator[str]:
    """What the users say."""
    events = json.loads(data)["Events"]
    yield from (event["Text"] for event in events if event["Agent"] == "User" and event["Action"] == "utter")


def snips(data: bytes) -> Iterator[str]:
    """Commands, put together of their parts."""
    for commands in json.loads(data.decode(errors="replace")).values():
        yield from ("".join(part["text"] for part in command["data"]) for command in commands)


def clinc(data: bytes) -> Iterator[str]:
    """Questions and commands."""
    for rows in json.loads(data).values():
        yield from (text for text, _ in rows)


def wellformed(data: bytes) -> Iterator[str]:
    """Questions that most raters found well formed."""
    for line in data.decode().splitlines():
        text, rating = line.rsplit("\t", 1)
        if float(rating) >= 0.8:
            yield text


def grade_school(data: bytes) -> Iterator[str]:
    """The questions."""
    yield from (json.loads(line)["question"] for line in data.decode().splitlines())


def common_sense(data: bytes) -> Iterator[str]:
    """The statements that are true, and why the others are not."""
    for row in csv.DictReader(io.StringIO(data.decode(errors="replace"))):
        yield from (
            row[key] for key in ("Correct Statement", "Right Reason1", "Right Reason2", "Right Reason3") if row[key]
        )


def storybook(data: bytes) -> Iterator[str]:
    """A page a paragraph; only what is licensed CC BY."""
    story, _, about = data.decode(errors="replace").partition("* License: [")
    if about.startswith("CC-BY]"):
        yield from re.split(r"\n##\n", story)[1:]


def cnxml(data: bytes) -> Iterator[str]:
    """The paragraphs of a chapter that hold no formulas, tables or links to look at."""
    for paragraph in re.findall(r"<para\b[^>]*>(.*?)</para>", data.decode(), re.S):
        if not re.search(r"<m:math|<table|<equation|<list|<media", paragraph):
            yield unescape(
                re.sub(r"<[^>]+>", "", re.sub(r"<(footnote|link|note)\b.*?(</\1>|/>)", "", paragraph, flags=re.S))
            )


def markdown(data: bytes) -> Iterator[str]:
    """The paragraphs, without front matter, headings, lists, code, shortcodes and addresses."""
    text = re.sub(r"\A---\n.*?\n---\n", "", data.decode(errors="replace"), flags=re.S)
    text = re.sub(r"```.*?```|\{\{.*?\}\}|\{%.*?%\}|!\[[^\]]*\]\([^)]*\)", "", text, flags=re.S)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = unescape(re.sub(r"<[^>]+>", "", text)).replace("*", "").replace("`", "")
    for paragraph in re.split(r"\n\s*\n", text):
        if re.match(r"[A-Z\"“]", paragraph) and re.search(r"[.!?][\"”']?\s*$", paragraph):
            yield paragraph


WIKIPEDIA_SHARE = 4  # one article in so many


def wikipedia(data: bytes) -> Iterator[str]:
    """The paragraphs of WikiExtractor's <doc> elements, without headings; what stands in parentheses is seldom read aloud."""
    for article in data.decode().split("</doc>"):
        head, _, body = article.strip().partition("\n")
        if zlib.crc32(head.encode()) % WIKIPEDIA_SHARE:
            continue
        for paragraph in body.splitlines():
            if len(paragraph) > 60 and paragraph[-1] in '.?!"':
                paragraph = re.sub(r"\s*\([^()]*\)", "", re.sub(r"<[^>]*>", "", unescape(paragraph)))
                yield paragraph


@dataclass(frozen=True)
class Source:
    """Files of a public repository, and the licence that they are under."""

    name: str
    repository: str
    paths: str  # a regular expression that the whole path matches
    read: Callable[[bytes], Iterator[str]]
    licence: str
    stated: str  # where the licence is stated


OPENSTAX = r"modules/m\d+/index\.cnxml"
SOURCES = (
    Source(
        "Common Voice sentences",
        "skanderbenalaya/common-voice",
        r"server/data/en/(?!fxvoice)[^/]+\.txt",
        lines,
        "CC0 1.0",
        "server/data/LICENSE",
    ),
    Source(
        "Tatoeba",
        "rioyshky/translation",
        r"deu-eng\.zip",
        tatoeba,
        "CC BY 2.0 FR (tatoeba.org, manythings.org/anki)",
        "_about.txt in deu-eng.zip",
    ),
    Source(
        "Self-dialogue Corpus",
        "jfainberg/self_dialogue_corpus",
        r"corpus/.*\.csv",
        self_dialogue,
        "BSD 3-Clause",
        "LICENSE",
    ),
    Source(
        "Schema-Guided Dialogue",
        "google-research-datasets/dstc8-schema-guided-dialogue",
        r"(train|dev|test)/dialogues_\d+\.json",
        schema_guided,
        "CC BY-SA 4.0",
        "README.md, LICENSE.txt",
    ),
    Source("STAR", "RasaHQ/STAR", r"dialogues/\d+\.json", star, "MIT", "LICENSE.txt"),
    Source("SLURP", "pswietojanski/slurp", r"dataset/lm/lm\.txt", lines, "CC BY 4.0 (textual part)", "LICENSE.txt"),
    Source(
        "Snips NLU benchmark", "sonos/nlu-benchmark", r"2017-06-.*/train_.*_full\.json", snips, "CC0 1.0", "LICENSE"
    ),
    Source("CLINC150", "clinc/oos-eval", r"data/data_full\.json", clinc, "CC BY 3.0", "LICENSE"),
    Source(
        "Query-wellformedness",
        "google-research-datasets/query-wellformedness",
        r"(train|dev|test)\.tsv",
        wellformed,
        "CC BY-SA 4.0",
        "README.md",
    ),
    Source(
        "GSM8K",
        "openai/grade-school-math",
        r"grade_school_math/data/(train|test)\.jsonl",
        grade_school,
        "MIT",
        "LICENSE",
    ),
    Source(
        "ComVE",
        "wangcunxiang/SemEval2020-Task4-Commonsense-Validation-and-Explanation",
        r"ALL data/(train|dev|test)\.csv",
        common_sense,
        "CC BY-SA 4.0",
        "README.md",
    ),
    Source(
        "African Storybook",
        "global-asp/asp-source",
        r"en/.*\.md",
        storybook,
        "CC BY 4.0 (the stories that say so)",
        "the last lines of each story",
    ),
    Source(
        "18F blog",
        "18F/18f.gsa.gov",
        r"content/posts/.*\.md",
        markdown,
        "public domain (US government), CC0 1.0",
        "LICENSE.md",
    ),
    Source(
        "Digital.gov",
        "GSA/digitalgov.gov",
        r"content/(news|guides|resources)/.*\.md",
        markdown,
        "public domain (US government), CC0 1.0",
        "LICENSE.md",
    ),
    Source("OpenStax College Success", "openstax/osbooks-college-success", OPENSTAX, cnxml, "CC BY 4.0", "LICENSE"),
    Source(
        "OpenStax Introduction to Business",
        "openstax/osbooks-introduction-business",
        OPENSTAX,
        cnxml,
        "CC BY 4.0",
        "LICENSE",
    ),
    Source(
        "OpenStax Introduction to Anthropology",
        "openstax/osbooks-introduction-anthropology",
        OPENSTAX,
        cnxml,
        "CC BY 4.0",
        "LICENSE",
    ),
    Source(
        "Wikipedia, excellent articles",
        "ag-gipp/wikiextractor",
        r"text(-excellent)?/A./wiki_\d+",
        wikipedia,
        "CC BY-SA 3.0 (Wikipedia's authors)",
        "Wikipedia's terms; each <doc> names its article",
    ),
)
